"""The faces and backgrounds that the locator's training images are composed of.

All are kept decoded in memory, each face without and with a synthetic mask, so that one core draws
training images as fast as it trains on them.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from rich.progress import track

from unmask_sdk.core.arrays import AnyArray, Float32Array, UInt8Array
from unmask_sdk.errors import DataError
from unmask_sdk.training.datasets.image_files import read_image
from unmask_sdk.training.datasets.landmark_file import read_landmarks
from unmask_sdk.training.datasets.people import source_dataset
from unmask_sdk.training.synthesis.mask_shapes import MASK_TYPES
from unmask_sdk.training.synthesis.masked_face import synthesize

# Mesh points at the temples, and at the top of the forehead.
TEMPLES, FOREHEAD = (127, 356), 10


@dataclass(frozen=True)
class FaceSample:
    """One image of one face, without and with a mask.

    Attributes:
        name: Its name in the landmark file.
        bare: uint8 `[H, W, 3]` RGB.
        masked: The same image with a synthetic mask.
        mesh: float32 `[468, 2]`, MediaPipe's face mesh, (x, y) in pixels.
    """

    name: str
    bare: UInt8Array
    masked: UInt8Array
    mesh: Float32Array


def mesh_box(mesh: Float32Array) -> Float32Array:
    """Returns the tight box `[4]` (x0, y0, x1, y1) around a mesh `[468, 2]`."""
    return np.concatenate([mesh.min(0), mesh.max(0)])


def load_faces(
    folder: Path,
    landmarks: Path,
    *,
    split: str,
    limit: int,
    per_person: int,
    seed: int,
) -> list[FaceSample]:
    """Reads faces and draws a mask on each.

    Args:
        folder: Holds the images under the names of the landmark file.
        landmarks: Landmark file, see `landmark_file.read_landmarks`.
        split: `train` or `val`.
        limit: Maximum number of faces, chosen at random, from each top-level folder that is a data
            set, and from all others together.
        per_person: Maximum number of images of one person.
        seed: Decides the choice, and the masks.

    Returns:
        The faces, in the order of the landmark file.

    Raises:
        DataError: If the landmark file or an image cannot be read, or no face is in the split.
    """
    rng = np.random.default_rng(seed)
    sources: Counter[str] = Counter()
    people: Counter[str] = Counter()
    chosen = []
    records = read_landmarks(landmarks)
    for i in rng.permutation([i for i, face in enumerate(records) if face.split == split]):
        face = records[i]
        source = source_dataset(face.name, face.person)
        if sources[source] >= limit or people[face.person] >= per_person:
            continue
        sources[source] += 1
        people[face.person] += 1
        chosen.append(int(i))
    if not chosen:
        raise DataError(f"{landmarks}: no face in the split {split!r}")
    return [
        _load_face(folder, records[i].name, records[i].landmarks.astype(np.float32), seed=seed + i)
        for i in track(sorted(chosen), description=f"{split} faces")
    ]


def _load_face(folder: Path, name: str, mesh: Float32Array, *, seed: int) -> FaceSample:
    image = read_image(folder / name)
    rng = np.random.default_rng(seed)
    kind = MASK_TYPES[int(rng.integers(len(MASK_TYPES)))]
    masked = synthesize(image, mesh, kind=kind, seed=seed).image
    if rng.random() < 0.2:
        masked = draw_cap(masked, mesh, rng)
    return FaceSample(name, image, masked, mesh)


def draw_cap(image: UInt8Array, mesh: Float32Array, rng: np.random.Generator) -> UInt8Array:
    """Covers the forehead and hair with one color, as a cap, hood or headscarf does."""
    left, right = mesh[TEMPLES[0]], mesh[TEMPLES[1]]
    up = mesh[FOREHEAD] - (left + right) / 2
    out = (right - left) * rng.uniform(0.05, 0.2)
    # Between the brows (about 0.25 of the way up) and the hairline.
    low = up * rng.uniform(0.35, 0.8)
    tall = up * rng.uniform(1.8, 2.6)
    outline = [left - out + low, mesh[FOREHEAD] * 0.3 + (left + right) * 0.35 + low * 0.6]
    outline += [right + out + low, right + out * 0.5 + tall, left - out * 0.5 + tall]
    cover = np.zeros(image.shape[:2], np.float32)
    points = np.round(np.array(outline) * 16).astype(np.int32)
    cv2.fillPoly(cover, [points], 1.0, cv2.LINE_AA, 4)
    opacity = cv2.GaussianBlur(cover, (0, 0), 1.0)[..., None]
    shade = np.linspace(rng.uniform(0.6, 1.2), rng.uniform(0.6, 1.2), image.shape[1])
    color = rng.uniform(5, 220, 3) * shade[None, :, None]
    return (image * (1 - opacity) + np.clip(color, 0, 255) * opacity).astype(np.uint8)


def load_backgrounds(faces: list[FaceSample], *, limit: int, seed: int) -> list[UInt8Array]:
    """Cuts images without a face from the margins of faces, and adds scikit-image's photos.

    Args:
        faces: Images with room around the face; those without room are skipped.
        limit: Maximum number of margins.
        seed: Decides which.

    Returns:
        uint8 `[H, W, 3]` images of various sizes, at least 48 px a side.
    """
    rng = np.random.default_rng(seed)
    margins: list[UInt8Array] = []
    for i in rng.permutation(len(faces)):
        x0, y0, x1, y1 = mesh_box(faces[i].mesh)
        w, h = x1 - x0, y1 - y0
        # Hair and ears reach about a quarter of the face beyond the mesh; a neck is not a face.
        left, right = max(0, int(x0 - 0.25 * w)), max(0, int(x1 + 0.25 * w))
        below = max(0, int(y1 + 0.1 * h))
        image = faces[i].bare
        parts = [image[:, :left], image[:, right:], image[below:]]
        # A mask alone, as shops show it, or a face without eyes: neither can be aligned.
        parts.append(faces[i].masked[max(0, int(y0 + 0.55 * h)) :])
        margins += [part for part in parts if min(part.shape[:2]) >= 48]
        if len(margins) >= limit:
            break
    return margins[:limit] + _photos(TRAIN_PHOTOS)


# Photos without any face, split so that false alarms are counted on images never trained on.
TRAIN_PHOTOS = ("brick", "grass", "gravel", "coffee", "coins", "page", "retina", "moon")
VAL_PHOTOS = ("chelsea", "rocket", "text", "horse", "clock", "cell", "hubble_deep_field")


def _photos(names: tuple[str, ...]) -> list[UInt8Array]:
    import skimage.data

    return [as_rgb(getattr(skimage.data, name)()) for name in names]


def val_photos() -> dict[str, UInt8Array]:
    """Returns the photos without a face that are not used in training, by name."""
    return dict(zip(VAL_PHOTOS, _photos(VAL_PHOTOS), strict=True))


def as_rgb(image: AnyArray) -> UInt8Array:
    """Converts a gray, boolean or color image to uint8 `[H, W, 3]`."""
    array = np.asarray(image)
    array = array.astype(np.uint8) * 255 if array.dtype == bool else array.astype(np.uint8)
    return array if array.ndim == 3 else np.repeat(array[..., None], 3, axis=2)
