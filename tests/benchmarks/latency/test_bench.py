"""`unmask bench`: what is measured, how runs are compared, and what is refused."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("pytest_benchmark")
pytest.importorskip("onnxruntime")

from unmask_sdk.benchmarks.document import write_page
from unmask_sdk.benchmarks.latency import bench_json, compare, energy, measure
from unmask_sdk.benchmarks.latency.bench import YARDSTICK, Measurement
from unmask_sdk.benchmarks.latency.condition import condition
from unmask_sdk.errors import DataError, InvalidInputError

CASE = "net fp32 on onnx"


def test_interleaving_runs_all_in_every_round_in_changing_order() -> None:
    order: list[str] = []
    calls = {name: (lambda name=name: order.append(name)) for name in "abc"}
    taken = measure.interleave(calls, 20)
    assert {name: len(s.wall) for name, s in taken.items()} == dict.fromkeys("abc", 20)
    rounds = ["".join(order[-60:][k : k + 3]) for k in range(0, 60, 3)]
    assert {"".join(sorted(one)) for one in rounds} == {"abc"}
    assert len(set(rounds)) > 3


def test_rewarming_runs_each_once_more_before_every_run_that_counts() -> None:
    order: list[str] = []
    calls = {name: (lambda name=name: order.append(name)) for name in "abc"}
    taken = measure.in_turns(calls, 5, rewarm=True)
    assert {name: len(s.wall) for name, s in taken.items()} == dict.fromkeys("abc", 5)
    assert order[::2] == order[1::2]
    assert len(order) == 2 * 3 * 5


def test_tail_and_ratio() -> None:
    tail = measure.tail([k / 1000 for k in range(1, 102)])
    assert (tail.p50, tail.p90, tail.p95, tail.p99, tail.max) == (51, 91, 96, 100, 101)
    # A busy moment strikes both, and does not show.
    one = measure.Samples([2, 20, 2.2], [3, 3, 3])
    other = measure.Samples([1, 10, 1.1], [2, 2, 2])
    assert measure.ratio(one, other, on_cpu=False) == pytest.approx(2)
    assert measure.ratio(one, other) == pytest.approx(1.5 if measure.CPU_TIME else 2)


def measured(work: Callable[[], object], times: int) -> dict[str, Any]:
    """A file of one case that does some work so many times."""

    def case() -> None:
        for _ in range(times):
            work()

    taken = measure.interleave({CASE: case, YARDSTICK: work}, 25)
    ratio = measure.ratio(taken[CASE], taken[YARDSTICK])
    one = Measurement("crop", CASE, {}, taken[CASE].wall, {"yardsticks": ratio})
    return bench_json.to_data([one], condition(), condition())


@pytest.mark.slow
def test_a_slowdown_of_a_fifth_is_caught_and_no_change_is_not() -> None:
    work = measure.yardstick()

    def again(times: int) -> Callable[[Any], dict[str, float]]:
        def measure_again(cases: list[str]) -> dict[str, float]:
            assert cases == [CASE]
            record = measured(work, times)["benchmarks"][0]
            return {CASE: record["extra_info"]["yardsticks"]}

        return measure_again

    old = measured(work, 5)
    (same,) = compare.compare(old, measured(work, 5), 0.1, again(5))
    assert not same.slower
    (slow,) = compare.compare(old, measured(work, 6), 0.1, again(6))
    assert slow.slower
    assert slow.ratio == pytest.approx(1.2, abs=0.1)


def test_suspicion_is_cleared_by_measuring_again() -> None:
    one = Measurement("crop", CASE, {}, [0.01, 0.01], {"yardsticks": 1.0, "bytes": 100})
    worse = Measurement("crop", CASE, {}, [0.01, 0.01], {"yardsticks": 1.5, "bytes": 120})
    old, new = (bench_json.to_data([m], condition(), condition()) for m in (one, worse))
    speed, size = compare.compare(old, new, 0.1, lambda cases: {CASE: 1.02})
    assert (speed.slower, speed.new) == (False, 1.02)
    assert (size.slower, size.value) == (True, "bytes")


def test_unlike_devices_are_refused() -> None:
    one = Measurement("crop", CASE, {}, [0.01, 0.01], {"yardsticks": 1.0})
    old, new = (bench_json.to_data([one], condition(), condition()) for _ in range(2))
    old["machine_info"]["device"]["cpu"] = "Cortex-A78"
    old["machine_info"]["device"]["power_mode"] = "15W"
    with pytest.raises(InvalidInputError, match=r"cpu was 'Cortex-A78'.*power_mode was '15W'"):
        compare.compare(old, new, 0.1, lambda cases: {})


def test_other_files_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "x.json"
    with pytest.raises(DataError, match="cannot read"):
        bench_json.read(file)
    for text in ("[]", "{", '{"benchmarks": []}'):
        file.write_text(text)
        with pytest.raises(DataError, match="not a file of `unmask bench"):
            bench_json.read(file)


def test_a_file_that_fails_leaves_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "x.json"
    bench_json.write(file, {"old": 1})

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        bench_json.write(file, {"new": 2})
    assert json.loads(file.read_text()) == {"old": 1}
    assert list(tmp_path.iterdir()) == [file]


def test_energy_counters(tmp_path: Path) -> None:
    package = tmp_path / "intel-rapl:0"
    package.mkdir()
    (package / "energy_uj").write_text("900000\n")
    (package / "max_energy_range_uj").write_text("1000000\n")
    (tmp_path / "intel-rapl:0:0").mkdir()
    (counter,) = energy._rapl(tmp_path)
    before = counter.read()
    (package / "energy_uj").write_text("400000\n")
    assert counter.since(before) == pytest.approx(0.5)
    lines = "RAM 1/2MB VDD_IN 4500mW/4400mW VDD_SOC 1mW/1mW\nRAM 1/2MB VDD_IN 5500mW/4400mW\n"
    assert energy.tegra_watts(lines) == pytest.approx(5.0)
    assert energy.tegra_watts("RAM 1/2MB") is None


def unmask(*arguments: object) -> subprocess.CompletedProcess[str]:
    code = "from unmask_sdk.cli import main; main()"
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300)


def test_command_measures_writes_and_compares(tiny_artifacts: Path, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    docs = tmp_path / "docs"
    (docs / "benchmarks").mkdir(parents=True)
    file = docs / "benchmarks" / "bench.json"
    common = ("bench", "--artifacts", tiny_artifacts, "--runtimes", "onnx", "--rounds", 3)
    done = unmask(*common, "--batches", "1,2", "--json", file, "--plot", tmp_path / "new/plot.SVG")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "new/plot.SVG").read_bytes().startswith(b"<?xml")
    data = json.loads(file.read_text(encoding="utf-8"))
    groups = {record["group"] for record in data["benchmarks"]}
    assert groups == {"crop", "photo", "batch", "threads", "start"}
    stages = [r["params"]["stage"] for r in data["benchmarks"] if r["group"] == "photo"]
    assert stages == ["decode", "locate", "align", "run", "paste", "encode", "whole"]
    start = next(r for r in data["benchmarks"] if r["group"] == "start")
    assert 10 < start["extra_info"]["peak_mb"] < 2000

    theirs = [sys.executable, "-m", "pytest_benchmark", "compare", str(file)]
    read = subprocess.run(theirs, capture_output=True, text=True, timeout=60)
    assert "crop[unmasker fp32 on onnx]" in read.stdout, read.stderr

    crop = (*common, "--groups", "crop", "--compare", file)
    assert unmask(*crop, "--tolerance", 9).returncode == 0
    for record in data["benchmarks"]:
        if record["group"] == "crop":
            record["extra_info"]["yardsticks"] /= 10
    file.write_text(json.dumps(data), encoding="utf-8")
    done = unmask(*crop)
    assert done.returncode == 1
    assert "worse than in the earlier run by more than 10%" in done.stderr
    assert "measured again: unmasker fp32 on onnx" in done.stderr

    write_page(docs)
    page = (docs / "benchmarks.md").read_text(encoding="utf-8")
    assert "| unmasker fp32 on onnx |" in page
    assert (docs / "benchmarks" / "latency.png").is_file()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--groups", "crops"), "--groups takes crop"),
        (("--batches", "1,x"), "--batches takes whole numbers"),
        (("--groups", "photo", "--compare", "x"), "need the group crop"),
        (("--compare", "nowhere.json"), "cannot read nowhere.json"),
        (("--models", "nobody"), "known are unmasker"),
        (("--plot", "x.txt"), "--plot x.txt: the plot is written as .png or .svg"),
        (("--plot", "x"), "--plot x: the plot is written as .png or .svg"),
        (("--json", "."), "--json . is a folder; name a file"),
    ],
)
def test_bad_arguments_are_refused_before_any_work(
    arguments: tuple[str, ...], words: str, tiny_artifacts: Path
) -> None:
    from typer.testing import CliRunner

    from unmask_sdk.cli.app import app, register

    register(["bench"])
    result = CliRunner().invoke(app, ["bench", "--artifacts", str(tiny_artifacts), *arguments])
    assert isinstance(result.exception, InvalidInputError | DataError)
    assert words in str(result.exception)


@pytest.mark.slow
def test_cost_models_have_the_published_sizes() -> None:
    torch = pytest.importorskip("torch")
    from unmask_sdk.benchmarks.peers.networks import PEERS, count

    for peer in PEERS:
        network = peer.build().eval()
        assert count(network) == pytest.approx(peer.parameters, rel=0.01), peer.name
        assert "cost model" in peer.name
    with torch.inference_mode():
        assert PEERS[0].build().eval()(torch.zeros(1, 4, 256, 256)).shape == (1, 3, 256, 256)
