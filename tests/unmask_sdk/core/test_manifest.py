"""Reading a manifest: changed, damaged or misplaced files are refused."""

from __future__ import annotations

import json
import string
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unmask_sdk.core.manifest import Artifact, read_manifest, resolve_inside
from unmask_sdk.errors import ArtifactError

Edit = Callable[[dict[str, Any]], Any]


def set_fields(folder: Path, **fields: Any) -> None:
    """Sets fields of every entry."""
    edit(folder, lambda data: [entry.update(fields) for entry in data["artifacts"]])


def edit(folder: Path, change: Edit) -> None:
    file = folder / "manifest.json"
    data = json.loads(file.read_text())
    change(data)
    file.write_text(json.dumps(data))


def unmasker(folder: Path) -> tuple[Path, Artifact]:
    manifest = read_manifest(folder)
    artifact = manifest.find(role="unmasker", formats=("onnx",))[0]
    return manifest.path(artifact), artifact


def test_changed_file_is_refused(own_artifacts: Path) -> None:
    path, _ = unmasker(own_artifacts)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(ArtifactError, match=r"changed or damaged.*SHA-256"):
        unmasker(own_artifacts)


def test_truncated_and_missing_files_are_refused(own_artifacts: Path) -> None:
    path, _ = unmasker(own_artifacts)
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(ArtifactError, match="has 100 bytes, expected"):
        unmasker(own_artifacts)
    path.unlink()
    with pytest.raises(ArtifactError, match="cannot read"):
        unmasker(own_artifacts)


def test_changed_golden_vectors_are_refused(own_artifacts: Path) -> None:
    _, artifact = unmasker(own_artifacts)
    (own_artifacts / artifact.golden.file).write_bytes(b"0")
    with pytest.raises(ArtifactError, match="changed or damaged"):
        read_manifest(own_artifacts).golden_path(artifact)


@pytest.mark.parametrize(
    "path", ["../x.onnx", "a/../../x.onnx", "/etc/passwd", "", ".", "C:\\x", "a\\b", "c:x"]
)
def test_path_out_of_the_folder_is_refused(own_artifacts: Path, path: str) -> None:
    set_fields(own_artifacts, file=path)
    with pytest.raises(ArtifactError, match="leads out"):
        unmasker(own_artifacts)


def test_link_out_of_the_folder_is_refused(own_artifacts: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_bytes(b"secret")
    (own_artifacts / "link.onnx").symlink_to(tmp_path / "elsewhere")
    set_fields(own_artifacts, file="link.onnx")
    with pytest.raises(ArtifactError, match="leads out"):
        unmasker(own_artifacts)


@given(st.text(alphabet="ab./\\:" + string.whitespace, max_size=12))
def test_no_path_escapes_the_folder(path: str) -> None:
    root = Path("/srv/models")
    try:
        result = resolve_inside(root, path)
    except ArtifactError:
        return
    assert result.resolve().is_relative_to(root)


def test_other_packages_are_refused(own_artifacts: Path) -> None:
    set_fields(own_artifacts, package="os")
    with pytest.raises(ArtifactError, match="not in 'os'"):
        unmasker(own_artifacts)


def test_newer_schema_asks_for_an_upgrade(own_artifacts: Path) -> None:
    edit(own_artifacts, lambda data: data.update(schema=2))
    with pytest.raises(ArtifactError, match=r"schema 2.*upgrade"):
        read_manifest(own_artifacts)


@pytest.mark.parametrize("text", ["", "[]", "{", "null", '{"schema": true}', '{"schema": 1}'])
def test_invalid_manifest_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(ArtifactError, match=r"manifest\.json"):
        read_manifest(tmp_path)


def test_missing_manifest_is_refused(tmp_path: Path) -> None:
    fix = r"; create it with: unmask export onnx -o \S+$"
    with pytest.raises(ArtifactError, match=rf"folder {tmp_path} has no manifest\.json{fix}"):
        read_manifest(tmp_path)
    with pytest.raises(ArtifactError, match=rf"folder typo does not exist{fix}"):
        read_manifest("typo")
    (tmp_path / "file").write_text("hello")
    with pytest.raises(ArtifactError, match=r"cannot read .*Not a directory"):
        read_manifest(tmp_path / "file")


def test_every_field_is_checked(own_artifacts: Path) -> None:
    text = (own_artifacts / "manifest.json").read_text()
    for key in json.loads(text)["artifacts"][0]:
        data = json.loads(text)
        data["artifacts"][0][key] = {"nonsense": 1} if key != "tools" else 3
        (own_artifacts / "manifest.json").write_text(json.dumps(data))
        with pytest.raises(ArtifactError, match=key):
            read_manifest(own_artifacts)


@pytest.mark.parametrize("shape", [[-1, 3], [0], ["N"], [True], [1.5]])
def test_invalid_shapes_are_refused(own_artifacts: Path, shape: list[Any]) -> None:
    edit(own_artifacts, lambda data: data["artifacts"][0]["inputs"][0].update(shape=shape))
    with pytest.raises(ArtifactError, match="shape"):
        read_manifest(own_artifacts)
