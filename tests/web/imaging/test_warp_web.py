"""Affine warps as OpenCV 5 does them; it may differ by 1 in one value of a thousand."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

pytestmark = [
    pytest.mark.browser,
    # Before 5, OpenCV interpolated in steps of 1/32 pixel.
    pytest.mark.skipif(int(cv2.__version__[0]) < 5, reason="needs OpenCV 5"),
]

SIZE = (128, 96)
FLAGS = {"nearest": cv2.INTER_NEAREST, "linear": cv2.INTER_LINEAR, "cubic": cv2.INTER_CUBIC}
BORDERS = {"replicate": cv2.BORDER_REPLICATE, "constant": cv2.BORDER_CONSTANT}
MATRICES = st.builds(
    lambda angle, scale, x, y: np.array(
        [
            [scale * np.cos(angle), -scale * np.sin(angle), x],
            [scale * np.sin(angle), scale * np.cos(angle), y],
        ]
    ),
    st.floats(-3.2, 3.2),
    st.floats(0.2, 4),
    st.floats(-60, 60),
    st.floats(-60, 60),
)


@pytest.mark.parametrize(
    ("interpolation", "border", "dtype", "inverse"),
    [
        ("linear", "replicate", np.uint8, False),
        ("linear", "replicate", np.uint8, True),
        ("linear", "constant", np.float32, True),
        ("cubic", "replicate", np.uint8, True),
        ("cubic", "replicate", np.float32, True),
        ("nearest", "constant", np.uint8, True),
    ],
)
@settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(matrix=MATRICES, seed=st.integers(0, 99))
def test_warps_as_opencv(call, interpolation, border, dtype, inverse, matrix, seed):
    image = np.random.default_rng(seed).integers(0, 256, (75, 111, 3), np.uint8).astype(dtype)
    if interpolation == "nearest" or dtype == np.float32:
        image = np.ascontiguousarray(image[..., 0])
    options = {"interpolation": interpolation, "border": border, "inverse": inverse}
    warped = call("imaging/warp.js", "warpAffine", image, matrix.ravel(), *SIZE, options)
    flags = FLAGS[interpolation] | (cv2.WARP_INVERSE_MAP if inverse else 0)
    expected = cv2.warpAffine(image, matrix, SIZE, flags=flags, borderMode=BORDERS[border])
    difference = np.abs(warped.astype(np.float64) - expected)
    if dtype == np.float32:
        assert difference.max() < 0.05
    else:
        # Of two nearest pixels, rounding may choose another one.
        assert interpolation == "nearest" or difference.max() <= 1
        assert (difference > 0).mean() <= 2e-3
