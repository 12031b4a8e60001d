"""Ranges of activations, from a real graph and from synthetic histograms."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("onnxruntime")
pytest.importorskip("onnx")
from unmask_sdk.calibration.calibration_set import read_images
from unmask_sdk.calibration.plan import METHODS
from unmask_sdk.calibration.ranges import BINS, Histogram, find_ranges, observe


def _histogram(values: np.ndarray) -> Histogram:
    empty = Histogram(float(values.min()), float(values.max()))
    counts, _ = np.histogram(values, empty.edges)
    return Histogram(empty.low, empty.high, counts)


def test_values_of_a_graph_are_observed(tiny_artifacts: Path) -> None:
    model = (tiny_artifacts / "unmasker-fp32.onnx").read_bytes()
    images = read_images().at(64)[:3]
    found = observe(model, ["_to_copy", "unmasked"], images)
    assert found["_to_copy"].low == images.min()
    assert found["_to_copy"].high == images.max()
    assert found["unmasked"].counts.sum() == pytest.approx(images.size / 5, rel=0.01)
    quick = observe(model, ["_to_copy"], images, counted=False)
    assert quick["_to_copy"].counts is None
    assert find_ranges(quick, "minmax")["_to_copy"] == (0.0, images.max())


@pytest.mark.parametrize("method", ["percentile", "mse", "entropy"])
def test_a_single_outlier_is_clipped(method: str) -> None:
    values = np.append(np.random.default_rng(0).normal(0, 1, 200_000), 100.0)
    low, high = find_ranges({"x": _histogram(values)}, method)["x"]
    assert -6 < low < 0
    assert 3 < high < 99


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("values", [np.zeros(9), np.full(9, 3.0), np.full(9, -2.0)])
def test_constants_have_a_range(method: str, values: np.ndarray) -> None:
    low, high = find_ranges({"x": _histogram(values)}, method)["x"]
    assert low <= 0 <= high


@settings(max_examples=30, deadline=None)
@given(
    st.sampled_from([m for m in METHODS if m != "entropy"]),
    st.lists(st.floats(-1e4, 1e4, width=32), min_size=1, max_size=60),
)
def test_ranges_contain_zero_and_stay_within_the_values(method: str, given: list[float]) -> None:
    values = np.array(given)
    low, high = find_ranges({"x": _histogram(values)}, method)["x"]
    reach = max(abs(values.min()), abs(values.max()))
    slack = 2 * reach / BINS
    assert min(values.min(), 0) - slack <= low <= 0 <= high <= max(values.max(), 0) + slack
