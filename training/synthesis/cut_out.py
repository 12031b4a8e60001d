"""Cuts a person out of an image: soft coverage, and colors without the old background.

MediaPipe's selfie segmentation tells person from background at 256 px; a guided filter brings its
edge to the image's own edges. Sources: He, Sun, Tang, *Guided Image Filtering*; Forte,
blur fusion of foreground colors, 2021.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from unmask_sdk.core.arrays import Float32Array, Float64Array, UInt8Array
from unmask_sdk.faces.align import crop_matrix

from .mediapipe_model import MediaPipeModel, how_to_get
from .mesh import eye_centers

PATH_IN_WHEEL = "mediapipe/modules/selfie_segmentation/selfie_segmentation.tflite"
HOW_TO_GET = how_to_get(PATH_IN_WHEEL)
INPUT = 256
# What a usable cut-out looks like in the 256 px crop of the face. Fraction of it that is person:
PERSON = (0.2, 0.9)
# Least coverage of the face inside its mesh,
FACE_COVERAGE = 0.97
# and largest mean width of the uncertain edge, in pixels.
EDGE_WIDTH = 7.0


@dataclass(frozen=True, eq=False)
class CutOut:
    """A person apart from the background.

    Attributes:
        alpha: Coverage of the person, float32 `[H, W]` in 0..1.
        person: Colors of the person alone, float32 `[H, W, 3]` in 0..255.
        background: Colors of the background alone, continued behind the person, likewise.
    """

    alpha: Float32Array
    person: Float32Array
    background: Float32Array

    def before(self, background: Float32Array) -> UInt8Array:
        """Returns the person before another background, uint8 `[H, W, 3]`."""
        alpha = self.alpha[..., None]
        image = self.person * alpha + background * (1 - alpha)
        return np.clip(image + 0.5, 0, 255).astype(np.uint8)


def _blur(image: Float32Array, radius: int) -> Float32Array:
    return np.asarray(
        cv2.blur(image, (2 * radius + 1, 2 * radius + 1), borderType=cv2.BORDER_REFLECT), np.float32
    )


def guided_filter(
    guide: Float32Array, values: Float32Array, radius: int, epsilon: float
) -> Float32Array:
    """Smooths values `[H, W]` with the edges of a color guide `[H, W, 3]` in 0..1."""
    mean_guide, mean_values = _blur(guide, radius), _blur(values, radius)
    covariance = _blur(guide * values[..., None], radius) - mean_guide * mean_values[..., None]
    products = guide[..., :, None] * guide[..., None, :]
    variance = _blur(products.reshape(*values.shape, 9), radius).reshape(*values.shape, 3, 3)
    variance = variance - mean_guide[..., :, None] * mean_guide[..., None, :]
    variance = variance + epsilon * np.eye(3, dtype=np.float32)
    slope = np.linalg.solve(variance, covariance[..., None])[..., 0].astype(np.float32)
    offset = mean_values - (slope * mean_guide).sum(-1)
    smooth: Float32Array = (_blur(slope, radius) * guide).sum(-1) + _blur(offset, radius)
    return smooth


def separate(image: Float32Array, alpha: Float32Array, unit: float) -> CutOut:
    """Estimates the colors of person and background from their blurred neighborhoods.

    Args:
        image: float32 `[H, W, 3]` RGB in 0..255.
        alpha: Coverage of the person, float32 `[H, W]` in 0..1.
        unit: Pixels per mean-face unit.
    """
    a = alpha[..., None]
    person = background = image
    for radius in (round(20 * unit) + 8, round(4 * unit) + 2):
        weight, rest = _blur(alpha, radius)[..., None], _blur(1 - alpha, radius)[..., None]
        near = _blur(person * a, radius) / (weight + 1e-4)
        far = _blur(background * (1 - a), radius) / (rest + 1e-4)
        error = image - a * near - (1 - a) * far
        person = np.clip(near + a * error, 0, 255)
        background = np.clip(far + (1 - a) * error, 0, 255)
    return CutOut(alpha, person.astype(np.float32), background.astype(np.float32))


class PersonCutter:
    """Cuts out the person whose face is known.

    Args:
        model: Path of `selfie_segmentation.tflite`.

    Raises:
        MissingDependencyError: If LiteRT is not installed.
        DataError: If the model file is missing, damaged, or another model.
    """

    def __init__(self, model: Path) -> None:
        self._model = MediaPipeModel(
            model, PATH_IN_WHEEL, what="selfie segmentation", side=INPUT, values=INPUT**2
        )

    def _probability(self, image: UInt8Array) -> Float32Array:
        """Returns how likely each pixel is the person, `[H, W]`, the mean of image and mirror."""
        height, width = image.shape[:2]
        small = cv2.resize(image, (INPUT, INPUT), interpolation=cv2.INTER_AREA)
        pixels = np.asarray(small, np.float32) / np.float32(255)
        seen = self._model(pixels).reshape(INPUT, INPUT)
        mirrored = self._model(np.ascontiguousarray(pixels[:, ::-1])).reshape(INPUT, INPUT)
        mean = (seen + mirrored[:, ::-1]) / 2
        return np.asarray(
            cv2.resize(mean, (width, height), interpolation=cv2.INTER_LINEAR), np.float32
        )

    def __call__(self, image: UInt8Array, landmarks: Float64Array) -> CutOut | None:
        """Cuts out a person.

        Args:
            image: uint8 `[H, W, 3]` RGB.
            landmarks: `[468, 2]` mesh points in pixels.

        Returns:
            The cut-out, or `None` if it is poor: if hardly any background is seen around the face,
            or hardly any person, or if the edge is uncertain.
        """
        probability = self._probability(image)
        if not is_usable(probability, landmarks):
            return None
        eyes = eye_centers(landmarks)
        unit = float(np.linalg.norm(eyes[1] - eyes[0])) / 60
        pixels = image.astype(np.float32)
        smooth = guided_filter(pixels / np.float32(255), probability, max(2, round(5 * unit)), 4e-4)
        # The filter leaves a haze on both sides.
        alpha = np.clip((smooth - 0.1) / 0.8, 0, 1).astype(np.float32)
        return separate(pixels, _largest_part(alpha, landmarks), unit)


def is_usable(probability: Float32Array, landmarks: Float64Array) -> bool:
    """Returns whether a person stands out from the background, around the face.

    Args:
        probability: How likely each pixel is the person, `[H, W]` in 0..1.
        landmarks: `[468, 2]` mesh points in pixels.
    """
    matrix = crop_matrix(eye_centers(landmarks), 256)
    seen, has_data = (
        np.asarray(cv2.warpAffine(x, matrix, (256, 256), flags=cv2.INTER_AREA), np.float32)
        for x in (probability, np.ones_like(probability))
    )
    whole = (has_data > 0.99).astype(np.uint8)
    valid = np.asarray(cv2.erode(whole, np.ones((5, 5), np.uint8), borderValue=1)) > 0
    hull = cv2.convexHull((landmarks @ matrix[:, :2].T + matrix[:, 2]).astype(np.float32))
    face = cv2.fillConvexPoly(np.zeros((256, 256), np.uint8), hull.astype(np.int32), 1)
    inside = valid & (np.asarray(cv2.erode(face, np.ones((9, 9), np.uint8))) > 0)
    if not inside.any():
        return False
    person = float((seen[valid] > 0.5).mean())
    outline = cv2.morphologyEx(
        (seen > 0.5).astype(np.uint8), cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8)
    )
    uncertain = valid & (seen > 0.1) & (seen < 0.9)
    # The morphological gradient is two pixels wide.
    width = float(uncertain.sum()) / max(1.0, float(outline[valid].sum()) / 2)
    covered = float(seen[inside].mean())
    return PERSON[0] <= person <= PERSON[1] and covered >= FACE_COVERAGE and width <= EDGE_WIDTH


def _largest_part(alpha: Float32Array, landmarks: Float64Array) -> Float32Array:
    """Removes what is not connected with the face, such as other people."""
    solid = (alpha > 0.5).astype(np.uint8)
    count, labels = cv2.connectedComponents(solid)
    if count <= 2:
        return alpha
    height, width = alpha.shape
    x, y = np.clip(landmarks.mean(0).round().astype(int), 0, [width - 1, height - 1])
    own = cv2.dilate((labels == labels[y, x]).astype(np.uint8), np.ones((5, 5), np.uint8))
    others = cv2.dilate(((labels != labels[y, x]) & (solid > 0)).astype(np.uint8), np.ones((9, 9)))
    return np.where((others > 0) & (own == 0), np.float32(0), alpha)
