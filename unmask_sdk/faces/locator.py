"""Finds faces in a photo, masked or not, and their eye centers to the pixel.

It uses two small networks. The detector takes the photo at one to three scales and returns boxes.
The aligner takes a crop around each box, then a second crop placed by its first result, and
returns five points. Coordinates are pixels as in `align.py`: integers at pixel centers, "left" and
"right" as seen in the image.

A box is the tight rectangle around the face from the top of the forehead to the chin, without hair,
ears and neck; with a mask it ends where the chin would be.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import cv2
import numpy as np
import numpy.typing as npt

from unmask_sdk.core.arrays import AnyArray, Float64Array, UInt8Array
from unmask_sdk.core.locator_sizes import ALIGN_SIZE, BORDER
from unmask_sdk.errors import InvalidInputError

from .align import transform_points, warp_crop
from .detector_postprocess import (
    box_matrix,
    decode_boxes,
    letterboxes,
    nms,
    points_matrix,
)

# Least score of a face (0..1, see `Location.score`). Measured on validation faces: 0.5 finds 1 to
# 3 % more of them, but has twice as many false positives.
MIN_SCORE = 0.6
# Smaller faces (mean side of the box in pixels of the photo) are ignored: so small a fill cannot be
# recognized, and most false positives are as small as that.
MIN_FACE = 30.0
# Two boxes with a higher intersection over union than this are one face.
MAX_OVERLAP = 0.4
MAX_FACES = 256
# Runtimes differ in the last digits of what they compute. A crop that is placed by rounded numbers
# is nearly always the same on all of them, bit for bit; otherwise a fill differs by some 50 dB. In
# steps per pixel: of what places the crops of the aligner, and of the points found.
PLACING_STEPS = 8
POINT_STEPS = 128


class NamedRuntime(Protocol):
    """The part of a runtime that the locator needs: named arrays in, named arrays out."""

    def run_named(self, **inputs: AnyArray) -> dict[str, AnyArray]:
        """Runs the graph."""
        ...


@dataclass(frozen=True)
class Location:
    """The location of a face in a photo.

    Attributes:
        box: (x0, y0, x1, y1) in pixels; may extend beyond the photo.
        points: float64 `[5, 2]`, (x, y) in pixels: image-left eye, image-right eye, nose tip,
            image-left and image-right mouth corner.
        score: 0..1, the geometric mean of the detector's and the aligner's confidence.
    """

    box: tuple[float, float, float, float]
    points: Float64Array
    score: float

    @property
    def eyes(self) -> Float64Array:
        """float64 `[2, 2]`, the eye centers: what `align.crop_matrix` takes."""
        return self.points[:2]

    @property
    def confidence(self) -> float:
        """The `score`, under the name that it has in the faces of a result."""
        return self.score


class Locator:
    """Finds faces with a detector and an aligner, each behind a runtime.

    Args:
        detector: Takes `image` uint8 `[1, H, W, 3]`, sides multiples of 32; returns `heat` float32
            `[1, H/8, W/8]` and `box` float32 `[1, H/8, W/8, 4]`.
        aligner: Takes `image` uint8 `[N, 112, 112, 3]`; returns `points` float32 `[N, 5, 2]` and
            `score` float32 `[N]`.
    """

    def __init__(self, detector: NamedRuntime, aligner: NamedRuntime) -> None:
        self._detector = detector
        self._aligner = aligner

    def __call__(self, image: UInt8Array) -> list[Location]:
        """Finds the faces of a photo.

        Args:
            image: uint8 `[H, W, 3]` RGB. Faces from 40 px (box height; in photos longer than
                4000 px, a hundredth of the longer side) to the full frame are found, rolled by
                up to about 45 degrees.

        Returns:
            The faces with a score of at least `MIN_SCORE`; large and confident ones first.

        Raises:
            InvalidInputError: If `image` is another type, dtype or shape.
        """
        check_image(image)
        boxes, heats = self._detect(image)
        keep = nms(boxes, heats, MAX_OVERLAP)[:MAX_FACES]
        boxes, heats = boxes[keep], heats[keep]
        points, scores = self._align_boxes(image, _rounded(boxes, PLACING_STEPS))
        scores = np.sqrt(scores * heats)
        confident = scores >= MIN_SCORE
        boxes, points, scores = boxes[confident], points[confident], scores[confident]
        # Two boxes, such as of the face and of the head, may lead the aligner to the same eyes.
        distance = np.hypot(*(points[:, 1] - points[:, 0]).T)[:, None]
        centers = points[:, :2].mean(1)
        keep = nms(np.hstack([centers - distance, centers + distance]), scores, MAX_OVERLAP)
        found = [Location(_floats(boxes[i]), points[i].copy(), float(scores[i])) for i in keep]
        return sorted(found, key=lambda face: -face.score * _area(face.box) ** 0.5)

    def align(self, image: UInt8Array, box: npt.ArrayLike) -> Location:
        """Finds the points of a face whose box is known.

        Args:
            image: uint8 `[H, W, 3]` RGB.
            box: (x0, y0, x1, y1) in pixels, around the face as described for this module; errors
                of a tenth do no harm.

        Returns:
            The location, with the box as given and the aligner's score only.

        Raises:
            InvalidInputError: If the image is another type, dtype or shape, or the box is not four
                finite numbers with a positive width and height.
        """
        check_image(image)
        boxes = np.asarray(box, dtype=np.float64)
        if boxes.shape != (4,) or not np.isfinite(boxes).all() or (boxes[2:] <= boxes[:2]).any():
            raise InvalidInputError(
                "box must be four finite numbers x0, y0, x1, y1 with x1 > x0 and y1 > y0; "
                f"got {boxes.tolist()}"
            )
        points, scores = self._align_boxes(image, boxes[None])
        return Location(_floats(boxes), points[0], float(scores[0]))

    def follow(self, image: UInt8Array, faces: Sequence[Location]) -> list[Location]:
        """Finds the points of faces that were nearby in the previous frame.

        Args:
            image: uint8 `[H, W, 3]` RGB.
            faces: Their previous locations, at most a quarter of a face away.

        Returns:
            A location for each, with the aligner's score only: a low one means that the face is
            gone. The box is moved with the points.

        Raises:
            InvalidInputError: If the image is another type, dtype or shape.
        """
        check_image(image)
        if not faces:
            return []
        points, scores = self._run_second_look(image, [face.points for face in faces])
        return [
            Location(_moved_box(face, now), now, float(score))
            for face, now, score in zip(faces, points, scores, strict=True)
        ]

    def _detect(self, image: UInt8Array) -> tuple[Float64Array, Float64Array]:
        found: list[tuple[Float64Array, Float64Array]] = []
        for canvas, factors in letterboxes(image):
            maps = self._detector.run_named(image=canvas[None])
            boxes, heats = decode_boxes(maps["heat"][0], maps["box"][0])
            # Pixel edges, not centers, keep their position when the size changes.
            boxes = (boxes - BORDER + 0.5) * np.tile(factors, 2) - 0.5
            found.append((boxes, heats))
        boxes = np.concatenate([box for box, _ in found])
        heats = np.concatenate([heat for _, heat in found])
        large = np.sqrt(np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)) >= MIN_FACE
        return boxes[large], heats[large]

    def _align_boxes(
        self, image: UInt8Array, boxes: Float64Array
    ) -> tuple[Float64Array, Float64Array]:
        """Returns points `[N, 5, 2]` and scores `[N]` for boxes `[N, 4]`."""
        if not len(boxes):
            return np.zeros((0, 5, 2)), np.zeros(0)
        points, _ = self._run_aligner(image, [box_matrix(box) for box in boxes])
        return self._run_second_look(image, points)

    def _run_second_look(
        self, image: UInt8Array, points: Sequence[Float64Array] | Float64Array
    ) -> tuple[Float64Array, Float64Array]:
        placing = [_rounded(p, PLACING_STEPS) for p in points]
        return self._run_aligner(image, [points_matrix(p) for p in placing])

    def _run_aligner(
        self, image: UInt8Array, matrices: list[Float64Array]
    ) -> tuple[Float64Array, Float64Array]:
        crops = np.stack([warp_crop(image, m, ALIGN_SIZE) for m in matrices])
        outputs = self._aligner.run_named(image=crops)
        in_crops = outputs["points"].astype(np.float64) * ALIGN_SIZE - 0.5
        points = [
            transform_points(cv2.invertAffineTransform(m), p)
            for m, p in zip(matrices, in_crops, strict=True)
        ]
        rounded = _rounded(np.stack(points), POINT_STEPS)
        return rounded, outputs["score"].astype(np.float64)


def check_image(image: UInt8Array) -> None:
    """Refuses what is not a uint8 RGB array `[H, W, 3]` with pixels, with `InvalidInputError`."""
    array = isinstance(image, np.ndarray)
    if not array or image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        got = f"{image.dtype} {list(image.shape)}" if array else type(image).__name__
        raise InvalidInputError(f"image must be a uint8 RGB array [H, W, 3]; got {got}")
    if 0 in image.shape:
        raise InvalidInputError(f"image has no pixels: its shape is {list(image.shape)}")


def _moved_box(face: Location, points: Float64Array) -> tuple[float, float, float, float]:
    """Moves and scales a face's box as its points moved."""
    old, new = face.points.mean(0), points.mean(0)
    growth = np.linalg.norm(points - new) / max(float(np.linalg.norm(face.points - old)), 1e-9)
    corners = np.reshape(face.box, (2, 2))
    return _floats(((corners - old) * growth + new).ravel())


def _rounded(values: Float64Array, steps: int) -> Float64Array:
    """Rounds to a whole number of steps of a pixel."""
    return np.asarray(np.rint(values * steps) / steps)


def _floats(box: Float64Array) -> tuple[float, float, float, float]:
    x0, y0, x1, y1 = (float(v) for v in box)
    return x0, y0, x1, y1


def _area(box: npt.ArrayLike) -> float:
    x0, y0, x1, y1 = np.asarray(box, dtype=np.float64)
    return float((x1 - x0) * (y1 - y0))
