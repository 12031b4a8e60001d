"""Opens in Python the networks that the web package opens, to compare the two."""

from __future__ import annotations

from unmask_sdk import Unmasker
from unmask_sdk.faces.locator import Locator
from unmask_sdk.loading.load import open_runtime


def load_as_web(model: str, precision: str) -> Unmasker:
    """Opens a model on ONNX Runtime, on one thread, with the locator in fp32, as in a browser.

    `unmask_sdk.load("onnx", "int8")` has the locator in int8 too.

    Args:
        model: Name of the unmasker.
        precision: Of the unmasker, `fp32` or `int8`.

    Returns:
        The opened model.

    Raises:
        UnmaskError: As `unmask_sdk.load()` raises it.
    """
    unmasker = open_runtime("unmasker", "onnx", precision, model=model, threads=1)
    detector, aligner = (
        open_runtime(role, "onnx", "fp32", threads=1) for role in ("detector", "aligner")
    )
    return Unmasker(unmasker, Locator(detector, aligner))
