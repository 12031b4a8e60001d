"""Serves photos over HTTP with Ray Serve: POST a photo, and the answer is it without masks.

    pip install 'ray[serve]'
    python examples/ray_serve.py
    curl --data-binary @photo.jpg localhost:8000 -o unmasked.png

On a cluster: `serve run examples.ray_serve:app`, in the folder above this one.
"""

from __future__ import annotations

import argparse
import asyncio

import ray
from ray import serve
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

import unmask_sdk


# Each replica is a process with a model of its own, for one core: add replicas, not threads. Photos
# that come meanwhile wait in the replica, where the next can be decoded at once.
@serve.deployment(num_replicas=1, max_ongoing_requests=4, ray_actor_options={"num_cpus": 1})
class Photos:
    """One process with the model open."""

    def __init__(self) -> None:
        self.model = unmask_sdk.load(threads=1)

    async def __call__(self, request: Request) -> Response:
        try:
            # In a thread, so that the process answers Ray's health checks meanwhile.
            image, faces = await asyncio.to_thread(self.unmask, await request.body())
        except unmask_sdk.ImageReadError as error:
            return PlainTextResponse(str(error), status_code=400)
        return Response(image, media_type="image/png", headers={"faces": str(faces)})

    def unmask(self, photo: bytes) -> tuple[bytes, int]:
        """Returns a PNG, and the number of faces whose mask was removed."""
        result = self.model(photo)
        return result.encode("png"), sum(face.masked for face in result.faces)


app = Photos.bind()


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--port", type=int, default=8000)
    arguments = parser.parse_args()
    # A cluster of this machine alone.
    ray.init(address="local", include_dashboard=False)
    serve.start(http_options={"host": "127.0.0.1", "port": arguments.port})
    serve.run(app, blocking=True)


if __name__ == "__main__":
    main()
