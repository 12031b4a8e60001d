"""Weights are stored once: ONNX files that refer to the weight file next to them."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("onnxruntime")
onnx = pytest.importorskip("onnx")
import unmask_sdk  # noqa: E402
from unmask_sdk.core import manifest as core_manifest  # noqa: E402
from unmask_sdk.core.manifest import ExternalData, read_manifest, sha256_of  # noqa: E402
from unmask_sdk.errors import ArtifactError  # noqa: E402
from unmask_sdk.export.onnx.external_data import self_contained, share_weights  # noqa: E402
from unmask_sdk.export.release import SHIPPED, export_shipped  # noqa: E402
from unmask_sdk.export.run_export import export  # noqa: E402
from unmask_sdk.loading.open_artifact import open_artifact  # noqa: E402
from unmask_sdk.runtimes.registry import find_runtime  # noqa: E402
from unmask_sdk.training import shipped_weights  # noqa: E402

ROLES = {"unmasker", "detector", "aligner"}


@pytest.fixture
def shared(tiny_artifacts: Path, tmp_path: Path) -> Path:
    """A folder of ONNX files in fp32 that share their weights."""
    folder = Path(shutil.copytree(tiny_artifacts, tmp_path / "shared"))
    share_weights(folder)
    return folder


def test_files_refer_to_the_weight_file_and_lose_nothing(
    shared: Path, tiny_artifacts: Path
) -> None:
    before = {(a.name, a.format): a for a in read_manifest(tiny_artifacts).artifacts}
    listed = read_manifest(shared)
    found = set()
    for artifact in listed.artifacts:
        whole = before[artifact.name, artifact.format]
        if artifact.format != "onnx":
            assert artifact == whole
            continue
        weights = before[artifact.name, "safetensors"]
        assert artifact.external == ExternalData(weights.file, weights.sha256, weights.bytes)
        assert artifact.bytes == (shared / artifact.file).stat().st_size < whole.bytes
        assert artifact.total_bytes == artifact.bytes + weights.bytes
        content = self_contained(listed.path(artifact))
        assert content == (tiny_artifacts / whole.file).read_bytes()
        found.add(artifact.role)
    assert found == ROLES


def test_sharing_again_changes_nothing(shared: Path) -> None:
    before = {file: sha256_of(file) for file in shared.iterdir()}
    share_weights(shared)
    assert {file: sha256_of(file) for file in shared.iterdir()} == before


@pytest.mark.parametrize("runtime", ["onnx", "openvino"])
def test_outputs_are_the_same_bit_for_bit(runtime: str, shared: Path, tiny_artifacts: Path) -> None:
    pytest.importorskip({"onnx": "onnxruntime"}.get(runtime, runtime))
    for role in sorted(ROLES):
        outputs = []
        for folder in (tiny_artifacts, shared):
            listed = read_manifest(folder)
            (artifact,) = listed.find(role=role, formats=("onnx",))
            sides = [64 if size is None else size for size in artifact.inputs[0].shape[1:3]]
            rng = np.random.default_rng(0)
            image = rng.integers(0, 256, (2, *sides, 3), np.uint8)
            with open_artifact(listed, artifact, find_runtime(runtime), threads=1) as opened:
                outputs.append(opened.run_named(image=image))
        for name, expected in outputs[0].items():
            np.testing.assert_array_equal(outputs[1][name], expected)


def remove(file: Path) -> None:
    file.unlink()


def truncate(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-1])


def alter(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)


FAULTS = [
    (remove, "cannot read .*: No such file"),
    (truncate, r"has \d+ bytes, expected \d+"),
    (alter, "was changed or damaged: its SHA-256 is"),
]


@pytest.mark.parametrize(("fault", "words"), FAULTS, ids=["missing", "truncated", "altered"])
def test_a_weight_file_that_is_not_right_is_refused(
    fault: Callable[[Path], None], words: str, shared: Path
) -> None:
    fault(shared / "unmasker.safetensors")
    with pytest.raises(ArtifactError) as caught:
        unmask_sdk.load("onnx", artifacts=shared)
    assert caught.match(words)
    assert caught.match(r"unmasker\.safetensors, which holds the weights of unmasker-fp32\.onnx")
    assert caught.match("export again with `unmask export onnx`")


def test_the_fix_of_a_missing_weight_file_of_the_package(
    shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared.rename(tmp_path / "artifacts")
    monkeypatch.setattr(core_manifest, "package_folder", lambda: tmp_path)
    (tmp_path / "artifacts" / "unmasker.safetensors").unlink()
    with pytest.raises(ArtifactError, match="pip install --force-reinstall unmask-sdk"):
        unmask_sdk.load("onnx")


def test_a_path_out_of_the_folder_is_refused(shared: Path, tmp_path: Path) -> None:
    (shared / "unmasker.safetensors").rename(tmp_path / "unmasker.safetensors")
    file = shared / "manifest.json"
    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace('"unmasker.safetensors"', '"../unmasker.safetensors"'))
    with pytest.raises(ArtifactError, match="leads out of"):
        unmask_sdk.load("onnx", artifacts=shared)


def test_files_of_an_export_are_self_contained(tmp_path: Path) -> None:
    artifact, weights = export("onnx", [shipped_weights("aligner")], tmp_path)
    assert artifact.external is None
    model = onnx.load(tmp_path / artifact.file, load_external_data=False)
    assert not any(tensor.external_data for tensor in model.graph.initializer)
    assert (weights.package, weights.file) == ("unmask_sdk", "artifacts/aligner.safetensors")
    assert not (tmp_path / "aligner.safetensors").exists()
    assert read_manifest(tmp_path).path(weights) == shipped_weights("aligner")


@pytest.mark.slow
@pytest.mark.engine
def test_a_release_shares_weights(tiny_weights: list[Path], tmp_path: Path) -> None:
    pytest.importorskip("litert_torch")
    folder = tmp_path / "artifacts"
    folder.mkdir()
    # So little of a tiny locator's work is in int8 that its export is refused.
    files = [tiny_weights[0], shipped_weights("aligner")]
    weights = [Path(shutil.copy(file, folder)) for file in files]
    steps: list[str] = []
    made = export_shipped(weights, folder, steps.append)
    assert steps[-1] == "sharing weights"
    listed = read_manifest(folder)
    assert all(artifact in listed.artifacts for artifact in made)
    assert {a.file for a in made} == {a.file for a in listed.artifacts}
    columns = dict.fromkeys((a.format, a.precision) for a in made if a.format != "safetensors")
    assert list(columns) == [(format, precision) for format, precision, _ in SHIPPED]
    for artifact in listed.artifacts:
        assert artifact.package is None
        assert listed.path(artifact).exists()
        shares = (artifact.format, artifact.precision) == ("onnx", "fp32")
        assert (artifact.external is not None) == shares
