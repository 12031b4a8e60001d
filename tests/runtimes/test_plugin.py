"""Somebody else's runtime, installed by pip: found, run, and tried with the conformance suite."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from unmask_sdk.core.optional_deps import missing_packages

PLUGIN = Path(__file__).parents[1] / "plugin"
CONFORMANCE = """
import pytest
from unmask_sdk.runtimes.conformance import RuntimeConformance
from unmask_sdk.loading.load import open_runtime

class TestPainter(RuntimeConformance):
    @pytest.fixture
    def runtime(self):
        with open_runtime(runtime="painter") as opened:
            yield opened
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of a Python that has the plugin installed."""
    absent = missing_packages(("pip", "setuptools"))
    if absent:
        pytest.skip(f"needs {' and '.join(absent)}")
    source = shutil.copytree(PLUGIN, tmp_path_factory.mktemp("plugin") / "source")
    target = source.parent / "installed"
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*pip, "--no-index", "--target", target, source], check=True)
    paths = [str(target), *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}


def test_doctor_finds_it(installed: dict[str, str]) -> None:
    command = [sys.executable, "-c", "from unmask_sdk.cli import main; main()", "doctor", "--json"]
    done = subprocess.run(command, env=installed, capture_output=True, text=True, check=True)
    found = {r["name"]: r for r in json.loads(done.stdout)["runtimes"]}
    assert found["painter"]["usable"]
    assert "NumPy" in found["painter"]["reason"]


def test_it_keeps_every_promise(installed: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "test_painter.py").write_text(CONFORMANCE)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", tmp_path]
    done = subprocess.run(
        command, env=installed, capture_output=True, text=True, cwd=tmp_path, check=False
    )
    assert done.returncode == 0, done.stdout[-2000:]
    assert "passed" in done.stdout
