"""Test vectors for ports of what surrounds the networks: geometry, decoding and blending.

`docs/phone.md` describes the file. Each vector is one synthetic photo with one face, and what this
package computes at each of the five steps; no network runs.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from unmask_sdk.compositing.blend import blend_crop, blend_plain
from unmask_sdk.core.arrays import AnyArray, Float64Array, UInt8Array
from unmask_sdk.core.atomic_write import atomic_write
from unmask_sdk.core.locator_sizes import ALIGN_SIZE
from unmask_sdk.core.output_paths import check_writable_folder
from unmask_sdk.core.sdk_version import sdk_version
from unmask_sdk.errors import ConfigError
from unmask_sdk.faces.align import CROP_SIZE, crop_matrix, crop_to_photo, warp_crop
from unmask_sdk.faces.detector_postprocess import (
    TEMPLATE,
    box_matrix,
    decode_boxes,
    detector_scales,
    letterbox,
    nms,
    points_matrix,
)
from unmask_sdk.faces.locator import MAX_OVERLAP, PLACING_STEPS, POINT_STEPS

JSON_FILE, BINARY_FILE = "vectors.json", "vectors.bin"
# Smallest and largest side of the photos; every twentieth is larger, with a face that is averaged.
SIDES, LARGE_SIDES = (48, 256), (400, 800)
# Largest difference of a port: bytes may be rounded otherwise, and so may points.
TOLERANCES = {
    "factors": 1e-9,
    "canvas": 1,
    "boxes": 1e-6,
    "heats": 1e-9,
    "kept": 0,
    "box_matrix": 1e-9,
    "points": 1 / POINT_STEPS,
    "points_matrix": 1e-6,
    "aligner_crop": 1,
    "crop_matrix": 1e-6,
    "crop": 1,
    "pasted": 1,
    "blended": 1,
}


def export_vectors(folder: Path, count: int) -> Path:
    """Writes test vectors.

    Args:
        folder: Where `vectors.json` and `vectors.bin` are written; made if it does not exist.
        count: How many vectors; vector k does not depend on it.

    Returns:
        The JSON file.

    Raises:
        ConfigError: If `count` is less than one.
    """
    if count < 1:
        raise ConfigError(f"--count must be at least 1; got {count}")
    check_writable_folder(folder, "--out")
    folder.mkdir(parents=True, exist_ok=True)
    parts: list[bytes] = []
    end = 0

    def stored(array: AnyArray) -> dict[str, Any]:
        nonlocal end
        # Arrays begin at multiples of eight, as typed views of a buffer want it.
        content = array.tobytes()
        content += bytes(-len(content) % 8)
        place = {"dtype": str(array.dtype), "shape": list(array.shape), "offset": end}
        parts.append(content)
        end += len(content)
        return place

    vectors = [_in_json(_vector(k), stored) for k in range(count)]
    content = {"sdk": sdk_version(), "tolerances": TOLERANCES, "vectors": vectors}
    file = folder / JSON_FILE
    atomic_write(folder / BINARY_FILE, b"".join(parts))
    atomic_write(file, (json.dumps(content) + "\n").encode())
    return file


def _in_json(value: Any, stored: Any) -> Any:
    """Returns a value as JSON has it; arrays of bytes and float32 are stored apart."""
    if isinstance(value, dict):
        return {name: _in_json(item, stored) for name, item in value.items()}
    if isinstance(value, list):
        return [_in_json(item, stored) for item in value]
    if isinstance(value, np.ndarray):
        return stored(value) if value.dtype in (np.uint8, np.float32) else value.tolist()
    return value


def _vector(number: int) -> dict[str, Any]:
    rng = np.random.default_rng((21, number))
    large = number % 20 == 0
    photo = _photo(rng, *(LARGE_SIDES if large else SIDES))
    height, width = photo.shape[:2]
    vector: dict[str, Any] = {"photo": photo, "letterbox": []}
    for scale in detector_scales(height, width):
        canvas, factors = letterbox(photo, scale)
        vector["letterbox"].append({"scale": scale, "canvas": canvas, "factors": factors})

    rows, columns = rng.integers(6, 20, 2).tolist()
    # In half of the vectors few values, so that neighbors are equal.
    values = rng.random((rows, columns)) ** 3
    heat = np.asarray(np.rint(values * 9) / 9 if number % 2 else values, np.float32)
    box = np.asarray(rng.normal((0, 0, 1, 1), 0.6, (rows, columns, 4)), np.float32)
    boxes, heats = decode_boxes(heat, box)
    kept = nms(boxes, heats, MAX_OVERLAP)
    vector |= {"heat": heat, "box": box, "boxes": boxes, "heats": heats, "kept": kept}

    face = _face_points(rng, width, height, 0.9 if large else 0.25)
    corners = np.concatenate([face.min(0), face.max(0)]) + np.array([-0.4, -0.5, 0.4, 0.5]) * (
        np.ptp(face[:, 0]) + 4
    )
    placed = _rounded(corners, PLACING_STEPS)
    first = box_matrix(placed)
    in_crop = (face @ first[:, :2].T + first[:, 2] + 0.5) / ALIGN_SIZE
    output = in_crop.astype(np.float32)
    points = crop_to_photo(first, output.astype(np.float64) * ALIGN_SIZE - 0.5)
    points = _rounded(points, POINT_STEPS)
    placing = _rounded(points, PLACING_STEPS)
    second = points_matrix(placing)
    vector |= {
        "face_box": placed,
        "box_matrix": first.ravel(),
        "aligner_points": output,
        "points": points,
        "placing": placing,
        "points_matrix": second.ravel(),
        "aligner_crop": warp_crop(photo, second, ALIGN_SIZE),
    }

    matrix = crop_matrix(points[:2])
    unmasked, mask = _photo(rng, CROP_SIZE, CROP_SIZE), _mask(rng)
    vector |= {"eyes": points[:2], "crop_matrix": matrix.ravel(), "crop": warp_crop(photo, matrix)}
    vector |= {"unmasked": unmasked, "mask": mask}
    for name, paste in (("pasted", blend_plain), ("blended", blend_crop)):
        vector[name] = photo.copy()
        paste(vector[name], unmasked, mask, matrix)
    return vector


def _photo(rng: np.random.Generator, least: int, most: int) -> UInt8Array:
    """Returns smooth patches of color with a little noise, with sides of least to most pixels."""
    sides = np.exp(rng.uniform(np.log(least), np.log(most), 2))
    height, width = np.rint(sides).astype(int).tolist()
    patches = rng.integers(0, 256, (5, 6, 3), np.uint8)
    smooth = cv2.resize(patches, (width, height), interpolation=cv2.INTER_CUBIC)
    noisy = smooth + rng.normal(0, 3, smooth.shape)
    return np.asarray(noisy.round().clip(0, 255), np.uint8)


def _face_points(rng: np.random.Generator, width: int, height: int, least: float) -> Float64Array:
    """Returns five points of a face somewhere in or at the border of a photo, float64 `[5, 2]`.

    The face's side is at least `least` times the photo's shorter side.
    """
    side = rng.uniform(least, 1.2) * min(width, height)
    angle = rng.uniform(-0.7, 0.7)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    center = rng.uniform(0.2, 0.8, 2) * (width, height)
    moved = TEMPLATE - 0.5 + rng.normal(0, 0.01, TEMPLATE.shape)
    return np.asarray(moved @ turn * side + center)


def _mask(rng: np.random.Generator) -> UInt8Array:
    """Returns an ellipse with a seam, which may reach the crop's edge, and faint specks."""
    mask = rng.integers(0, 8, (CROP_SIZE, CROP_SIZE), np.uint8)
    center = rng.integers(80, 200, 2).tolist()
    axes = rng.integers(10, 90, 2).tolist()
    for value, larger in ((60, 3), (255, 0)):
        sides = [side + larger for side in axes]
        cv2.ellipse(mask, center, sides, rng.uniform(0, 180), 0, 360, value, -1)
    return np.asarray(mask, np.uint8)


def _rounded(values: Float64Array, steps: int) -> Float64Array:
    return np.asarray(np.rint(values * steps) / steps)
