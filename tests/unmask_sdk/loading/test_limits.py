"""`load(max_ms=, min_psnr=)`: the first that keeps the limits, or why none does."""

from __future__ import annotations

import json
import math
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import unmask_sdk
from unmask_sdk.core.manifest import Parity, read_manifest
from unmask_sdk.errors import InvalidInputError, RuntimeUnavailableError
from unmask_sdk.loading.limits import Limits, Timing, psnr_of, timing_of
from unmask_sdk.loading.load import open_runtime

pytest.importorskip("onnxruntime")


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("UNMASK_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "timings"


def test_time_is_measured_once_and_remembered(painted_artifacts: Path, own_cache: Path) -> None:
    with open_runtime(runtime="onnx", artifacts=painted_artifacts) as opened:
        first = timing_of(opened)
        (file,) = own_cache.iterdir()
        note = json.loads(file.read_text())
        assert first == Timing(note["ms"], note["measured"])
        assert first.ms > 0
        file.write_text(json.dumps({**note, "ms": 123.0}))
        assert timing_of(opened).ms == 123.0
        file.write_text("{")
        assert timing_of(opened).ms != 123.0
        # What an earlier version stored has no date.
        file.write_text('{"ms": 123.0}')
        assert timing_of(opened).ms != 123.0


def test_another_thread_count_is_measured_anew(painted_artifacts: Path, own_cache: Path) -> None:
    for threads in (1, 2):
        with open_runtime(runtime="onnx", threads=threads, artifacts=painted_artifacts) as opened:
            timing_of(opened)
    assert len(list(own_cache.iterdir())) == 2


def test_a_cache_that_cannot_be_written_is_no_hindrance(
    painted_artifacts: Path, tmp_path: Path
) -> None:
    (tmp_path / "cache").write_text("in the way")
    with open_runtime(runtime="onnx", artifacts=painted_artifacts) as opened:
        assert timing_of(opened).ms > 0


def test_generous_limits_take_what_auto_takes(painted_artifacts: Path) -> None:
    with unmask_sdk.load("onnx", max_ms=1e6, min_psnr=1, artifacts=painted_artifacts) as model:
        assert model.runtime.precision == "fp32"


def test_limits_that_nothing_keeps_say_what_was_measured(painted_artifacts: Path) -> None:
    with pytest.raises(
        RuntimeUnavailableError,
        match=r"keeps the limits\. Considered:(\n.*)*\n  onnx: .* here: .*, measured just now ",
    ):
        unmask_sdk.load(max_ms=1e-6, artifacts=painted_artifacts)


def put_into_cache(folder: Path, ms: float, hours_ago: float) -> None:
    """Changes the one measurement that the cache has."""
    (file,) = folder.iterdir()
    note = json.loads(file.read_text())
    file.write_text(json.dumps({**note, "ms": ms, "measured": time.time() - 3600 * hours_ago}))


def test_cached_miss_is_measured_again(painted_artifacts: Path, own_cache: Path) -> None:
    wanted = {"max_ms": 1e5, "artifacts": painted_artifacts}
    unmask_sdk.load("onnx", "fp32", **wanted).close()
    put_into_cache(own_cache, ms=1e6, hours_ago=1)
    with unmask_sdk.load("onnx", "fp32", **wanted) as model:
        assert model.selection[-1].reason.endswith(" ms, measured just now")
    (file,) = own_cache.iterdir()
    assert json.loads(file.read_text())["ms"] < 1e5


def test_age_of_what_is_believed_is_reported(painted_artifacts: Path, own_cache: Path) -> None:
    wanted = {"max_ms": 1e5, "artifacts": painted_artifacts}
    unmask_sdk.load("onnx", "fp32", **wanted).close()
    put_into_cache(own_cache, ms=1.5, hours_ago=50)
    with unmask_sdk.load("onnx", "fp32", **wanted) as model:
        assert model.selection[-1].reason.endswith(", a face takes 1.5 ms, measured 2 days ago")


@pytest.mark.parametrize(
    ("seconds", "age"),
    [(-5, "just now"), (59, "just now"), (61, "1 minute ago"), (7300, "2 hours ago")],
)
def test_ages(seconds: float, age: str) -> None:
    assert Timing(1.0, time.time() - seconds).age == age


def test_recent_far_miss_is_believed(painted_artifacts: Path, own_cache: Path) -> None:
    """Measuring again would take as long as the network is slow, and change nothing."""
    with open_runtime(runtime="onnx", artifacts=painted_artifacts) as opened:
        timing_of(opened)
        limits = Limits(max_ms=1e5)
        for ms, hours_ago, believed in ((9e5, 0.0, True), (9e5, 1.0, False), (7e5, 0.0, False)):
            put_into_cache(own_cache, ms, hours_ago)
            assert limits.check(opened).may_keep is not believed
            assert (limits.check(opened, fresh=True).missed is not None) is believed


def test_quality_is_the_certificate(painted_artifacts: Path) -> None:
    artifact = read_manifest(painted_artifacts).find(role="unmasker", formats=("onnx",))[0]
    poor = Parity("unmasked", "torch", 64, 9.0, 1.0, 40.0)
    exact = replace(poor, output="mask", psnr_db=None)
    assert psnr_of(replace(artifact, parity=(poor, exact))) == 40.0
    assert psnr_of(replace(artifact, parity=(exact,))) == math.inf


def test_numbers_of_numpy_are_numbers(painted_artifacts: Path, own_cache: Path) -> None:
    asked = {"threads": np.int64(2), "max_ms": np.float32(1e6), "min_psnr": np.int64(1)}
    with unmask_sdk.load("onnx", artifacts=painted_artifacts, **asked) as model:
        assert model.runtime.threads == 2
    (file,) = own_cache.iterdir()
    assert json.loads(file.read_text())["threads"] == 2
    with pytest.raises(InvalidInputError, match="threads must be a whole number"):
        unmask_sdk.load("onnx", artifacts=painted_artifacts, threads=True)


@pytest.mark.parametrize("value", [0, -1, math.nan, math.inf, "fast", True])
def test_limits_are_positive_numbers(value: object) -> None:
    with pytest.raises(InvalidInputError, match="max_ms must be a positive number"):
        Limits(max_ms=value)  # type: ignore[arg-type]
