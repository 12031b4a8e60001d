"""`unmask evaluate-locator`: measures how well the locator finds faces and eyes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.progress import track

from unmask_sdk.core.arrays import Float32Array
from unmask_sdk.errors import DataError
from unmask_sdk.faces.align import CROP_EYE_DISTANCE
from unmask_sdk.faces.detector_postprocess import iou
from unmask_sdk.faces.locator import Location, Locator
from unmask_sdk.training.datasets.image_files import read_image
from unmask_sdk.training.nets.torch_locator import load_locator
from unmask_sdk.training.synthesis.mesh import five_points

from .compose_images import Scene, draw_background, paste_face
from .faces import FaceSample, load_backgrounds, load_faces, mesh_box, val_photos
from .samples import random_placement

PHOTO_SIZE = 640
# Mean side of the face's box in a 640 px photo, in pixels; the largest reaches beyond the photo.
FACE_SIZES = (40, 60, 100, 180, 320, 620)
IMAGE_SUFFIXES = {".jpg", ".jpeg", ".png"}


@dataclass
class DetectionCounts:
    """Counts over photos of one kind.

    Attributes:
        faces: True faces.
        found: Faces found: a box has an IoU above 0.5 with the true one.
        alarms: Boxes without a true face.
        eyes: Distance of each eye of each found face from the truth, in pixels of the 256 px crop.
    """

    faces: int
    found: int
    alarms: int
    eyes: list[float]

    def row(self, name: str) -> str:
        """Returns a row of the Markdown table."""
        median, high = np.percentile(self.eyes, [50, 95]) if self.eyes else (np.nan, np.nan)
        recall = 100 * self.found / self.faces
        precision = 100 * self.found / max(1, self.found + self.alarms)
        return f"| {name} | {recall:.1f} % | {precision:.1f} % | {median:.2f} | {high:.2f} |"


def evaluate_faces(locator: Locator, faces: list[FaceSample], *, seed: int = 0) -> str:
    """Locates each face, masked and bare, in photos composed at each size.

    Args:
        locator: The locator to measure.
        faces: Faces that it was not trained on.
        seed: Decides places, rolls and backgrounds.

    Returns:
        A Markdown table.
    """
    scene = Scene(faces, load_backgrounds(faces, limit=500, seed=seed))
    lines = ["| face, px | found | precision | eyes, median | eyes, p95 |", "|" + "---|" * 5]
    for side in FACE_SIZES:
        for masked in (False, True):
            counts = DetectionCounts(0, 0, 0, [])
            name = f"{side}, {'masked' if masked else 'bare'}"
            for i, face in enumerate(track(faces, description=name)):
                rng = np.random.default_rng([seed, side, i])
                photo = draw_background(scene, PHOTO_SIZE, rng)
                matrix, mesh = random_placement(face.mesh, side, PHOTO_SIZE, rng)
                paste_face(photo, face.masked if masked else face.bare, face.mesh, matrix, rng)
                _count(counts, locator(photo), mesh, mirrored=np.linalg.det(matrix[:, :2]) < 0)
            lines.append(counts.row(name))
    return "\n".join(lines)


def _count(
    counts: DetectionCounts, found: Sequence[Location], mesh: Float32Array, mirrored: bool
) -> None:
    boxes = np.array([f.box for f in found]).reshape(-1, 4)
    overlaps = iou(mesh_box(mesh).astype(np.float64), boxes)
    hits = int((overlaps > 0.5).sum())
    counts.faces += 1
    counts.alarms += len(found) - min(hits, 1)
    if not hits:
        return
    counts.found += 1
    truth = five_points(mesh)[:2][:: -1 if mirrored else 1]
    error = np.linalg.norm(found[int(overlaps.argmax())].eyes - truth, axis=1)
    counts.eyes += list(error / np.linalg.norm(truth[1] - truth[0]) * CROP_EYE_DISTANCE)


def evaluate_photos(locator: Locator, folder: Path) -> str:
    """Reports in how many photos of a folder, each with at least one face, a face is found.

    Raises:
        DataError: If there is no image in the folder, or one cannot be read.
    """
    paths = sorted(p for p in folder.rglob("*") if p.suffix.lower() in IMAGE_SUFFIXES)
    if not paths:
        raise DataError(f"{folder}: no .jpg or .png image in it")
    counts = [len(locator(read_image(path))) for path in track(paths, description=folder.name)]
    missed = [p.name for p, n in zip(paths, counts, strict=True) if not n]
    share = 100 * (1 - len(missed) / len(paths))
    return f"{len(paths) - len(missed)} of {len(paths)} photos ({share:.1f} %), {sum(counts)} faces"


def evaluate_false_alarms(locator: Locator) -> str:
    """Reports how many faces are found in scikit-image's photos without a face."""
    counts = {name: len(locator(photo)) for name, photo in val_photos().items()}
    where = ", ".join(f"{name} {count}" for name, count in counts.items() if count)
    return f"{sum(counts.values())} in {len(counts)} photos" + (f": {where}" if where else "")


def evaluate(
    weights: Path, faces: Path, landmarks: Path, *, photos: Path | None, limit: int
) -> str:
    """Measures a locator and returns the report as Markdown.

    Args:
        weights: Folder with `detector.safetensors` and `aligner.safetensors`.
        faces: Folder of face images.
        landmarks: Landmark file with their meshes and splits; the split `val` is used.
        photos: Folder of further photos with at least one face each.
        limit: Maximum number of faces from each top-level folder of `faces`.
    """
    locator = load_locator(weights)
    chosen = load_faces(faces, landmarks, split="val", limit=limit, per_person=2, seed=0)
    parts = ["# Locator", evaluate_faces(locator, chosen)]
    parts.append("Distances are in pixels of the 256 px crop, where the eyes are 60 px apart.")
    parts.append(f"Faces seen where there are none: {evaluate_false_alarms(locator)}.")
    if photos is not None:
        parts.append(f"Photos with a face found: {evaluate_photos(locator, photos)}.")
    return "\n\n".join(parts) + "\n"
