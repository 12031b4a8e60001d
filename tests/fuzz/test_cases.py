"""Regression tests of the fuzzer's findings, and a check that no code unpickles files."""

from __future__ import annotations

import importlib.util
import re
from importlib.util import find_spec
from pathlib import Path

import pytest

HERE = Path(__file__).parent
CASES = sorted((HERE / "cases").glob("*-*"))


@pytest.fixture(scope="module")
def harness():
    spec = importlib.util.spec_from_file_location("fuzz_harness", HERE / "harness.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.filterwarnings("ignore")
def test_findings_stay_fixed(harness) -> None:
    for case in CASES:
        target = case.name.split("-")[0]
        if target != "video" or find_spec("av"):
            harness.one(target, case.read_bytes())


def test_every_target_survives_nonsense(harness) -> None:
    for target in harness.TARGETS:
        if target == "artifact":
            pytest.importorskip("onnxruntime")
        if target == "video":
            pytest.importorskip("av")
        for data in (b"", b"\0", b"{}", b"\xff" * 100, b'{"schema": 1, "artifacts": [{}]}'):
            harness.one(target, data)


def test_nothing_is_unpickled() -> None:
    """No code executes the content of a file, neither explicitly nor by a default."""
    forbidden = re.compile(
        r"\b(?:pickle|cPickle|_pickle|marshal|shelve|dill|joblib|cloudpickle)\.(?!UnpicklingError)"
        r"|\bfrom\s+(?:pickle|cPickle|_pickle|marshal|shelve|dill|joblib|cloudpickle)\s+import"
        r"|allow_pickle\s*=\s*True|weights_only\s*=\s*False|yaml\.(?:unsafe_|full_)?load\("
        r"|(?<![\w.])(?:eval|exec)\("
    )
    root = HERE.parents[1]
    folders = ("unmask_sdk", "runtimes", "export", "calibration", "training", "benchmarks")
    files = [f for folder in folders for f in sorted((root / folder).rglob("*.py"))]
    assert len(files) > 80
    found = [
        f"{file.relative_to(root)}:{number}: {line.strip()}"
        for file in files
        for number, line in enumerate(file.read_text().splitlines(), 1)
        if forbidden.search(line)
    ]
    assert found == []


def test_torch_loads_only_weights() -> None:
    """NumPy refuses pickles by default; torch has to be asked."""
    root = HERE.parents[1]
    folders = ("unmask_sdk", "runtimes", "export", "calibration", "training", "benchmarks")
    for file in (f for folder in folders for f in (root / folder).rglob("*.py")):
        text = file.read_text()
        for call in re.finditer(r"\btorch\.load\(([^)]*)\)", text):
            assert "weights_only=True" in call[1], f"{file.name}: {call[0]}"
