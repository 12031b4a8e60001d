"""Interrupted exports: a clear error, and no partial files."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from unmask_sdk.core.atomic_write import PartialFile
from unmask_sdk.core.manifest import read_manifest, sha256_of
from unmask_sdk.errors import DataError, ExportError
from unmask_sdk.export.manifest import write
from unmask_sdk.export.run_export import Conversions, export

pytestmark = pytest.mark.slow

for needed in ("onnx", "onnxscript", "onnxruntime", "torch"):
    pytest.importorskip(needed)


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """Limits the size of files, so that writing fails as on a full disk."""
    resource = pytest.importorskip("resource", reason="needs POSIX limits, exists on macOS, Linux")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)


@pytest.fixture
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder for temporary files of the test."""
    folder = tmp_path / "scratch"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def left_in(scratch: Path) -> list[Path]:
    """Returns what was left in a folder for temporary files, without torch's empty folder."""
    return [path for path in scratch.iterdir() if not path.name.startswith("torchinductor")]


@pytest.fixture
def aligner(tiny_weights: list[Path]) -> list[Path]:
    return [file for file in tiny_weights if file.stem == "aligner"]


# A small file reaches the disk only when it is closed, a large one while it is written.
@pytest.mark.parametrize("size", [3000, 3_000_000])
def test_a_full_disk_leaves_nothing_behind(tmp_path: Path, size: int) -> None:
    out = tmp_path / "new" / "out"
    files = {"a/first.bin": b"1", "b/c/second.bin": bytes(size)}
    with files_of_at_most(2000), pytest.raises(ExportError, match=r"cannot write.*make room"):
        write(out, [], files)
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_leaves_existing_files(tmp_path: Path) -> None:
    write(tmp_path, [], {"a/first.bin": b"1"})
    before = sorted(tmp_path.rglob("*"))
    with files_of_at_most(2000), pytest.raises(ExportError, match="cannot write"):
        write(tmp_path, [], {"a/first.bin": b"2", "a/second.bin": bytes(3000)})
    assert sorted(tmp_path.rglob("*")) == before
    assert (tmp_path / "a" / "first.bin").read_bytes() == b"1"


def test_an_interrupt_while_writing_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(file: PartialFile) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(PartialFile, "commit", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write(tmp_path / "out", [], {"deep/first.bin": b"1"})
    assert list(tmp_path.iterdir()) == []


def test_no_room_for_temporary_files_is_a_clear_error(
    aligner: list[Path], conversions: Conversions, tmp_path: Path, scratch: Path
) -> None:
    def full(step: str) -> None:
        if step.endswith("comparing with torch"):
            limit.__enter__()

    limit = files_of_at_most(2000)
    try:
        with pytest.raises(ExportError, match=r"onnx of aligner.*make room.*TMPDIR"):
            export("onnx", aligner, tmp_path / "out", progress=full, conversions=conversions)
    finally:
        limit.__exit__(None, None, None)
    assert left_in(scratch) == []
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("step", ["converting", "golden vectors", "comparing", "writing"])
def test_an_interrupt_at_any_step_leaves_nothing_behind(
    step: str, aligner: list[Path], conversions: Conversions, tmp_path: Path, scratch: Path
) -> None:
    def interrupt(reported: str) -> None:
        if step in reported:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        export("onnx", aligner, tmp_path / "out", progress=interrupt, conversions=conversions)
    assert left_in(scratch) == []
    assert not (tmp_path / "out").exists()


def test_weights_that_are_not_finite_are_refused(aligner: list[Path], tmp_path: Path) -> None:
    from safetensors import safe_open
    from safetensors.torch import load_file, save_file

    with safe_open(aligner[0], framework="pt") as stored:
        metadata = stored.metadata()
    state = load_file(aligner[0])
    name = next(name for name, tensor in state.items() if tensor.ndim == 4)
    state[name].view(-1)[0] = float("nan")
    broken = tmp_path / "aligner.safetensors"
    save_file(state, broken, metadata)
    with pytest.raises(DataError, match=rf"values in {name} that are not finite"):
        export("onnx", [broken], tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals, exists on macOS, Linux")
def test_ctrl_c_in_export_all_keeps_finished_artifacts(
    tiny_weights: list[Path], tmp_path: Path
) -> None:
    for package in ("coremltools", "openvino", "litert_torch", "ai_edge_quantizer"):
        pytest.importorskip(package)
    scratch, out = tmp_path / "scratch", tmp_path / "out"
    scratch.mkdir()
    code = (
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler);"
        "from unmask_sdk.cli import main; main()"
    )
    command = [sys.executable, "-c", code, "export", "all", "-o", str(out)]
    command += ["--weights", str(tiny_weights[0])]
    environment = {**os.environ, "TMPDIR": str(scratch)}
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as running:
        _wait(lambda: (out / "manifest.json").exists() or running.poll() is not None)
        running.send_signal(signal.SIGINT)
        _, stderr = running.communicate(timeout=120)
    assert running.returncode == 130, stderr
    assert stderr.splitlines()[-1] == "unmask: interrupted"
    manifest = read_manifest(out)
    assert manifest.artifacts
    for artifact in manifest.artifacts:
        assert sha256_of(manifest.path(artifact)) == artifact.sha256
        assert manifest.golden_path(artifact).exists()
    assert list(out.rglob(".*")) == []
    assert left_in(scratch) == []


def _wait(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 300
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)
