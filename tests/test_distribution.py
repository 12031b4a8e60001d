"""What the wheel and the source distribution hold, and what their build leaves behind."""

from __future__ import annotations

import json
import re
import runpy
import shutil
import subprocess
import sys
import tarfile
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
STALE = "unmask_sdk/removed_since.py"
# Large files are not needed to see where they go.
LARGE = (".npz", ".onnx", ".safetensors", ".tflite")
NOT_COPIED = (".*", "build", "dist", "node_modules", "*.egg-info", "__pycache__", "runs")
BUILD = """
import sys
from setuptools import build_meta
folder = sys.argv[1]  # The build changes the list.
build_meta.build_wheel(folder)
build_meta.build_sdist(folder)
"""
WEIGHTS = {"aligner", "detector", "unmask-256", "unmask-256-lite"}

slow = pytest.mark.slow


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clone in which another version was built before, and weights are being trained."""
    if not (ROOT / "setup.py").exists():
        pytest.skip("needs a clone")
    folder = tmp_path_factory.mktemp("distribution") / "clone"

    def copy(source: str, target: str) -> None:
        if source.endswith(LARGE):
            Path(target).write_bytes(b"left out")
        else:
            shutil.copyfile(source, target)

    ignore = shutil.ignore_patterns(*NOT_COPIED)
    shutil.copytree(ROOT, folder, ignore=ignore, copy_function=copy)
    for name in (".ci", ".importlinter"):
        source = ROOT / name
        (shutil.copytree if source.is_dir() else shutil.copyfile)(source, folder / name)
    stale = folder / "build" / "lib" / STALE
    stale.parent.mkdir(parents=True)
    stale.write_text("raise AssertionError\n")
    in_training = folder / "training" / "weights"
    in_training.mkdir(exist_ok=True)
    for name in ("unmask-256-next", "unmask-256-next-discriminator"):
        (in_training / f"{name}.safetensors").write_bytes(b"in training")
    return folder


@pytest.fixture(scope="module")
def built(clone: Path) -> Path:
    """The folder with both distributions."""
    folder = clone.parent / "dist"
    folder.mkdir()
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", BUILD, str(folder)],
        cwd=clone,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def wheel(built: Path) -> zipfile.ZipFile:
    return zipfile.ZipFile(next(built.glob("*.whl")))


@pytest.fixture(scope="module")
def source(built: Path) -> set[str]:
    """The files of the source distribution, relative to its folder."""
    with tarfile.open(next(built.glob("*.tar.gz"))) as archive:
        names = [member.name for member in archive if member.isfile()]
    return {name.partition("/")[2] for name in names}


@slow
def test_files_of_an_earlier_build_are_not_packed(
    clone: Path, wheel: zipfile.ZipFile, source: set[str]
) -> None:
    assert STALE not in wheel.namelist()
    assert STALE not in source
    left = {path.relative_to(clone).as_posix() for path in (clone / "build").rglob("*")}
    assert left == {"build/lib", "build/lib/unmask_sdk", f"build/lib/{STALE}"}


@slow
def test_wheel_holds_documents_and_weights_and_nothing_of_a_training(
    wheel: zipfile.ZipFile,
) -> None:
    names = set(wheel.namelist())
    for name in ("CHANGELOG.md", "MODEL_CARD.md"):
        assert wheel.read(f"unmask_sdk/{name}") == (ROOT / name).read_bytes()
    assert {n for n in names if n.endswith(".safetensors")} == {
        f"unmask_sdk/artifacts/{name}.safetensors" for name in WEIGHTS
    }
    artifacts = ROOT / "unmask_sdk" / "artifacts"
    for file in artifacts.rglob("*"):
        assert file.is_dir() or file.relative_to(ROOT).as_posix() in names
    tops = {name.split("/")[0] for name in names}
    assert len(tops) == 2, "the package and its metadata"
    licenses = {Path(name).name for name in names if "/licenses/" in name}
    assert licenses == {"LICENSE", "LICENSE-WEIGHTS.md"}


@slow
def test_wheel_holds_every_module(clone: Path, wheel: zipfile.ZipFile) -> None:
    names = set(wheel.namelist())
    for package in ("runtimes", "export", "calibration", "training", "benchmarks", "web"):
        for file in (clone / package).rglob("*.py"):
            if not file.name.startswith("test_"):
                assert f"unmask_sdk/{file.relative_to(clone).as_posix()}" in names
    for file in (clone / "unmask_sdk").rglob("*.py"):
        assert file.relative_to(clone).as_posix() in names


@slow
def test_source_distribution_holds_tests_documentation_and_examples(
    clone: Path, source: set[str]
) -> None:
    for folder in ("docs", "examples", "tests"):
        expected = {
            file.relative_to(clone).as_posix()
            for file in (clone / folder).rglob("*")
            if file.is_file() and file.suffix not in (".pyc", ".pyo")
        }
        assert expected
        assert expected <= source
    assert {"README.md", "CITATION.cff", "constraints.txt", "noxfile.py", "mkdocs.yml"} <= source
    assert {"setup.py", "MANIFEST.in", "web/package-lock.json", "training/LOG.md"} <= source
    assert not [name for name in source if "-next" in name]


@slow
def test_metadata_names_systems_and_python_versions(wheel: zipfile.ZipFile) -> None:
    (name,) = (n for n in wheel.namelist() if n.endswith(".dist-info/METADATA"))
    metadata = Parser().parsestr(wheel.read(name).decode())
    classifiers = metadata.get_all("Classifier") or []
    versions = {c.rpartition(" ")[2] for c in classifiers if re.search(r":: 3\.\d+$", c)}
    tested = runpy.run_path(str(ROOT / "noxfile.py"))["PYTHONS"] if has("nox") else None
    assert tested is None or versions == set(tested)
    assert "Operating System :: POSIX :: Linux" in classifiers
    assert metadata["Description-Content-Type"] == "text/markdown"
    description = str(metadata.get_payload())
    assert description.startswith("# unmask-sdk")
    assert not relative_links(description)


def has(module: str) -> bool:
    import importlib.util

    return importlib.util.find_spec(module) is not None


def relative_links(text: str) -> list[str]:
    targets = re.findall(r"\]\(([^)\s]+)\)", text)
    return [target for target in targets if not re.match(r"https?://|#|mailto:", target)]


# In a process of its own: setuptools refuses to be imported once anything has imported distutils.
DESCRIBE = """
import json, runpy, sys
description = runpy.run_path(sys.argv[1], run_name="setup")["description"]
json.dump(description(*json.load(sys.stdin)), sys.stdout)
"""


def description(readme: str, version: str, address: str | None) -> str:
    return json.loads(
        subprocess.run(
            [sys.executable, "-c", DESCRIBE, str(ROOT / "setup.py")],
            input=json.dumps([readme, version, address]),
            capture_output=True,
            text=True,
            check=True,
        ).stdout
    )


def test_links_of_the_description_lead_to_the_version() -> None:
    readme = "![Before](docs/a.jpg) [docs](docs/api.md#load), [here](#use), [W3C](https://w3.org)"
    assert description(readme, "1.2.0", "https://example.com/o/r/") == (
        "![Before](https://example.com/o/r/raw/v1.2.0/docs/a.jpg) "
        "[docs](https://example.com/o/r/blob/v1.2.0/docs/api.md#load), [here](#use), "
        "[W3C](https://w3.org)"
    )


def test_without_an_address_the_description_shows_no_broken_link() -> None:
    readme = (
        "| | |\n|---|---|\n| ![A](a.jpg) | ![B](b.jpg) |\n\n"
        "| page | content |\n|---|---|\n| [api](docs/api.md) | the API |\n"
    )
    assert description(readme, "1.2.0", None) == (
        "\n| page | content |\n|---|---|\n| api | the API |\n"
    )


def test_every_link_of_the_readme_becomes_absolute() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert relative_links(readme)
    assert not relative_links(description(readme, "1.0", "https://example.com/o/r"))
    assert not relative_links(description(readme, "1.0", None))


def test_git_never_changes_line_ends_of_model_files() -> None:
    """Their digests would no longer fit."""
    lines = (ROOT / ".gitattributes").read_text(encoding="utf-8").splitlines()
    binary = {line.split()[0].removeprefix("*") for line in lines if line.endswith(" binary")}
    for folder in ("unmask_sdk/artifacts", "training/weights", "training/data", "calibration"):
        kinds = {file.suffix for file in (ROOT / folder).rglob("*") if file.is_file()}
        assert kinds - {".json", ".py", ".pyc"} <= binary
