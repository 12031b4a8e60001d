"""Golden vectors: right answers pass, wrong ones do not."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unmask_sdk.errors import InvalidInputError, RuntimeUnavailableError, VerificationError
from unmask_sdk.golden_vectors import compare, error_of, iter_checks
from unmask_sdk.runtimes.registry import find_runtime, why_unavailable

pytest.importorskip("onnxruntime")


def test_tiny_artifacts_verify_on_every_runtime(tiny_artifacts: Path) -> None:
    checks = list(iter_checks(tiny_artifacts))
    # What the machine lacks, such as a GPU, is listed as not run.
    ran = [check for check in checks if check.ok is not None]
    assert {(c.role, c.runtime) for c in ran} >= {
        (role, runtime)
        for role in ("unmasker", "detector", "aligner")
        for runtime in ("onnx", "openvino", "torch")
    }
    for check in ran:
        assert check.ok
        assert check.error is not None
        assert check.error <= check.tolerance


def test_one_runtime_only(tiny_artifacts: Path) -> None:
    assert {check.runtime for check in iter_checks(tiny_artifacts, "cpu")} == {"onnx"}


def test_runtime_that_cannot_run_is_an_error_if_asked_for(tiny_artifacts: Path) -> None:
    with pytest.raises(InvalidInputError):
        list(iter_checks(tiny_artifacts, "abacus"))
    if why_unavailable(find_runtime("cuda")) is None:
        pytest.skip("needs a machine without CUDA")
    with pytest.raises(RuntimeUnavailableError, match="NVIDIA"):
        list(iter_checks(tiny_artifacts, "cuda"))


@pytest.mark.parametrize(
    ("engine", "reason"),
    [
        ("raise OSError('libopenvino.so: cannot open')", "does not import"),
        (
            "def get_version(): return '1'\n"
            "class CompiledModel: pass\n"
            "class InferRequest: pass\n"
            "def Core(): raise RuntimeError('no plugin')",
            "no plugin",
        ),
    ],
)
def test_a_broken_engine_does_not_keep_the_others_from_running(
    tiny_artifacts: Path, tmp_path: Path, engine: str, reason: str
) -> None:
    (tmp_path / "openvino.py").write_text(engine)
    code = (
        "import json; from unmask_sdk.golden_vectors import iter_checks;"
        f"checks = iter_checks({str(tiny_artifacts)!r});"
        "print(json.dumps([(c.runtime, c.ok, c.note) for c in checks]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    checks = json.loads(done.stdout)
    outcomes = {(runtime, ok) for runtime, ok, _ in checks}
    assert outcomes >= {("onnx", True), ("openvino", None), ("torch", True)}
    assert all(reason in note for runtime, _, note in checks if runtime == "openvino")


def test_wrong_answer_is_found(own_artifacts: Path) -> None:
    """Golden vectors of another network, digest and all: the numbers have to tell."""
    golden = own_artifacts / "golden/unmasker.npz"
    with np.load(golden, allow_pickle=False) as data:
        arrays = {name: data[name] for name in data.files}
    arrays["out_unmasked"] = arrays["out_unmasked"] ^ 4
    np.savez_compressed(golden, **arrays)
    manifest = own_artifacts / "manifest.json"
    data = json.loads(manifest.read_text())
    for entry in data["artifacts"]:
        if entry["role"] == "unmasker":
            entry["golden"]["sha256"] = hashlib.sha256(golden.read_bytes()).hexdigest()
    manifest.write_text(json.dumps(data))
    checks = {(c.role, c.runtime): c for c in iter_checks(own_artifacts)}
    wrong = checks["unmasker", "onnx"]
    assert wrong.ok is False
    assert wrong.error == pytest.approx(4, abs=1)
    assert checks["detector", "onnx"].ok


def test_a_damaged_file_is_wrong_and_the_others_still_run(own_artifacts: Path) -> None:
    damaged = own_artifacts / "unmasker-fp32.onnx"
    damaged.write_bytes(damaged.read_bytes()[:-1] + b"x")
    checks = {(c.role, c.runtime): c for c in iter_checks(own_artifacts)}
    wrong = checks["unmasker", "onnx"]
    assert wrong.ok is False
    assert "changed or damaged" in wrong.note
    assert checks["detector", "onnx"].ok


@given(st.integers(0, 255), st.integers(0, 255))
def test_compare_measures_steps_of_uint8(expected: int, actual: int) -> None:
    """Differences are of numbers, never wrapped round at 256."""
    want, got = (np.full((1, 2, 2, 3), value, np.uint8) for value in (expected, actual))
    parity = compare("x", want, got, images=1)
    assert parity.max_abs == parity.mean_abs == abs(expected - actual)
    assert error_of(parity, want) == abs(expected - actual)
    if expected == actual:
        assert parity.psnr_db is None
    else:
        assert parity.psnr_db == pytest.approx(20 * np.log10(255 / abs(expected - actual)))


def test_compare_of_floats_is_relative_to_the_peak() -> None:
    want = np.array([[0.0, 200.0]], np.float32)
    parity = compare("x", want, want + np.float32(0.5), images=1)
    assert error_of(parity, want) == pytest.approx(0.0025)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_compare_refuses_what_is_not_finite(bad: float) -> None:
    with pytest.raises(VerificationError, match="not finite"):
        compare("x", np.zeros((1, 2)), np.array([[0.0, bad]]), images=1)


def test_compare_refuses_other_shapes() -> None:
    with pytest.raises(VerificationError, match="shape"):
        compare("x", np.zeros((1, 2)), np.zeros((2, 1)), images=1)
