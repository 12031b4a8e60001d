"""`unmask doctor`, `verify` and `export` as a user runs them: output and exit codes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from unmask_process import run_unmask

pytestmark = pytest.mark.slow

pytest.importorskip("onnxruntime")


def unmask(*arguments: object) -> subprocess.CompletedProcess[str]:
    code = "from unmask_sdk.cli import main; main()"
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=300,
    )


def test_doctor_prints_tables_and_json(tiny_artifacts: Path) -> None:
    done = unmask("doctor", "--artifacts", tiny_artifacts)
    assert done.returncode == 0, done.stderr
    assert "load() takes onnx" in done.stdout
    done = unmask("doctor", "--json", "--artifacts", tiny_artifacts)
    assert done.returncode == 0
    report = json.loads(done.stdout)
    assert {"trt", "cuda", "coreml", "openvino", "onnx", "tflite", "torch"} == {
        runtime["name"] for runtime in report["runtimes"]
    }


def test_doctor_prints_each_fix_on_a_line_to_copy(
    tiny_artifacts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    report = json.loads(unmask("doctor", "--json", "--artifacts", tiny_artifacts).stdout)
    fixes = [f"{one['name']}: {one['fix']}" for one in report["runtimes"] if one["fix"]]
    assert any(len(fix) > 40 for fix in fixes)
    done = unmask("doctor", "--artifacts", tiny_artifacts)
    assert set(fixes) <= set(done.stdout.splitlines())


def test_doctor_fails_on_damage(own_artifacts: Path) -> None:
    (own_artifacts / "detector-fp32.onnx").write_bytes(b"x")
    done = unmask("doctor", "--artifacts", own_artifacts)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr


def test_verify_passes_and_fails(own_artifacts: Path) -> None:
    done = unmask("verify", "--artifacts", own_artifacts, "--runtime", "onnx", "--json")
    assert done.returncode == 0, done.stderr
    assert [json.loads(line)["ok"] for line in done.stdout.splitlines()] == [True] * 3
    (own_artifacts / "unmasker-fp32.onnx").write_bytes(b"x")
    done = unmask("verify", "--artifacts", own_artifacts, "--runtime", "onnx")
    assert done.returncode == 1
    assert "WRONG unmasker onnx fp32" in done.stdout
    assert "ok detector onnx fp32" in done.stdout
    assert done.stdout.splitlines()[-1] == "2 ok, 1 wrong, 0 not run"
    assert done.stderr.startswith("unmask: error: ")
    assert done.stderr.count("\n") == 1


def test_verify_takes_files_folders_and_names(own_artifacts: Path, tmp_path: Path) -> None:
    def checked(*arguments: object) -> list[str]:
        done = unmask("verify", *arguments, "--runtime", "onnx", "--json")
        assert done.returncode == 0, done.stderr
        return [json.loads(line)["artifact"] for line in done.stdout.splitlines()]

    file = own_artifacts / "detector-fp32.onnx"
    assert checked(file) == ["detector"]
    assert checked(own_artifacts) == ["aligner", "detector", "unmasker"]
    assert checked("--artifacts", own_artifacts, "unmasker", file.name) == ["detector", "unmasker"]
    done = unmask("verify", "--artifacts", own_artifacts, "nobody")
    assert done.returncode == 1
    assert "has no model 'nobody'; it has aligner, aligner-fp32.onnx" in done.stderr
    (tmp_path / "stray.onnx").write_bytes(b"x")
    done = unmask("verify", tmp_path / "stray.onnx")
    assert done.returncode == 1
    assert (
        f"the folder {tmp_path} has no manifest.json; create it with: unmask export" in done.stderr
    )


def test_verify_says_once_why_a_runtime_did_not_run(tiny_artifacts: Path) -> None:
    done = unmask("verify", "--artifacts", tiny_artifacts)
    assert done.returncode == 0, done.stderr
    reasons = [line for line in done.stdout.splitlines() if line.startswith("not run on ")]
    assert len({line.split(",")[0] for line in reasons}) == len(reasons)


def test_export_writes_a_folder_that_verifies(tiny_weights: list[Path], tmp_path: Path) -> None:
    aligner = next(file for file in tiny_weights if file.stem == "aligner")
    done = unmask("export", "onnx", "--weights", aligner, "-o", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert "aligner onnx fp32: aligner-fp32.onnx" in done.stdout
    done = unmask("verify", "--artifacts", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("ok aligner") == 3  # onnx, openvino, torch


def test_export_takes_networks_of_the_package_by_name(tmp_path: Path) -> None:
    done = unmask("export", "onnx", "--model", "aligner", "-o", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    # The file, and the reference weights.
    assert {artifact["name"] for artifact in manifest["artifacts"]} == {"aligner"}


@pytest.mark.parametrize(
    "arguments",
    [
        ("export", "caffe"),
        ("export", "onnx", "--precision", "int4"),
        ("export", "onnx", "--weights", "none.safetensors"),
        ("export", "onnx", "--model", "unmask-512"),
        ("verify", "--artifacts", "nowhere"),
    ],
)
def test_mistakes_are_one_line_and_exit_code_1(arguments: tuple[str, ...]) -> None:
    done = run_unmask(*arguments)
    assert done.returncode == 1
    assert done.stderr.startswith("unmask: error: ")
    assert done.stderr.count("\n") == 1
