"""Finds faces in a photo, masked or not, and puts their eye centres to the pixel.

Two small networks do it. The detector looks at the whole photo at one to three scales and gives
boxes; the aligner looks at a crop round each box, then at a second crop placed by its own first
answer, and gives five points. Coordinates are pixels as in `align.py`: whole numbers at pixel
centres, "left" and "right" the picture's.

A box is the tight rectangle round the face from the top of the forehead to the chin, without hair,
ears and neck; under a mask it is where the chin would be.
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
    detector_scales,
    letterbox,
    nms,
    points_matrix,
)

# A face counts as found from this score up (0..1, see `Location.score`). Measured on validation
# faces: 0.5 finds 1 to 3 % more of them, but sees twice as many faces where there are none.
MIN_SCORE = 0.6
# Smaller faces, by the mean side of the box in pixels of the photo, are left alone: there is
# nothing to see behind so small a mask, and most false alarms are as small as that.
MIN_FACE = 30.0
# Two boxes that share more of their union than this are one face.
MAX_OVERLAP = 0.4
MAX_FACES = 256


class NamedRuntime(Protocol):
    """What the locator needs of a runtime: arrays by name in, arrays by name out."""

    def run_named(self, **inputs: AnyArray) -> dict[str, AnyArray]:
        """Runs the graph."""
        ...


@dataclass(frozen=True)
class Location:
    """Where a face lies.

    Attributes:
        box: (x0, y0, x1, y1) in pixels; may reach beyond the photo.
        points: float64 `[5, 2]`, (x, y) in pixels: picture-left eye, picture-right eye, nose tip,
            picture-left and picture-right mouth corner.
        score: 0..1, the geometric mean of what detector and aligner are sure of.
    """

    box: tuple[float, float, float, float]
    points: Float64Array
    score: float

    @property
    def eyes(self) -> Float64Array:
        """float64 `[2, 2]`, the eye centres: what `align.crop_matrix` takes."""
        return self.points[:2]

    @property
    def confidence(self) -> float:
        """`score`, by the name that it has in a result's faces."""
        return self.score


