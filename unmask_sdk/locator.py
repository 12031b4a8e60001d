"""Finds faces in a photo, masked or not, and puts their eye centres to the pixel.

Two small networks do it. The detector looks at the whole photo at one to three scales and gives
boxes; the aligner looks at a crop round each box, then at a second crop placed by its own first
answer, and gives five points. Coordinates are pixels as in `align.py`: whole numbers at pixel
centres, "left" and "right" the picture's.

A box is the tight rectangle round the face from the top of the forehead to the chin, without hair,
ears and neck; under a mask it is where the chin would be.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import cv2
import numpy as np
import numpy.typing as npt

from .align import transform_points, warp_crop
from .errors import InvalidInputError

Floats = npt.NDArray[np.float64]
Image = npt.NDArray[np.uint8]

# A face counts as found from this score up (0..1, see `Location.score`).
MIN_SCORE = 0.5
# The detector alone lets through more than that: the aligner, which sees more detail, sorts out.
MIN_HEAT = 0.25
# Smaller faces, by the mean side of the box in pixels of the photo, are left alone: there is
# nothing to see behind so small a mask, and most false alarms are as small as that.
MIN_FACE = 30.0
# Two boxes that share more of their union than this are one face.
MAX_OVERLAP = 0.4
MAX_FACES = 256

CELL = 8
STRIDE = 32
# The coarse look: longest side of the photo in pixels. Whatever fills the frame is seen here.
COARSE_SIDE = 288
# The fine look: this share of the photo's size, so that a face of 40 px still spans 17, but no
# longer than MAX_SIDE; beyond 4000 px the smallest face found grows with the photo.
FINE_SCALE = 0.42
MAX_SIDE = 1664
# Neighbouring looks may differ by this factor; the detector is trained for 12 to 300 px.
MAX_STEP = 6.0
# Grey border round the photo, so that a face cut off by the frame has its centre well inside.
BORDER = 32
GREY = 127

# Side of the crop that the aligner sees, and where the five points of an average upright face
# lie in it, in crop sides from the top-left edge.
ALIGN_SIZE = 112
TEMPLATE: Floats = np.array([[0.33, 0.34], [0.67, 0.34], [0.5, 0.56], [0.35, 0.694], [0.65, 0.694]])
# Crop side over the longer side of the box: an upright face lies as in the template.
BOX_MARGIN = 1.12


class NamedRuntime(Protocol):
    """What the locator needs of a runtime: arrays by name in, arrays by name out."""

    def run_named(self, **inputs: npt.NDArray[Any]) -> dict[str, npt.NDArray[Any]]:
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
    points: Floats
    score: float

    @property
    def eyes(self) -> Floats:
        """float64 `[2, 2]`, the eye centres: what `align.crop_matrix` takes."""
        return self.points[:2]


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

    def __call__(self, image: Image) -> list[Location]:
        """Finds the faces of a photo.

        Args:
            image: uint8 `[H, W, 3]` RGB. Faces from 40 px (box height; in photos longer than
                4000 px, a hundredth of the longer side) to the whole frame are found, rolled by
                up to about 45 degrees.

        Returns:
            The faces with a score of at least `MIN_SCORE`, largest first.

        Raises:
            InvalidInputError: If `image` is not such an array.
        """
        _check(image)
        boxes, heats = self._detect(image)
        keep = suppress(boxes, heats, MAX_OVERLAP)[:MAX_FACES]
        boxes, heats = boxes[keep], heats[keep]
        points, scores = self._place(image, boxes)
        scores = np.sqrt(scores * heats)
        sure = scores >= MIN_SCORE
        boxes, points, scores = boxes[sure], points[sure], scores[sure]
        # Two boxes, say of face and of head, may lead the aligner to one pair of eyes.
        reach = np.hypot(*(points[:, 1] - points[:, 0]).T)[:, None]
        centres = points[:, :2].mean(1)
        keep = suppress(np.hstack([centres - reach, centres + reach]), scores, MAX_OVERLAP)
        found = [Location(_floats(boxes[i]), points[i].copy(), float(scores[i])) for i in keep]
        return sorted(found, key=lambda face: -_area(face.box))

    def align(self, image: Image, box: npt.ArrayLike) -> Location:
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

    def _detect(self, image: Image) -> tuple[Floats, Floats]:
        found: list[tuple[Floats, Floats]] = []
        for scale in scales(*image.shape[:2]):
            canvas, factors = letterbox(image, scale)
            maps = self._detector.run_named(image=canvas[None])
            boxes, heats = decode(maps["heat"][0], maps["box"][0])
            # Pixel edges, not centres, keep their place as the size changes.
            boxes = (boxes - BORDER + 0.5) * np.tile(factors, 2) - 0.5
            found.append((boxes, heats))
        boxes = np.concatenate([box for box, _ in found])
        heats = np.concatenate([heat for _, heat in found])
        large = np.sqrt(np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)) >= MIN_FACE
        return boxes[large], heats[large]

    def _place(self, image: Image, boxes: Floats) -> tuple[Floats, Floats]:
        """Gives points `[N, 5, 2]` and scores `[N]` for boxes `[N, 4]`."""
        if not len(boxes):
            return np.zeros((0, 5, 2)), np.zeros(0)
        points, _ = self._look(image, [box_matrix(box) for box in boxes])
        return self._look(image, [points_matrix(p) for p in points])

    def _look(self, image: Image, matrices: list[Floats]) -> tuple[Floats, Floats]:
        crops = np.stack([warp_crop(image, m, ALIGN_SIZE) for m in matrices])
        answer = self._aligner.run_named(image=crops)
        seen = answer["points"].astype(np.float64) * ALIGN_SIZE - 0.5
        points = [
            transform_points(cv2.invertAffineTransform(m), p)
            for m, p in zip(matrices, seen, strict=True)
        ]
        return np.stack(points), answer["score"].astype(np.float64)


def scales(height: int, width: int) -> list[float]:
    """Gives the sizes, over the photo's own, at which the detector looks; coarse first."""
    longest = max(height, width)
    coarse = min(1.0, COARSE_SIDE / longest)
    fine = min(FINE_SCALE, MAX_SIDE / longest)
    if coarse >= fine:
        return [coarse]
    steps = int(np.ceil(np.log(fine / coarse) / np.log(MAX_STEP)))
    return [float(s) for s in np.geomspace(coarse, fine, steps + 1)]


