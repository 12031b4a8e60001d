"""Runtimes of other packages, installed by pip: found, run by commands, and conformant."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from unmask_sdk.core.optional_deps import missing_packages

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
GUIDE = ROOT / "docs" / "runtimes.md"
UNMASK = [sys.executable, "-c", "from unmask_sdk.cli import main; main()"]


def write_guide_package(folder: Path) -> None:
    """Writes the package whose two files are in the section "Write a runtime" of the guide."""
    text = GUIDE.read_text(encoding="utf-8").split("## Write a runtime")[1].split("\n## ")[0]
    (code,) = re.findall(r"^```python\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    (project,) = re.findall(r"^```toml\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    folder.mkdir()
    (folder / "unmask_sdk_mine.py").write_text(code, encoding="utf-8")
    (folder / "pyproject.toml").write_text(project, encoding="utf-8")


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of a Python that has both packages installed."""
    absent = missing_packages(("pip", "setuptools", "onnxruntime"))
    if absent:
        pytest.skip(f"needs {' and '.join(absent)}")
    folder = tmp_path_factory.mktemp("plugins")
    write_guide_package(folder / "mine")
    shutil.copytree(ROOT / "tests" / "plugin", folder / "painter")
    target = folder / "installed"
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation"]
    sources = [folder / "mine", folder / "painter"]
    subprocess.run([*pip, "--no-index", "--target", target, *sources], check=True)
    paths = [str(target), *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}


def run(command: list[str], env: dict[str, str], folder: Path) -> str:
    done = subprocess.run(
        command, env=env, cwd=folder, capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == 0, (done.stdout + done.stderr)[-2000:]
    return done.stdout


def test_doctor_lists_both(installed: dict[str, str], tmp_path: Path) -> None:
    report = json.loads(run([*UNMASK, "doctor", "--json"], installed, tmp_path))
    found = {runtime["name"]: runtime for runtime in report["runtimes"]}
    assert found["mine"]["usable"]
    assert found["painter"]["usable"]
    assert "NumPy" in found["painter"]["reason"]


@pytest.mark.parametrize("name", ["mine", "painter"])
def test_image_runs_on_it(name: str, installed: dict[str, str], tmp_path: Path) -> None:
    photo = str(ROOT / "examples" / "surgical.jpg")
    command = [*UNMASK, "image", photo, "-o", "out.png", "--runtime", name]
    assert "1 face, 1 unmasked" in run(command, installed, tmp_path)
    assert (tmp_path / "out.png").exists()


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("mine", r"unmask-256 fp32 on My engine \S+"),
        ("painter", r"unmask-256 fp32 on NumPy \S+; detector and aligner on ONNX Runtime .*"),
    ],
)
def test_selection_says_what_runs_where(
    name: str, reason: str, installed: dict[str, str], tmp_path: Path
) -> None:
    code = f"import unmask_sdk; print(unmask_sdk.load({name!r}).selection[-1].reason)"
    assert re.fullmatch(reason, run([sys.executable, "-c", code], installed, tmp_path).strip())


def test_role_that_it_does_not_run_is_refused(installed: dict[str, str], tmp_path: Path) -> None:
    code = (
        "from unmask_sdk.loading.load import open_runtime\n"
        "try: open_runtime('detector', 'painter')\n"
        "except Exception as error: print(error)"
    )
    output = run([sys.executable, "-c", code], installed, tmp_path)
    assert output == "Painter runs unmasker, not the detector; use runtime='onnx' for it\n"


@pytest.mark.parametrize("name", ["mine", "painter"])
def test_it_passes_the_conformance_suite(
    name: str, installed: dict[str, str], tmp_path: Path
) -> None:
    command = [sys.executable, "-m", "unmask_sdk.runtimes.conformance"]
    output = run([*command, "--runtime", name, "--model", "unmask-256-lite"], installed, tmp_path)
    assert re.search(r"\d+ passed", output)
