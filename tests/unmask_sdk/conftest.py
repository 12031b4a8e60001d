"""Models whose answers are known (`tests/helpers/painted_faces.py`), and photos for them."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from painted_faces import paint, save_painted_models
from unmask_sdk import Unmasker, load
from unmask_sdk.core.arrays import AnyArray


@pytest.fixture(scope="session")
def painted_artifacts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the three networks and its manifest. Do not change it."""
    pytest.importorskip("onnxruntime")
    folder = tmp_path_factory.mktemp("painted")
    save_painted_models(folder)
    return folder


@pytest.fixture
def own_painted(painted_artifacts: Path, tmp_path: Path) -> Path:
    """A copy of `painted_artifacts` that a test may damage."""
    return Path(shutil.copytree(painted_artifacts, tmp_path / "artifacts"))


@pytest.fixture(scope="session")
def painted_model(painted_artifacts: Path) -> Unmasker:
    """A model of the three networks, with one thread."""
    return load("onnx", threads=1, artifacts=painted_artifacts)


@pytest.fixture
def locked(tmp_path: Path) -> Iterator[Path]:
    """A folder that nobody may write to, not even root."""
    folder = tmp_path / "locked"
    folder.mkdir(mode=0o500)
    found = [f for f in (folder, Path("/proc/sys")) if f.is_dir() and not os.access(f, os.W_OK)]
    if not found:
        pytest.skip("needs a folder that root may not write to")
    yield found[0]
    folder.rmdir()


@pytest.fixture(scope="session")
def painter() -> Callable[..., AnyArray]:
    """`paint(image, eyes, color)`."""
    return paint


@pytest.fixture(scope="session")
def backdrop() -> AnyArray:
    """A photograph without any blue, uint8 `[480, 640, 3]`."""
    data = pytest.importorskip("skimage.data")
    image = cv2.resize(data.astronaut(), (640, 480), interpolation=cv2.INTER_AREA)
    image[..., 2] = np.minimum(image[..., 2], image[..., 0])
    return image
