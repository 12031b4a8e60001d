"""A small folder of faces: one public-domain astronaut in several guises, with meshes."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import skimage.data

from unmask_sdk.align import crop_matrix, transform_points
from unmask_sdk.training.data import read_landmarks
from unmask_sdk.training.mesh import mean_face
from unmask_sdk.training.packs import Pack, PackPlan, open_pack

# The astronaut's eye centres, by MediaPipe's mesh.
EYES = np.array([[203.5, 102.2], [247.0, 104.6]])


@pytest.fixture(scope="session")
def astronaut() -> tuple[np.ndarray, np.ndarray]:
    """Picture uint8 `[512, 512, 3]` and mesh `[468, 2]`: the mean face laid on by the eyes."""
    mesh = transform_points(cv2.invertAffineTransform(crop_matrix(EYES)), mean_face())
    return skimage.data.astronaut(), mesh


@pytest.fixture(scope="session")
def faces_folder(
    astronaut: tuple[np.ndarray, np.ndarray], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """Ten pictures of five "people", the last of them held out, and `landmarks.npz`."""
    folder = tmp_path_factory.mktemp("faces")
    picture, mesh = astronaut
    rng = np.random.default_rng(0)
    names, meshes, splits = [], [], []
    for index in range(10):
        matrix = cv2.getRotationMatrix2D((225, 110), rng.uniform(-15, 15), rng.uniform(0.7, 1.2))
        changed = cv2.warpAffine(picture, matrix, (400, 360), borderMode=cv2.BORDER_REFLECT)
        changed = np.clip(changed * rng.uniform(0.6, 1.2, 3), 0, 255).astype(np.uint8)
        name = f"set/person{index // 2}/{index}.png"
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(folder / name), changed[..., ::-1])
        names.append(name)
        meshes.append(transform_points(matrix, mesh))
        splits.append("val" if index >= 8 else "train")
    np.savez(
        folder / "landmarks.npz",
        name=np.array(names),
        split=np.array(splits),
        landmarks=np.stack(meshes).astype(np.float32),
    )
    return folder


@pytest.fixture(scope="session")
def pack(faces_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Pack:
    """The eight training faces at 64 px, with two masks each."""
    plan = PackPlan(size=64, variants=2, split="train", per_person=None, limit=None)
    faces = read_landmarks(faces_folder / "landmarks.npz")
    return open_pack(faces_folder, faces, plan, tmp_path_factory.mktemp("cache"))
