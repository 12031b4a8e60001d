"""`unmask release`: what it refuses, and what a failure leaves."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
from unmask_sdk.cli.models.release import release  # noqa: E402
from unmask_sdk.errors import ExportError, InvalidInputError  # noqa: E402
from unmask_sdk.export import release as steps  # noqa: E402
from unmask_sdk.export import weight_files  # noqa: E402
from unmask_sdk.training.nets.checkpoint import save_network  # noqa: E402
from unmask_sdk.training.nets.unmasker_graph import build_unmasker  # noqa: E402
from unmask_sdk.training.nets.unmasker_networks import UnmaskerConfig  # noqa: E402

pytestmark = pytest.mark.slow


def save(path: Path, size: int) -> Path:
    """Random weights of a small unmasker."""
    config = UnmaskerConfig(
        size=size, channels=(8, 8, 8, 8), blocks=(0, 1, 0), segmentation_channels=(8, 8, 8, 8)
    )
    save_network(path, "unmasker", config, build_unmasker(config).state_dict())
    return path


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A clone with weights and an artifact, taken for the installed one."""
    root = tmp_path / "clone"
    for name in (*steps.FOLDERS, "docs"):
        (root / name).mkdir(parents=True, exist_ok=True)
    for name in steps.DOCUMENTS:
        (root / name).touch()
    (root / "unmask_sdk" / "artifacts" / "manifest.json").write_text("old")
    artifacts = root / "unmask_sdk" / "artifacts"
    save(artifacts / "unmask-256.safetensors", 256)
    for module in (steps, weight_files):
        monkeypatch.setattr(module, "weights_folder", lambda: artifacts)
    return root


@pytest.fixture
def faces(tmp_path: Path) -> Path:
    """A folder with the landmarks of one face that is held out."""
    np.savez(
        tmp_path / "landmarks.npz", name=["a.png"], split=["val"], landmarks=np.zeros((1, 468, 2))
    )
    return tmp_path


def files(root: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}


def test_a_release_that_fails_leaves_the_clone_as_it_was(
    clone: Path, faces: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(format: str, weights: list[Path], folder: Path, **options: object) -> None:
        assert weights[0].read_bytes() == new.read_bytes()
        (folder / "manifest.json").write_text("new")
        raise ExportError("too far")

    monkeypatch.setattr(steps, "export", fail)
    torch.manual_seed(1)
    new = save(tmp_path / "new.safetensors", 256)
    before = files(clone)
    with pytest.raises(ExportError, match="too far"):
        release(faces, weights=new, root=clone, limit=1)
    assert files(clone) == before
    assert new.read_bytes() not in before.values()


def test_weights_of_another_size_are_refused(clone: Path, faces: Path, tmp_path: Path) -> None:
    before = files(clone)
    small = save(tmp_path / "small.safetensors", 128)
    with pytest.raises(InvalidInputError, match=r"works at 128 px.*256 px"):
        release(faces, weights=small, root=clone, limit=1)
    assert files(clone) == before
