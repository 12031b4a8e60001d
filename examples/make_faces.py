"""Makes the images in this folder: faces that do not exist, with a synthetic mask.

Each face is a blend of three generated portraits, themselves of nobody: the mean of their meshes,
and the mean of their broad tones. Hair, surroundings and fine detail are those of one of them, so
that no contour is seen twice. The portraits are those of
https://github.com/faker-js/assets-person-portrait (CC0), 720 px wide. Usage::

    python examples/make_faces.py PORTRAITS --mesh face_landmark.tflite -o examples
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from unmask_sdk import DataError, UnmaskError
from unmask_sdk.core.arrays import Float32Array, Float64Array, UInt8Array
from unmask_sdk.core.optional_deps import require_packages
from unmask_sdk.faces.align import crop_matrix, transform_points
from unmask_sdk.training.datasets.image_files import read_image, write_image
from unmask_sdk.training.synthesis.find_mesh import FaceMesher
from unmask_sdk.training.synthesis.masked_face import synthesize
from unmask_sdk.training.synthesis.mesh import eye_centers

SIDE = 512
# The canonical crop lies in the middle of the image, with a margin for hair and shoulders.
MARGIN = 32
# Width in pixels over which the blend fades into the head.
SEAM = 24
# Tones that are broader than this many pixels are blended; finer detail of the others would show
# their contours a second time.
BROAD = 7.0
# Of the warp: mesh points may miss their places by a little.
SMOOTHING = 10.0


@dataclass(frozen=True)
class Example:
    """One image.

    Attributes:
        kind: Type of the mask; the file is named after it.
        mask_seed: Draws the mask.
        head: Portrait whose head, hair, clothes and surroundings are shown.
        faces: Portraits whose faces are blended into it; "-" before a name mirrors it.
        lift: Pixels by which all are moved up, so that the head's portrait fills the image.
    """

    kind: str
    mask_seed: int
    head: str
    faces: tuple[str, ...]
    lift: int = 0


EXAMPLES = (
    Example("surgical", 9, "female_512_6", ("-female_512_72", "female_512_85"), 9),
    Example("cloth", 18, "female_512_47", ("female_512_0", "female_512_85")),
    Example("n95", 9, "male_512_32", ("male_512_2", "male_512_45")),
    Example("dark", 5, "male_512_83", ("male_512_70", "-male_512_45"), 24),
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

    def __call__(self, name: str, lift: int) -> Portrait:
        """Returns a portrait by the name of its file, moved up by `lift` pixels.

        "-" before the name mirrors it.
        """
        file = self._folder / f"{name.removeprefix('-')}.webp"
        image = read_image(file)
        if name.startswith("-"):
            image = np.ascontiguousarray(image[:, ::-1])
        located = max(self._locate(image), key=lambda face: face.score, default=None)
        if located is None:
            raise DataError(f"no face found in {file}")
        mesh = self._mesher(image, located.eyes)
        matrix = crop_matrix(eye_centers(mesh), SIDE - 2 * MARGIN)
        matrix[:, 2] += (MARGIN, MARGIN - lift)
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


def blend(head: Portrait, faces: Sequence[Portrait]) -> tuple[UInt8Array, Float64Array]:
    """Blends faces in equal parts at their mean mesh, in the head of the first.

    Returns:
        The image, uint8 `[512, 512, 3]` RGB, and its mesh, `[468, 2]`.
    """
    mesh = np.mean([head.mesh, *(face.mesh for face in faces)], axis=0)
    base = warp_to(head, mesh)
    inside = np.zeros((SIDE, SIDE), np.uint8)
    cv2.fillConvexPoly(inside, cv2.convexHull(mesh.round().astype(np.int32)), 1)
    inside = cv2.erode(inside, np.ones((SEAM + 1, SEAM + 1), np.uint8))
    skin = inside > 0
    difference = np.zeros_like(base)
    for face in faces:
        other = warp_to(face, mesh)
        # In the light and the skin tone of the head, so that no seam shows.
        other = (other - other[skin].mean(0)) * (base[skin].std(0) / other[skin].std(0))
        difference += other + base[skin].mean(0) - base
    difference *= inside[..., None] / (len(faces) + 1)
    broad = cv2.GaussianBlur(difference, (0, 0), BROAD)
    weight = cv2.GaussianBlur(inside.astype(np.float32), (0, 0), SEAM / 4)[..., None]
    blended = base + weight * broad
    return np.clip(blended + 0.5, 0, 255).astype(np.uint8), mesh


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("portraits", type=Path, help="Folder of the portraits.")
    parser.add_argument("--mesh", type=Path, required=True)
    parser.add_argument("-o", "--out", type=Path, required=True)
    options = parser.parse_args()
    require_packages("make_faces.py", "scipy", "torch", extra="train")
    read = PortraitReader(options.portraits, options.mesh)
    for example in EXAMPLES:
        head, *faces = (read(name, example.lift) for name in (example.head, *example.faces))
        image, mesh = blend(head, faces)
        masked = synthesize(image, mesh, kind=example.kind, seed=example.mask_seed)
        file = options.out / f"{example.kind}.jpg"
        write_image(file, masked.image)
        print(file)


if __name__ == "__main__":
    try:
        main()
    except UnmaskError as error:  # Base class of all errors; the message says how to fix it.
        raise SystemExit(str(error)) from None
