"""The precision of a finished file, as counted from the file itself.

Each format counts its own files: multiplications of the convolutions, or the number of their
weights, by the precision that they are stored or computed in. What the counts mean is decided here.
"""

from __future__ import annotations

from collections.abc import Mapping

from unmask_sdk.errors import ExportError

# Share of the counted work that must be quantized in a file of a quantized precision.
MIN_QUANTIZED_SHARE = 0.8

_FLOAT = ("fp32", "fp16")
# Quantized precisions, and the float ones that layers kept in float may have in such a file.
_QUANTIZED: Mapping[str, tuple[str, ...]] = {
    "int8": ("fp32", "fp16"),
    "w8": ("fp16",),
    "w8a8": ("fp16",),
}


def share_of(counts: Mapping[str, int], precision: str) -> float:
    """Returns the share, 0..1, of the counted work that is in a precision; 0 if there is none."""
    total = sum(counts.values())
    return counts.get(precision, 0) / total if total else 0.0


def precision_of(counts: Mapping[str, int]) -> str:
    """Returns the precision of a file.

    A float file has one precision only. A quantized file may keep layers in float, up to
    `1 - MIN_QUANTIZED_SHARE` of the work.

    Args:
        counts: Work, or number of weights, of the file's layers by precision. A precision that
            layers have counts as present even if its work is 0.

    Raises:
        ExportError: If there are several precisions, an unknown one, or too little of the work is
            quantized.
    """
    present = set(counts)
    for name, floats in _QUANTIZED.items():
        if name in present and present <= {name, *floats}:
            share = share_of(counts, name)
            if share < MIN_QUANTIZED_SHARE:
                raise ExportError(
                    f"only {share:.0%} of the work is in {name}, at least "
                    f"{MIN_QUANTIZED_SHARE:.0%} must be; use a plan that keeps fewer layers in "
                    "float"
                )
            return name
    if len(present) == 1 and present <= set(_FLOAT):
        return next(iter(present))
    raise ExportError(f"the exported weights are of mixed or unknown precision: {dict(counts)}")


def check_precision(counts: Mapping[str, int], wanted: str) -> None:
    """Raises if a file is not in the precision that was asked for.

    Args:
        counts: As for `precision_of`.
        wanted: Precision that was asked for.

    Raises:
        ExportError: Naming both precisions, or as `precision_of`.
    """
    got = precision_of(counts)
    if got != wanted:
        raise ExportError(f"asked for {wanted}, the exported file is {got}; nothing was written")