def letterbox(image: Image, scale: float) -> tuple[Image, Floats]:
    """Shrinks a photo and puts a grey border round it, to sides that are multiples of 32.

    Returns:
        The canvas uint8 `[H, W, 3]` with the photo `BORDER` px from its left and top, and the
        photo's pixels to each pixel of the shrunk photo, (x, y).
    """
    height, width = image.shape[:2]
    w, h = max(1, round(width * scale)), max(1, round(height * scale))
    shrunk = cv2.resize(image, (w, h), interpolation=cv2.INTER_AREA) if scale < 1 else image
    rows, columns = (-(-(n + 2 * BORDER) // STRIDE) * STRIDE for n in (h, w))
    canvas = np.full((rows, columns, 3), GREY, np.uint8)
    canvas[BORDER : BORDER + h, BORDER : BORDER + w] = shrunk
    return canvas, np.array([width / w, height / h])


def decode(heat: npt.NDArray[np.float32], box: npt.NDArray[np.float32]) -> tuple[Floats, Floats]:
    """Reads boxes off the detector's maps, in pixels of the picture that it saw.

    Args:
        heat: float32 `[H, W]`, 0..1.
        box: float32 `[H, W, 4]`: offset x, y from the cell's centre to the box's in box sides,
            then log width and log height in cells.

    Returns:
        Boxes float64 `[N, 4]` (x0, y0, x1, y1) and their heat `[N]`: one for each local maximum.
    """
    peak = heat >= cv2.dilate(heat, np.ones((3, 3), np.uint8))
    rows, columns = np.nonzero(peak & (heat >= MIN_HEAT))
    values = box[rows, columns].astype(np.float64)
    # Wider than any picture, but far from overflow: a damaged network must not raise warnings.
    sides = np.exp(np.clip(values[:, 2:], -8, 8)) * CELL
    centres = (np.stack([columns, rows], 1) + 0.5) * CELL - 0.5 + values[:, :2] * sides
    return np.hstack([centres - sides / 2, centres + sides / 2]), heat[rows, columns].astype(
        np.float64
    )


def suppress(boxes: Floats, scores: Floats, overlap: float) -> list[int]:
    """Picks the best of boxes that overlap.

    Args:
        boxes: float64 `[N, 4]` (x0, y0, x1, y1).
        scores: `[N]`.
        overlap: Intersection over union above which the lower score goes, 0..1.

    Returns:
        Indices of the boxes kept, best first.
    """
    order = np.argsort(-scores, kind="stable")
    kept: list[int] = []
    while len(order):
        best, order = order[0], order[1:]
        kept.append(int(best))
        order = order[overlaps(boxes[best], boxes[order]) <= overlap]
    return kept


def overlaps(box: Floats, boxes: Floats) -> Floats:
    """Gives the intersection over union of one box `[4]` with each of `[N, 4]`."""
    low, high = np.maximum(box[:2], boxes[:, :2]), np.minimum(box[2:], boxes[:, 2:])
    shared = np.prod(np.clip(high - low, 0, None), axis=1)
    union = _area(box) + np.prod(boxes[:, 2:] - boxes[:, :2], axis=1) - shared
    return np.asarray(shared / np.maximum(union, 1e-9))


def box_matrix(box: Floats) -> Floats:
    """Gives the transform from picture to aligner crop for a box whose roll is not known."""
    side = BOX_MARGIN * float(max(box[2] - box[0], box[3] - box[1]))
    scale = ALIGN_SIZE / side
    corner = (box[:2] + box[2:]) / 2 - side / 2
    return np.array([[scale, 0, -scale * corner[0] - 0.5], [0, scale, -scale * corner[1] - 0.5]])


def points_matrix(points: Floats) -> Floats:
    """Gives the similarity to the aligner crop that brings five points nearest the template."""
    source = points[:, 0] + 1j * points[:, 1]
    target = (TEMPLATE * ALIGN_SIZE - 0.5) @ np.array([1, 1j])
    offset, goal = source - source.mean(), target - target.mean()
    spread = float(np.vdot(offset, offset).real)
    turn = complex(np.vdot(offset, goal)) / max(spread, 1e-9)
    if not 1e-3 < abs(turn) < 1e3:
        turn = 1 + 0j  # Points without size or direction: a damaged network's. Any crop will do.
    shift = target.mean() - turn * source.mean()
    return np.array([[turn.real, -turn.imag, shift.real], [turn.imag, turn.real, shift.imag]])


def _check(image: Image) -> None:
    array = isinstance(image, np.ndarray)
    if not array or image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        got = f"{image.dtype} {list(image.shape)}" if array else type(image).__name__
        raise InvalidInputError(f"image must be a uint8 RGB array [H, W, 3]; got {got}")
    if 0 in image.shape:
        raise InvalidInputError(f"image has no pixels: its shape is {list(image.shape)}")


def _floats(box: Floats) -> tuple[float, float, float, float]:
    x0, y0, x1, y1 = (float(v) for v in box)
    return x0, y0, x1, y1


def _area(box: npt.ArrayLike) -> float:
    x0, y0, x1, y1 = np.asarray(box, dtype=np.float64)
    return float((x1 - x0) * (y1 - y0))
