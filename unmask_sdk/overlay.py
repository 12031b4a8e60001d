"""Draws what was found in a photo on it: for notebooks and for debugging."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from .core.arrays import Float64Array, Int32Array, UInt8Array
from .face import Face
from .faces.align import crop_to_photo

# Boxes of faces whose mask was removed, and of others; eyes; outline of what was generated.
UNMASKED, NOT_MASKED, EYES, OUTLINE = (80, 220, 100), (250, 190, 60), (60, 200, 250), (250, 80, 200)


def draw_faces(image: UInt8Array, faces: tuple[Face, ...]) -> UInt8Array:
    """Returns a copy of a photo with boxes, eyes, confidences and outlines of masks."""
    drawn: UInt8Array = image.copy()
    line = max(1, round(max(drawn.shape[:2]) / 500))
    for face in faces:
        color = UNMASKED if face.masked else NOT_MASKED
        x0, y0, x1, y1 = _near(drawn, face.box).ravel().tolist()
        cv2.rectangle(drawn, (x0, y0), (x1, y1), color, line, cv2.LINE_AA)
        for eye in _near(drawn, face.eyes).tolist():
            cv2.circle(drawn, eye, 2 * line, EYES, -1, cv2.LINE_AA)
        for outline in _outlines(face):
            cv2.polylines(drawn, [_near(drawn, outline)], True, OUTLINE, line, cv2.LINE_AA)
        place = (max(0, x0), max(12 * line, y0 - 3 * line))
        text = f"{face.confidence:.2f}"
        font = cv2.FONT_HERSHEY_SIMPLEX
        cv2.putText(drawn, text, place, font, 0.4 * line, color, line, cv2.LINE_AA)
    return drawn


def _near(drawn: UInt8Array, points: npt.ArrayLike) -> Int32Array:
    """Returns points in whole pixels; OpenCV overflows on points that are too far away."""
    size = np.array(drawn.shape[1::-1])
    near = np.clip(np.reshape(np.asarray(points, np.float64), (-1, 2)), -size, 2 * size)
    return np.rint(near).astype(np.int32)


def _outlines(face: Face) -> list[Float64Array]:
    covered = (face.mask >= 128).astype(np.uint8)
    found, _ = cv2.findContours(covered, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    return [crop_to_photo(face.matrix, np.asarray(line)[:, 0]) for line in found]
