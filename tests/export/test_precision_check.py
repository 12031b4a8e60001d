"""What counts of work by precision mean, for every format."""

from __future__ import annotations

import pytest

from unmask_sdk.errors import ExportError
from unmask_sdk.export.precision_check import check_precision, precision_of, share_of


@pytest.mark.parametrize(
    ("counts", "precision"),
    [
        ({"fp32": 5}, "fp32"),
        ({"fp16": 5}, "fp16"),
        ({"int8": 80, "fp16": 10, "fp32": 10}, "int8"),
        ({"w8": 80, "fp16": 20}, "w8"),
        ({"w8a8": 100}, "w8a8"),
    ],
)
def test_precision_of_the_counts(counts: dict[str, int], precision: str) -> None:
    assert precision_of(counts) == precision
    check_precision(counts, precision)


def test_too_little_quantized_work_is_refused() -> None:
    with pytest.raises(ExportError, match="only 79% of the work is in int8, at least 80% must be"):
        precision_of({"int8": 79, "fp32": 21})


@pytest.mark.parametrize(
    "counts",
    [
        {},
        {"fp32": 99, "fp16": 1},
        # Present without work, such as a matrix product next to convolutions.
        {"fp32": 99, "fp16": 0},
        {"bf16": 5},
        {"int8": 99, "bf16": 1},
        {"w8": 90, "fp32": 10},
        {"w8": 50, "w8a8": 50},
    ],
)
def test_mixed_and_unknown_precisions_are_refused(counts: dict[str, int]) -> None:
    with pytest.raises(ExportError, match="mixed or unknown precision"):
        precision_of(counts)


def test_another_precision_than_requested_is_refused() -> None:
    with pytest.raises(ExportError, match="asked for fp32, the exported file is fp16"):
        check_precision({"fp16": 1}, "fp32")


def test_share_of_no_work_is_zero() -> None:
    assert share_of({}, "int8") == 0.0
    assert share_of({"int8": 1, "fp32": 3}, "int8") == 0.25
