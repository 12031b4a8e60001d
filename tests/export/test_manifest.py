"""Writing a manifest: all files or none."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from unmask_sdk.core.manifest import read_manifest
from unmask_sdk.errors import ArtifactError, ExportError
from unmask_sdk.export.manifest import merge, write


def test_written_manifest_reads_back(tiny_artifacts: Path, tmp_path: Path) -> None:
    artifacts = read_manifest(tiny_artifacts).artifacts
    write(tmp_path / "a" / "b", artifacts, {"deep/file.bin": b"1"})
    assert read_manifest(tmp_path / "a" / "b").artifacts == artifacts
    assert (tmp_path / "a" / "b" / "deep" / "file.bin").read_bytes() == b"1"


def test_merge_replaces_by_role_format_and_precision(tiny_artifacts: Path) -> None:
    old = read_manifest(tiny_artifacts).artifacts
    newer = replace(old[0], sha256="0" * 64)
    other = replace(old[0], precision="fp16")
    merged = merge(tiny_artifacts, [newer, other])
    assert len(merged) == len(old) + 1
    assert newer in merged
    assert other in merged
    assert old[0] not in merged


def test_a_folder_holds_one_set_of_weights_per_name(tiny_artifacts: Path) -> None:
    old = read_manifest(tiny_artifacts).artifacts
    newer = replace(old[0], precision="fp16", weights_sha256="1" * 64)
    merged = merge(tiny_artifacts, [newer])
    assert [a for a in merged if a.role == newer.role] == [newer]
    assert [a for a in merged if a.role != newer.role] == [a for a in old if a.role != newer.role]


def test_old_entries_share_the_new_golden_vectors(tiny_artifacts: Path) -> None:
    old = read_manifest(tiny_artifacts).artifacts
    golden = replace(old[0].golden, sha256="2" * 64, tolerance=9.0)
    merged = merge(tiny_artifacts, [replace(old[0], precision="fp16", golden=golden)])
    kept = [a for a in merged if a.role == old[0].role and a.precision == "fp32"]
    assert {a.format for a in kept} >= {"onnx", "safetensors"}
    for artifact in kept:
        assert artifact.golden.sha256 == "2" * 64
        assert artifact.golden.tolerance == old[0].golden.tolerance


def test_path_outside_the_folder_writes_nothing(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="leads out"):
        write(tmp_path / "out", [], {"good.bin": b"1", "../evil.bin": b"2"})
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == []


def test_folder_that_cannot_be_written_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ExportError, match="cannot write"):
        write(tmp_path / "file" / "out", [], {})
