"""A model in an asyncio program: the event loop stays free, and few photos are open at a time.

python examples/with_asyncio.py examples/*.jpg
"""

from __future__ import annotations

import argparse
import asyncio
from pathlib import Path

import cv2

import unmask_sdk

MAX_OPEN = 4


def png(model: unmask_sdk.Unmasker, photo: Path) -> bytes:
    return cv2.imencode(".png", model(photo).image[..., ::-1])[1].tobytes()


async def unmask(model: unmask_sdk.Unmasker, photo: Path, gate: asyncio.Semaphore) -> bytes:
    """Reads a file, and returns the bytes of a PNG."""
    async with gate:
        return await asyncio.to_thread(png, model, photo)


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("photos", type=Path, nargs="+")
    photos = parser.parse_args().photos
    gate = asyncio.Semaphore(MAX_OPEN)
    with unmask_sdk.load(threads=1) as model:
        tasks = [unmask(model, photo, gate) for photo in photos]
        for photo, png in zip(photos, await asyncio.gather(*tasks), strict=True):
            print(f"{photo.name}: {len(png)} bytes")


if __name__ == "__main__":
    asyncio.run(main())
