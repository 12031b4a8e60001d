"""The diagnosis names every runtime, and finds what is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from unmask_sdk.doctor import Kept, device, diagnose
from unmask_sdk.loading.limits import timing_of
from unmask_sdk.loading.load import open_runtime
from unmask_sdk.runtimes.engines.cache import EngineCache
from unmask_sdk.runtimes.engines.key import EngineKey
from unmask_sdk.runtimes.registry import ENTRIES

pytest.importorskip("onnxruntime")


def test_lists_every_runtime_with_why_and_what_mends_it(tiny_artifacts: Path) -> None:
    diagnosis = diagnose(tiny_artifacts)
    assert [c.name for c in diagnosis.runtimes] == [entry.name for entry in ENTRIES]
    for candidate in diagnosis.runtimes:
        assert candidate.reason
        assert candidate.usable or candidate.fix
    usable = {c.name for c in diagnosis.runtimes if c.usable}
    assert usable - {"tflite"} == {"onnx", "openvino", "torch"}
    assert diagnosis.auto is not None
    assert diagnosis.auto.name == "onnx"
    assert diagnosis.problem is None
    assert all(state.ok for state in diagnosis.artifacts)


def test_damaged_file_is_found(own_artifacts: Path) -> None:
    (own_artifacts / "unmasker-fp32.onnx").write_bytes(b"x")
    diagnosis = diagnose(own_artifacts)
    bad = [state for state in diagnosis.artifacts if not state.ok]
    assert [(state.name, state.format) for state in bad] == [("unmasker", "onnx")]
    assert diagnosis.problem is not None
    assert diagnosis.auto is None


def test_missing_manifest_is_a_finding_and_no_crash(tmp_path: Path) -> None:
    diagnosis = diagnose(tmp_path)
    assert diagnosis.artifacts == ()
    assert not any(candidate.usable for candidate in diagnosis.runtimes)
    assert "manifest.json" in (diagnosis.problem or "")


def test_device_describes_itself() -> None:
    here = device()
    assert here.cores >= 1
    assert here.cpu
    assert here.system
    assert all("compute capability" in gpu for gpu in here.gpus)


def test_what_is_kept_is_counted(
    tiny_artifacts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UNMASK_CACHE", str(tmp_path))
    with open_runtime(runtime="onnx", artifacts=tiny_artifacts) as opened:
        timing_of(opened)
    EngineCache().get(
        EngineKey("net", "0" * 64, "fp16", "TensorRT 10.3.0", "8.7", "Orin", "L4T", ((1,),)),
        lambda: bytes(10_000_000),
    )
    assert diagnose(tiny_artifacts).cache == Kept(str(tmp_path), 1, 10.0, 1)
