"""Makes the images in this folder: faces that do not exist, with a synthetic mask.

Each face is a blend of two generated portraits, themselves of nobody: warped to their mean mesh,
the head and hair of one and the mean of both faces, before another background. The portraits are
those of https://github.com/faker-js/assets-person-portrait (CC0), 720 px wide. Usage::

    python examples/make_faces.py PORTRAITS --mesh face_landmark.tflite \
        --selfie-model selfie_segmentation.tflite -o examples
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from unmask_sdk import DataError, UnmaskError
from unmask_sdk.core.arrays import Float32Array, Float64Array, UInt8Array
from unmask_sdk.core.optional_deps import require_packages
from unmask_sdk.faces.align import crop_matrix, transform_points
from unmask_sdk.training.datasets.image_files import read_image, write_image
from unmask_sdk.training.synthesis.backgrounds import exchange_background
from unmask_sdk.training.synthesis.cut_out import PersonCutter
from unmask_sdk.training.synthesis.find_mesh import FaceMesher
from unmask_sdk.training.synthesis.masked_face import synthesize
from unmask_sdk.training.synthesis.mesh import eye_centers

SIDE = 512
# The canonical crop lies in the middle of the image, with a margin for hair and shoulders.
MARGIN = 32
# Width in pixels of the seam between the blended face and the head.
SEAM = 12
# Of the warp: mesh points may miss their places by a little.
SMOOTHING = 10.0


@dataclass(frozen=True)
class Example:
    """One image.

    Attributes:
        kind: Type of the mask; the file is named after it.
        mask_seed: Draws the mask.
        head: Portrait whose head, hair and clothes are shown.
        face: Portrait whose face is blended into it; "-" before the name mirrors it.
        background: One of `KINDS` of `training/synthesis/backgrounds.py`.
        background_seed: Draws the background.
    """

    kind: str
    mask_seed: int
    head: str
    face: str
    background: str
    background_seed: int


EXAMPLES = (
    Example("surgical", 9, "female_512_6", "-female_512_72", "own", 2),
    Example("cloth", 18, "female_512_47", "female_512_0", "gray", 3),
    Example("n95", 9, "male_512_32", "male_512_2", "own", 7),
    Example("dark", 5, "male_512_83", "male_512_70", "light gray", 8),
)


@dataclass(frozen=True, eq=False)
class Portrait:
    """A portrait placed by its eyes: float32 `[512, 512, 3]` RGB 0..255; its mesh, `[468, 2]`."""

    image: Float32Array
    mesh: Float64Array


class PortraitReader:
    """Reads portraits of a folder and finds their meshes."""

    def __init__(self, folder: Path, mesh_model: Path) -> None:
        from unmask_sdk.training import shipped_weights
        from unmask_sdk.training.nets.torch_locator import load_locator

        self._folder = folder
        self._mesher = FaceMesher(mesh_model)
        self._locate = load_locator(shipped_weights("detector").parent)

    def __call__(self, name: str) -> Portrait:
        """Returns a portrait by the name of its file; "-" before the name mirrors it."""
        file = self._folder / f"{name.removeprefix('-')}.webp"
        image = read_image(file)
        if name.startswith("-"):
            image = np.ascontiguousarray(image[:, ::-1])
        located = max(self._locate(image), key=lambda face: face.score, default=None)
        if located is None:
            raise DataError(f"no face found in {file}")
        mesh = self._mesher(image, located.eyes)
        matrix = crop_matrix(eye_centers(mesh), SIDE - 2 * MARGIN)
        matrix[:, 2] += MARGIN
        placed = cv2.warpAffine(
            image.astype(np.float32),
            matrix,
            (SIDE, SIDE),
            flags=cv2.INTER_CUBIC,
            borderMode=cv2.BORDER_REPLICATE,
        )
        return Portrait(np.asarray(placed, np.float32), transform_points(matrix, mesh))


def warp_to(portrait: Portrait, mesh: Float64Array) -> Float32Array:
    """Warps a portrait smoothly to another mesh; the border of the image stays in place."""
    from scipy.interpolate import RBFInterpolator

    ends = np.linspace(0, SIDE - 1, 5)
    border = np.array([(x, y) for x in ends for y in ends if {x, y} & {0, SIDE - 1}])
    shift = RBFInterpolator(
        np.concatenate([mesh, border]),
        np.concatenate([portrait.mesh - mesh, np.zeros_like(border)]),
        smoothing=SMOOTHING,
    )
    grid = np.stack(np.meshgrid(np.arange(SIDE), np.arange(SIDE)), -1).reshape(-1, 2).astype(float)
    source = (grid + shift(grid)).astype(np.float32).reshape(SIDE, SIDE, 2)
    warped = cv2.remap(
        portrait.image, source, None, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE
    )
    return np.asarray(warped, np.float32)


def blend(head: Portrait, face: Portrait) -> tuple[UInt8Array, Float64Array]:
    """Blends two faces half and half at their mean mesh, in the head of the first.

    Returns:
        The image, uint8 `[512, 512, 3]` RGB, and its mesh, `[468, 2]`.
    """
    mesh = (head.mesh + face.mesh) / 2
    base, other = warp_to(head, mesh), warp_to(face, mesh)
    inside = np.zeros((SIDE, SIDE), np.uint8)
    cv2.fillConvexPoly(inside, cv2.convexHull(mesh.round().astype(np.int32)), 1)
    inside = cv2.erode(inside, np.ones((2 * SEAM + 1, 2 * SEAM + 1), np.uint8))
    # Both in the light and the skin tone of the head, so that no seam shows.
    skin = inside > 0
    other = (other - other[skin].mean(0)) * (base[skin].std(0) / other[skin].std(0))
    other += base[skin].mean(0)
    weight = 0.5 * cv2.GaussianBlur(inside.astype(np.float32), (0, 0), SEAM / 2)[..., None]
    blended = base + weight * (other - base)
    return np.clip(blended + 0.5, 0, 255).astype(np.uint8), mesh


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("portraits", type=Path)
    parser.add_argument("--mesh", type=Path, required=True)
    parser.add_argument("--selfie-model", type=Path, required=True)
    parser.add_argument("-o", "--out", type=Path, required=True)
    options = parser.parse_args()
    require_packages("make_faces.py", "scipy", "torch", extra="train")
    read = PortraitReader(options.portraits, options.mesh)
    cutter = PersonCutter(options.selfie_model)
    for example in EXAMPLES:
        image, mesh = blend(read(example.head), read(example.face))
        person = cutter(image, mesh)
        if person is None:
            raise DataError(f"{example.head} does not stand out from its background")
        image = exchange_background(
            image, person, image, example.background_seed, example.background
        )
        masked = synthesize(image, mesh, kind=example.kind, seed=example.mask_seed)
        file = options.out / f"{example.kind}.jpg"
        write_image(file, masked.image)
        print(file)


if __name__ == "__main__":
    try:
        main()
    except UnmaskError as error:  # Base class of all errors; the message says how to fix it.
        raise SystemExit(str(error)) from None
