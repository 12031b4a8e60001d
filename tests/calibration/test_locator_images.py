"""What the locator is calibrated on looks like what it sees."""

from __future__ import annotations

import numpy as np
import pytest

from unmask_sdk.calibration.calibration_set import read_images
from unmask_sdk.calibration.locator_images import aligner_images, detector_images
from unmask_sdk.core.locator_sizes import ALIGN_SIZE, BORDER
from unmask_sdk.faces.detector_postprocess import GRAY, TEMPLATE, decode_boxes
from unmask_sdk.loading.load import open_runtime

pytest.importorskip("onnxruntime")


def test_the_detector_finds_faces_of_all_sizes() -> None:
    crops = read_images().images
    images = detector_images(crops)
    np.testing.assert_array_equal(images, detector_images(crops))
    assert (images[:, :BORDER] == GRAY).all()
    assert (images[:, :, -BORDER:] == GRAY).all()
    sides = []
    with open_runtime("detector", "onnx", threads=1) as detector:
        for image in images:
            maps = detector.run_named(image=image[None])
            boxes, heats = decode_boxes(maps["heat"][0], maps["box"][0])
            if len(boxes):
                x0, _, x1, _ = boxes[heats.argmax()].tolist()
                sides.append(x1 - x0)
    assert len(sides) >= 0.7 * len(images)
    assert min(sides) < 30
    assert max(sides) > 200


def test_the_aligner_sees_the_eyes_near_their_place() -> None:
    crops = read_images().images
    images = aligner_images(crops)
    np.testing.assert_array_equal(images, aligner_images(crops))
    with open_runtime("aligner", "onnx", threads=1) as aligner:
        found = aligner.run_named(image=images)
    assert np.median(found["score"]) > 0.9
    off = (found["points"] - TEMPLATE)[:, :2] * ALIGN_SIZE
    assert np.abs(np.median(off, axis=0)).max() < 5
    assert 2 < off.std() < 10
