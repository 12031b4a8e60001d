"""Copies of the package without its files: zips, and apps that bundlers made."""

from __future__ import annotations

import os
import runpy
import shutil
import subprocess
import sys
from importlib.metadata import distribution
from pathlib import Path

import pytest

import unmask_sdk
from unmask_sdk.cli.commands import COMMANDS, load_command
from unmask_sdk.core.bundle import how_to_restore

PACKAGE = Path(unmask_sdk.__file__).parent
PARTS = ("unmask_sdk", "runtimes", "training")
LOAD = """
import sys
sys.path.insert(0, sys.argv[1])
import unmask_sdk
try:
    unmask_sdk.load("onnx")
except unmask_sdk.ArtifactError as error:
    print(unmask_sdk.__version__, error)
"""


@pytest.fixture(scope="module")
def copied(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package as it is installed, without model files and metadata."""
    root = PACKAGE.parent
    if not (root / "pyproject.toml").exists():
        pytest.skip("needs a clone")
    folder = tmp_path_factory.mktemp("copy")
    ignore = shutil.ignore_patterns("artifacts", "*.safetensors", "*.npz", "__pycache__")
    shutil.copytree(PACKAGE, folder / "unmask_sdk", ignore=ignore)
    for name in ("runtimes", "training"):
        shutil.copytree(root / name, folder / "unmask_sdk" / name, ignore=ignore)
    return folder


def load(place: Path, code: str = LOAD) -> str:
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, "-c", code, str(place)],
        capture_output=True,
        text=True,
        timeout=120,
        cwd=place.parent,
        env=environment,
        check=True,
    )
    return done.stdout


@pytest.mark.slow
def test_a_zip_is_told_as_such(copied: Path, tmp_path: Path) -> None:
    archive = Path(shutil.make_archive(str(tmp_path / "app"), "zip", copied))
    assert f"{archive} is one file, and engines read model files from real folders" in load(archive)


@pytest.mark.slow
def test_a_copy_without_model_files_is_told_as_such(copied: Path) -> None:
    message = load(copied)
    assert "does not exist; reinstall unmask-sdk; if a tool made an app of it" in message
    assert "PyInstaller: --collect-data unmask_sdk" in message
    message = load(copied, LOAD.replace("import sys\n", "import sys; sys.frozen = True\n", 1))
    assert "this app was built without it; build it again with the package's data" in message
    assert "reinstall" not in message


def test_a_damaged_file_of_an_installed_package_keeps_its_fix(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert how_to_restore(tmp_path / "file", "reinstall it") == "reinstall it"


def test_the_hook_collects_what_loads_on_first_use() -> None:
    pytest.importorskip("PyInstaller")
    hook = PACKAGE / "__pyinstaller/hook-unmask_sdk.py"
    if not (distribution("unmask-sdk").files or ()):
        pytest.skip("needs the metadata of an installed package")
    found = runpy.run_path(str(hook))
    names = found["hiddenimports"]
    assert {"unmask_sdk.runtimes.onnx", "unmask_sdk.loading.load"} <= set(names)
    assert not [n for n in names if n.startswith(("unmask_sdk.training", "unmask_sdk.cli"))]
    assert any(Path(source).name == "manifest.json" for source, _ in found["datas"])


def test_the_hook_of_the_command_line_names_every_command() -> None:
    found = runpy.run_path(str(PACKAGE / "__pyinstaller/hook-unmask_sdk.cli.py"))
    names = set(found["hiddenimports"])
    assert {"unmask_sdk.cli", "unmask_sdk.cli.app", "unmask_sdk.cli.media.records"} <= names
    assert {load_command(name).__module__ for name in COMMANDS} <= names
    assert {"torch", "unmask_sdk.training", "unmask_sdk.export"} <= set(found["excludedimports"])
