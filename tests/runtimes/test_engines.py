"""Engines: built for real with TensorRT-RTX, kept, and made again if anything is wrong."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import fields, replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unmask_sdk.core.cache_dir import cache_dir
from unmask_sdk.core.manifest import Artifact, read_manifest
from unmask_sdk.errors import InvalidInputError, RuntimeUnavailableError
from unmask_sdk.runtimes.engines import progress
from unmask_sdk.runtimes.engines.build import build, check_memory, free_memory
from unmask_sdk.runtimes.engines.cache import EngineCache
from unmask_sdk.runtimes.engines.key import ANY, EngineKey, capabilities, key_for
from unmask_sdk.runtimes.engines.library import Library, find_library
from unmask_sdk.runtimes.engines.prepare import prepare
from unmask_sdk.runtimes.engines.profiles import PROFILES
from unmask_sdk.runtimes.engines.progress import Phases, Reporter, logger
from unmask_sdk.runtimes.nvidia import Gpu

KEY = EngineKey("net", "0" * 64, "fp16", "TensorRT 10.3.0", "8.7", "Orin", "L4T 36.4.3", ((1,),))
GPU = Gpu("NVIDIA GeForce RTX 3060", "8.6", "580.65.06")
TRIALS = Path(__file__).with_name("engine_trials.py")


@pytest.fixture
def library() -> Library:
    pytest.importorskip("tensorrt_rtx")
    found = find_library()
    if not found.is_rtx:
        pytest.skip("needs tensorrt_rtx alone: tensorrt is installed, too, and goes first")
    return found


@pytest.fixture
def aligner(tiny_artifacts: Path) -> tuple[Path, Artifact]:
    manifest = read_manifest(tiny_artifacts)
    artifact = manifest.find(role="aligner", formats=("onnx",))[0]
    return manifest.path(artifact), artifact


@pytest.fixture
def cache(tmp_path: Path) -> EngineCache:
    return EngineCache(tmp_path / "engines")


@pytest.fixture
def notices() -> Iterator[list[str]]:
    said: list[str] = []

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            said.append(record.getMessage())

    listener = Listener(logging.WARNING)
    logger.addHandler(listener)
    yield said
    logger.removeHandler(listener)


def test_every_part_of_a_key_counts() -> None:
    others = [
        replace(KEY, **{field.name: ((2,),) if field.name == "profile" else "other"})
        for field in fields(KEY)
    ]
    assert len({key.digest for key in (KEY, *others)}) == len(others) + 1
    assert KEY.digest == replace(KEY).digest


def test_engine_is_built_once_and_then_read(
    library: Library, aligner: tuple[Path, Artifact], cache: EngineCache, notices: list[str]
) -> None:
    key, engine = prepare(*aligner, library, "8.6", cache)
    assert len(engine) > 10_000
    assert (key.gpu, key.driver) == (ANY, ANY)
    assert prepare(*aligner, library, "8.6", cache) == (key, engine)
    # An engine of TensorRT-RTX, built ahead of time, is the one for every GPU of the kind.
    assert prepare(*aligner, library, GPU, cache) == (key, engine)
    assert [m for m in notices if "building" in m] == notices[:1]
    (entry,) = cache.entries()
    assert entry.bytes == len(engine)
    assert "aligner fp32 for compute capability 8.6, TensorRT-RTX" in entry.title


def test_targets_that_cannot_be_built_for_are_refused(
    library: Library, aligner: tuple[Path, Artifact], cache: EngineCache
) -> None:
    assert {"7.5", "8.6", "8.9", "12.0"} <= set(capabilities(library))
    # A Jetson Orin and an H100.
    for capability in ("8.7", "9.0"):
        with pytest.raises(InvalidInputError, match=rf"not for {capability}; .*pip install"):
            prepare(*aligner, library, capability, cache)
    int8 = replace(aligner[1], precision="int8")
    with pytest.raises(RuntimeUnavailableError, match=r"in int8 on .* 7\.5; .*fp16"):
        key_for(int8, library, "7.5")
    full = Library(library.module, "tensorrt", "10.3.0")
    with pytest.raises(InvalidInputError, match="build on the device"):
        key_for(aligner[1], full, "8.6")
    key = key_for(aligner[1], full, GPU)
    assert (key.gpu, key.driver, key.library) == (GPU.name, GPU.driver, "TensorRT 10.3.0")
    assert not cache.folder.exists()


def test_file_that_tensorrt_does_not_take_is_a_clear_error(library: Library) -> None:
    with pytest.raises(RuntimeUnavailableError, match=r"does not accept this ONNX file .*; "):
        build(library, b"no model", ((1,), (1,), (1,)), capability="8.6")


def test_progress_goes_up_to_the_end(library: Library, aligner: tuple[Path, Artifact]) -> None:
    said: list[float] = []
    path, artifact = aligner
    shapes = PROFILES["aligner"].shapes(artifact.inputs[0])
    build(library, path.read_bytes(), shapes, capability="8.6", tell=said.append)
    assert said == sorted(said)
    assert said[-1] == 1.0
    assert len(set(said)) > 5


def _engine(cache: EngineCache) -> tuple[Path, Path]:
    return next(cache.folder.glob("*.engine")), next(cache.folder.glob("*.json"))


@pytest.mark.parametrize(
    ("damage", "notice"),
    [
        (lambda engine, note: engine.write_bytes(b"engin"), "damaged"),
        (lambda engine, note: engine.write_bytes(b"Engine"), "damaged"),
        (lambda engine, note: note.write_text("{"), "cannot be read"),
        (lambda engine, note: note.write_text("[]"), "another version"),
        (lambda engine, note: note.write_text('{"schema": 0}'), "another version"),
        (
            lambda engine, note: note.write_text(note.read_text().replace("Orin", "Thor")),
            "another engine",
        ),
        (lambda engine, note: note.unlink(), None),
        (lambda engine, note: engine.unlink(), None),
    ],
    ids=["truncated", "changed", "note", "list", "stale", "foreign", "no note", "no engine"],
)
def test_what_is_wrong_is_built_again_with_a_notice(
    cache: EngineCache,
    notices: list[str],
    damage: Callable[[Path, Path], object],
    notice: str | None,
) -> None:
    assert cache.get(KEY, lambda: b"engine") == b"engine"
    damage(*_engine(cache))
    assert cache.get(KEY, lambda: b"engine 2") == b"engine 2"
    assert cache.get(KEY, lambda: b"never") == b"engine 2"
    assert len(notices) == (0 if notice is None else 1)
    assert all(str(KEY) in line and str(notice) in line for line in notices)


def test_least_recently_used_engines_go_first(tmp_path: Path) -> None:
    cache = EngineCache(tmp_path, limit=25)
    keys = [replace(KEY, name=name) for name in "abcd"]
    for age, key in enumerate(keys[:2]):
        cache.get(key, lambda: bytes(10))
        os.utime(tmp_path / f"{key.digest}.json", (age, age))
    cache.get(keys[0], lambda: b"never")
    cache.get(keys[2], lambda: bytes(10))
    assert {entry.digest for entry in cache.entries()} == {keys[0].digest, keys[2].digest}
    # One that is larger than the limit by itself is kept all the same: it is in use.
    cache.get(keys[3], lambda: bytes(30))
    assert [entry.digest for entry in cache.entries()] == [keys[3].digest]


def test_clear_and_discard(cache: EngineCache) -> None:
    assert cache.clear() == 0
    assert cache.entries() == []
    cache.discard(KEY)
    assert not cache.folder.exists()
    cache.get(KEY, lambda: b"engine")
    cache.discard(KEY)
    assert cache.entries() == []
    cache.get(KEY, lambda: b"engine")
    assert cache.clear() > len(b"engine")
    assert [file.name for file in cache.folder.iterdir()] == ["lock"]


def test_a_failed_build_leaves_nothing(cache: EngineCache) -> None:
    def fail() -> bytes:
        raise RuntimeUnavailableError("no memory")

    with pytest.raises(RuntimeUnavailableError, match="no memory"):
        cache.get(KEY, fail)
    assert cache.entries() == []
    assert cache.get(KEY, lambda: b"engine") == b"engine"


def test_a_place_that_cannot_be_written_to_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    cache = EngineCache(tmp_path / "file" / "engines")
    with pytest.raises(RuntimeUnavailableError, match="set UNMASK_CACHE to a folder"):
        cache.get(KEY, lambda: b"never")


def test_place_of_the_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("UNMASK_CACHE", str(tmp_path / "own"))
    assert cache_dir() == tmp_path / "own"
    assert EngineCache().folder == tmp_path / "own" / "engines"
    monkeypatch.delenv("UNMASK_CACHE")
    if sys.platform == "linux":
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
        assert cache_dir() == tmp_path / "unmask-sdk"
        monkeypatch.setenv("XDG_CACHE_HOME", "relative")
        assert cache_dir() == Path.home() / ".cache" / "unmask-sdk"


def test_too_little_memory_is_said_before_any_work(tmp_path: Path) -> None:
    free = free_memory()
    assert free is None or free > 0
    assert free_memory(str(tmp_path / "none")) is None
    (tmp_path / "odd").write_text("MemAvailable: many\n")
    assert free_memory(str(tmp_path / "odd")) is None
    check_memory(0)
    if free is not None:
        with pytest.raises(RuntimeUnavailableError, match=r"needs .* GB of free memory, there are"):
            check_memory(1 << 60)


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["start", "step", "finish"]),
            st.sampled_from("abc"),
            st.sampled_from([None, "a", "b"]),
            st.integers(0, 5),
        )
    )
)
def test_progress_never_goes_back(events: list[tuple[str, str, str | None, int]]) -> None:
    phases, last = Phases(), 0.0
    for kind, phase, within, number in events:
        if kind == "start":
            # A phase lies in one that comes before it in the alphabet, as none lies in itself.
            phases.start(phase, within if within and within < phase else None, number)
        elif kind == "step":
            phases.step(phase, number)
        else:
            phases.finish(phase)
        now = phases.fraction()
        assert last <= now <= 1
        last = now


def test_what_is_left_is_estimated(notices: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = iter([0.0, 6.0, 40.0, 100.0, 101.0])
    monkeypatch.setattr(progress, "time", SimpleNamespace(monotonic=lambda: next(seconds)))
    reporter = Reporter("the engine", every=5.0)
    reporter.tell(0.01)
    reporter.tell(0.8)
    assert "building the engine: 1 % after 6 s" in notices[0]
    assert "left" not in notices[0]
    assert "80 % after 40 s, about 10 s left" in notices[1]
    Reporter("quick", every=5.0).tell(0.5)
    assert len(notices) == 2


def test_killed_at_any_moment_the_next_start_works_and_eight_build_once(
    library: Library, tiny_artifacts: Path, tmp_path: Path
) -> None:
    done = subprocess.run(
        [sys.executable, str(TRIALS), str(tiny_artifacts), str(tmp_path / "engines")],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    for kind in ("build", "store"):
        # Some had ended before they could be killed.
        assert report[kind].pop("killed") >= 5
        assert report[kind] == {"next start works": 25, "clean": 25}
    assert report["builds"] == 1


def test_ctrl_c_while_building_ends_in_good_order(
    library: Library, aligner: tuple[Path, Artifact]
) -> None:
    code = (
        "import os, signal, sys\n"
        "from pathlib import Path\n"
        "from unmask_sdk.runtimes.engines.build import build\n"
        "from unmask_sdk.runtimes.engines.library import find_library\n"
        "def tell(fraction):\n"
        "    if fraction > 0.1: os.kill(os.getpid(), signal.SIGINT)\n"
        "shapes = ((1, 112, 112, 3),) * 3\n"
        "try:\n"
        "    build(find_library(), Path(sys.argv[1]).read_bytes(), shapes, capability='8.6',\n"
        "          tell=tell)\n"
        "except KeyboardInterrupt:\n"
        "    print('interrupted')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(aligner[0])], capture_output=True, text=True, timeout=120
    )
    assert (done.returncode, done.stdout) == (0, "interrupted\n"), done.stderr
