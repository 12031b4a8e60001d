"""Face meshes of a user's images, from MediaPipe's face-landmark model run with LiteRT.

The model (468 points, Apache-2.0) is not part of this package. Get it with::

    pip download --no-deps --python-version 3.11 --only-binary=:all: mediapipe==0.10.21
    unzip -j mediapipe-0.10.21-*.whl mediapipe/modules/face_landmark/face_landmark.tflite
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from unmask_sdk.core.arrays import Float64Array, UInt8Array
from unmask_sdk.faces.align import crop_matrix, transform_points

from .mediapipe_model import MediaPipeModel, how_to_get
from .mesh import POINTS, eye_centers

PATH_IN_WHEEL = "mediapipe/modules/face_landmark/face_landmark.tflite"
HOW_TO_GET = how_to_get(PATH_IN_WHEEL)
INPUT = 192
# The square that the model expects, in pixels of the 256 px crop: 1.5 times the face's box.
CENTER = (128.0, 140.0)
SIDE = 234.0


class FaceMesher:
    """Finds the 468 mesh points of a face whose eyes are known.

    Args:
        model: Path of `face_landmark.tflite`.

    Raises:
        MissingDependencyError: If LiteRT is not installed.
        DataError: If the model file is missing, damaged, or another model.
    """

    def __init__(self, model: Path) -> None:
        self._model = MediaPipeModel(
            model, PATH_IN_WHEEL, what="mesh", side=INPUT, values=POINTS * 3
        )

    def __call__(self, image: UInt8Array, eyes: Float64Array) -> Float64Array:
        """Returns the mesh points of a face, float64 `[468, 2]` in pixels.

        Args:
            image: uint8 `[H, W, 3]` RGB.
            eyes: `[2, 2]` eye centers, image-left first. An error of a few pixels does not matter,
                because the crop is aligned a second time by the first prediction.
        """
        for _ in range(2):
            matrix = crop_matrix(eyes)
            scale = INPUT / SIDE
            matrix = matrix * scale
            matrix[:, 2] += INPUT / 2 - np.array(CENTER) * scale
            crop = cv2.warpAffine(image, matrix, (INPUT, INPUT), flags=cv2.INTER_LINEAR)
            output = self._model(np.asarray(crop, np.float32) / np.float32(255))
            points = output.reshape(POINTS, 3)[:, :2].astype(np.float64)
            mesh = transform_points(cv2.invertAffineTransform(matrix), points)
            eyes = eye_centers(mesh)
        return mesh
