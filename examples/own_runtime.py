"""A runtime of your own, here one that counts its runs, in place of those of the SDK.

    python examples/own_runtime.py examples/surgical.jpg

To make it known by name to `load()` and `unmask doctor`, put it into a package with an entry point
of the group `unmask_sdk.runtimes`.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import onnxruntime

from unmask_sdk import Unmasker, UnmaskError
from unmask_sdk.core.arrays import AnyArray
from unmask_sdk.core.manifest import read_manifest
from unmask_sdk.faces.locator import Locator
from unmask_sdk.loading.load import open_runtime
from unmask_sdk.runtimes.base import Runtime, RuntimeInfo


class Counting(Runtime[onnxruntime.InferenceSession]):
    """ONNX Runtime, with a count of what it did."""

    runs = 0

    def _open(
        self, path: Path, device: str, threads: int | None
    ) -> tuple[onnxruntime.InferenceSession, RuntimeInfo]:
        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        return session, RuntimeInfo("counting", "ours", device, self.artifact.precision, threads)

    def _run(
        self, handle: onnxruntime.InferenceSession, inputs: Sequence[AnyArray]
    ) -> Sequence[AnyArray]:
        self.runs += 1
        return handle.run(None, {"image": inputs[0]})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("photo", help="A photo of a masked face.")
    photo = parser.parse_args().photo
    manifest = read_manifest()
    unmaskers = manifest.find(role="unmasker", formats=("onnx",))
    artifact = next(a for a in unmaskers if a.precision == "fp32")
    # `path` checks the digest: what is opened is what was released.
    runtime = Counting(manifest.path(artifact), artifact)
    locator = Locator(open_runtime("detector", "onnx"), open_runtime("aligner", "onnx"))
    with Unmasker(runtime, locator) as model:
        try:
            print(model(photo))
        except UnmaskError as error:
            raise SystemExit(str(error)) from None
        print(f"{model}: {runtime.runs} run")


if __name__ == "__main__":
    main()
