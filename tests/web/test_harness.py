"""The harness itself: values reach the page and come back exactly, and errors are raised."""

from __future__ import annotations

import numpy as np
import pytest

from web_calls import Flat

pytestmark = pytest.mark.browser

RNG = np.random.default_rng(0)
ECHO = """
export const LIMIT = 8;
export const echo = (...values) => values;
export const nothing = () => undefined;
export const fill = (raster) => { raster.data.fill(7); };
export const fail = () => { throw new RangeError("side must be at least 1, got 0"); };
"""


@pytest.fixture(scope="module")
def echo(scratch):
    (scratch / "echo.js").write_text(ECHO, encoding="utf-8")
    return "../scratch/echo.js"


def test_values_return_exactly(call, echo):
    values = [
        RNG.integers(0, 256, (5, 7, 3), np.uint8),
        RNG.normal(size=(4, 3)).astype(np.float32),
        RNG.normal(size=6),
        np.array([-1, 2**31 - 1], np.int32),
        {"boxes": [[1.5, 2.0]], "name": "é", "none": None, "far": float("inf")},
    ]
    found = call(echo, "echo", *values)
    for value, back in zip(values[:4], found[:4], strict=True):
        assert back.dtype == value.dtype
        np.testing.assert_array_equal(back, value)
    assert found[4] == values[4]


def test_flat_arrays_and_matrices_have_no_shape(call, echo):
    found = call(echo, "echo", Flat(np.ones((2, 2), np.uint8)), np.eye(2, 3))
    assert [part.shape for part in found] == [(4,), (6,)]


def test_changed_arguments(call, echo):
    image, result = call.changed(echo, "fill", np.zeros((2, 3), np.uint8))
    np.testing.assert_array_equal(image, np.full((2, 3), 7))
    assert result is None


def test_constants_times_and_errors(call, echo):
    assert call.constant(echo, "LIMIT") == 8
    assert call(echo, "nothing") is None
    assert 0 <= call.milliseconds(echo, "nothing") < 10
    with pytest.raises(Exception, match="RangeError: side must be at least 1, got 0"):
        call(echo, "fail")
    with pytest.raises(Exception, match="does not export absent"):
        call(echo, "absent")
