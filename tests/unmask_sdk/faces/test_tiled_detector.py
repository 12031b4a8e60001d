"""A tiled detector of fixed size returns the same as one of any size."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unmask_sdk.core.arrays import AnyArray
from unmask_sdk.faces.detector_postprocess import CELL
from unmask_sdk.faces.tiled_detector import TILE, TiledDetector


class CellReader:
    """A detector whose maps contain the image at each cell, so that a wrong position is seen."""

    def __init__(self, size: int | None) -> None:
        self.size = size

    def run_named(self, **inputs: AnyArray) -> dict[str, AnyArray]:
        image = inputs["image"]
        if self.size is not None:
            assert image.shape == (1, self.size, self.size, 3)
        heat = image[:, ::CELL, ::CELL, 0].astype(np.float32)
        return {"heat": heat, "box": np.stack([heat, heat + 1, heat + 2, heat + 3], -1)}


@settings(deadline=None)
@given(rows=st.integers(1, 60), columns=st.integers(1, 60), seed=st.integers(0, 99))
def test_tiles_join_to_the_maps_of_the_complete_image(rows: int, columns: int, seed: int) -> None:
    shape = (1, 32 * rows, 32 * columns, 3)
    image = np.random.default_rng(seed).integers(0, 256, shape, np.uint8)
    whole = CellReader(None).run_named(image=image)
    tiled = TiledDetector(CellReader(TILE)).run_named(image=image)
    for name, expected in whole.items():
        np.testing.assert_array_equal(tiled[name], expected)


@pytest.mark.parametrize("size", [(352, 352), (1056, 1728)])
def test_shipped_detector_finds_the_same_in_tiles(size: tuple[int, int]) -> None:
    pytest.importorskip("onnxruntime")
    from unmask_sdk.core.sample_images import draw_masked_faces
    from unmask_sdk.faces.detector_postprocess import decode_boxes
    from unmask_sdk.loading.load import open_runtime

    image = np.full((1, *size, 3), 127, np.uint8)
    for top, left in ((96, 80), (size[0] - 260, size[1] - 256)):
        image[:, top : top + 160, left : left + 160] = draw_masked_faces(1, 160, 160, seed=top)
    with open_runtime("detector", "onnx") as detector:
        whole = detector.run_named(image=image)
        tiled = TiledDetector(detector).run_named(image=image)
    boxes, scores = decode_boxes(whole["heat"][0], whole["box"][0])
    again, scores_again = decode_boxes(tiled["heat"][0], tiled["box"][0])
    assert len(boxes) > 0
    np.testing.assert_allclose(again, boxes, atol=1.0)
    np.testing.assert_allclose(scores_again, scores, atol=0.02)