class Locator:
    """Finds faces with a detector and an aligner, each behind a runtime.

    Args:
        detector: Takes `image` uint8 `[1, H, W, 3]`, sides multiples of 32; gives `heat` float32
            `[1, H/8, W/8]` and `box` float32 `[1, H/8, W/8, 4]`.
        aligner: Takes `image` uint8 `[N, 112, 112, 3]`; gives `points` float32 `[N, 5, 2]` and
            `score` float32 `[N]`.
    """

    def __init__(self, detector: NamedRuntime, aligner: NamedRuntime) -> None:
        self._detector = detector
        self._aligner = aligner

    def __call__(self, image: UInt8Array) -> list[Location]:
        """Finds the faces of a photo.

        Args:
            image: uint8 `[H, W, 3]` RGB. Faces from 40 px (box height; in photos longer than
                4000 px, a hundredth of the longer side) to the whole frame are found, rolled by
                up to about 45 degrees.

        Returns:
            The faces with a score of at least `MIN_SCORE`; large and sure ones first.

        Raises:
            InvalidInputError: If `image` is not such an array.
        """
        _check(image)
        boxes, heats = self._detect(image)
        keep = nms(boxes, heats, MAX_OVERLAP)[:MAX_FACES]
        boxes, heats = boxes[keep], heats[keep]
        points, scores = self._place(image, boxes)
        scores = np.sqrt(scores * heats)
        sure = scores >= MIN_SCORE
        boxes, points, scores = boxes[sure], points[sure], scores[sure]
        # Two boxes, say of face and of head, may lead the aligner to one pair of eyes.
        reach = np.hypot(*(points[:, 1] - points[:, 0]).T)[:, None]
        centres = points[:, :2].mean(1)
        keep = nms(np.hstack([centres - reach, centres + reach]), scores, MAX_OVERLAP)
        found = [Location(_floats(boxes[i]), points[i].copy(), float(scores[i])) for i in keep]
        return sorted(found, key=lambda face: -face.score * _area(face.box) ** 0.5)

    def align(self, image: UInt8Array, box: npt.ArrayLike) -> Location:
        """Puts the points of a face whose box is known.

        Args:
            image: uint8 `[H, W, 3]` RGB.
            box: (x0, y0, x1, y1) in pixels, round the face as described above; a tenth more or
                less does no harm.

        Returns:
            The location, with the box as given and the aligner's score alone.

        Raises:
            InvalidInputError: If the image is not such an array, or the box is not four finite
                numbers with a positive width and height.
        """
        _check(image)
        boxes = np.asarray(box, dtype=np.float64)
        if boxes.shape != (4,) or not np.isfinite(boxes).all() or (boxes[2:] <= boxes[:2]).any():
            raise InvalidInputError(
                "box must be four finite numbers x0, y0, x1, y1 with x1 > x0 and y1 > y0; "
                f"got {boxes.tolist()}"
            )
        points, scores = self._place(image, boxes[None])
        return Location(_floats(boxes), points[0], float(scores[0]))

    def follow(self, image: UInt8Array, faces: Sequence[Location]) -> list[Location]:
        """Puts the points of faces that lay somewhere near in the frame before.

        Args:
            image: uint8 `[H, W, 3]` RGB.
            faces: Where they were, up to a quarter of a face off.

        Returns:
            A location for each, with the aligner's score alone: a low one means that there is no
            face any more. The box goes along with the points.

        Raises:
            InvalidInputError: If the image is not such an array.
        """
        _check(image)
        if not faces:
            return []
        points, scores = self._look(image, [points_matrix(face.points) for face in faces])
        return [
            Location(_carried(face, now), now, float(score))
            for face, now, score in zip(faces, points, scores, strict=True)
        ]

    def _detect(self, image: UInt8Array) -> tuple[Float64Array, Float64Array]:
        found: list[tuple[Float64Array, Float64Array]] = []
        halves: list[UInt8Array] = []
        for scale in detector_scales(*image.shape[:2]):
            canvas, factors = letterbox(image, scale, halves)
            maps = self._detector.run_named(image=canvas[None])
            boxes, heats = decode_boxes(maps["heat"][0], maps["box"][0])
            # Pixel edges, not centres, keep their place as the size changes.
            boxes = (boxes - BORDER + 0.5) * np.tile(factors, 2) - 0.5
            found.append((boxes, heats))
        boxes = np.concatenate([box for box, _ in found])
        heats = np.concatenate([heat for _, heat in found])
        large = np.sqrt(np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)) >= MIN_FACE
        return boxes[large], heats[large]

    def _place(self, image: UInt8Array, boxes: Float64Array) -> tuple[Float64Array, Float64Array]:
        """Gives points `[N, 5, 2]` and scores `[N]` for boxes `[N, 4]`."""
        if not len(boxes):
            return np.zeros((0, 5, 2)), np.zeros(0)
        points, _ = self._look(image, [box_matrix(box) for box in boxes])
        return self._look(image, [points_matrix(p) for p in points])

    def _look(
        self, image: UInt8Array, matrices: list[Float64Array]
    ) -> tuple[Float64Array, Float64Array]:
        crops = np.stack([warp_crop(image, m, ALIGN_SIZE) for m in matrices])
        answer = self._aligner.run_named(image=crops)
        seen = answer["points"].astype(np.float64) * ALIGN_SIZE - 0.5
        points = [
            transform_points(cv2.invertAffineTransform(m), p)
            for m, p in zip(matrices, seen, strict=True)
        ]
        return np.stack(points), answer["score"].astype(np.float64)


def _check(image: UInt8Array) -> None:
    array = isinstance(image, np.ndarray)
    if not array or image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        got = f"{image.dtype} {list(image.shape)}" if array else type(image).__name__
        raise InvalidInputError(f"image must be a uint8 RGB array [H, W, 3]; got {got}")
    if 0 in image.shape:
        raise InvalidInputError(f"image has no pixels: its shape is {list(image.shape)}")


def _carried(face: Location, points: Float64Array) -> tuple[float, float, float, float]:
    """Moves a face's box as its points moved."""
    old, new = face.points.mean(0), points.mean(0)
    growth = np.linalg.norm(points - new) / max(float(np.linalg.norm(face.points - old)), 1e-9)
    corners = np.reshape(face.box, (2, 2))
    return _floats(((corners - old) * growth + new).ravel())


def _floats(box: Float64Array) -> tuple[float, float, float, float]:
    x0, y0, x1, y1 = (float(v) for v in box)
    return x0, y0, x1, y1


def _area(box: npt.ArrayLike) -> float:
    x0, y0, x1, y1 = np.asarray(box, dtype=np.float64)
    return float((x1 - x0) * (y1 - y0))
