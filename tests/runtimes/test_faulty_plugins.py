"""What a faulty runtime of another package raises: always an `UnmaskError`, with its cause."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from unmask_sdk import load
from unmask_sdk.core.sample_images import draw_masked_faces
from unmask_sdk.errors import RuntimeUnavailableError
from unmask_sdk.golden_vectors import iter_checks
from unmask_sdk.loading.load import open_runtime
from unmask_sdk.runtimes.registry import GROUP, find_runtime

ROOT = Path(__file__).parents[2]
PHOTO = ROOT / "examples" / "surgical.jpg"
# One ONNX file, which all faulty runtimes open.
FILE = "unmask-256-lite-fp32.onnx"

CODE = """
from unmask_sdk.runtimes.base import Runtime, RuntimeInfo
from unmask_sdk.runtimes.registry import RuntimeEntry


def entry(name, class_name):
    return RuntimeEntry(name, name.title(), "faulty_runtimes", class_name, (), ("onnx",), ("fp32",),
        ("cpu",), ("linux", "darwin", "win32"), "pip install faulty")


class Base(Runtime[str]):
    def _open(self, path, device, threads):
        return "handle", RuntimeInfo("faulty", "Faulty 1.0", "cpu", "fp32", None)

    def _run(self, handle, inputs):
        return [inputs[0].copy(), inputs[0][..., :1] * 0]

class OpenRaises(Base):
    def _open(self, path, device, threads):
        raise ValueError("no such\\n chip")

class OpensNothing(Base):
    def _open(self, path, device, threads):
        return None, None

class OwnInit(Base):
    def __init__(self, path, artifact):
        pass

class Abstract(Runtime[str]):
    pass

class NoRuntime:
    pass

class RunRaises(Base):
    def _run(self, handle, inputs):
        raise ZeroDivisionError("by zero")

class TooFew(Base):
    def _run(self, handle, inputs):
        return [inputs[0]]

class NoArrays(Base):
    def _run(self, handle, inputs):
        return ["a", None]

class WrongShape(Base):
    def _run(self, handle, inputs):
        return [inputs[0].astype("float32"), inputs[0]]

open_raises = entry("open_raises", "OpenRaises")
opens_nothing = entry("opens_nothing", "OpensNothing")
own_init = entry("own_init", "OwnInit")
abstract = entry("abstract", "Abstract")
no_runtime = entry("no_runtime", "NoRuntime")
no_class = entry("no_class", "Nobody")
run_raises = entry("run_raises", "RunRaises")
too_few = entry("too_few", "TooFew")
no_arrays = entry("no_arrays", "NoArrays")
wrong_shape = entry("wrong_shape", "WrongShape")
cpu = entry("cpu", "Base")
upper = entry("Upper", "Base")
"""
WRONG_FIELD = """
from unmask_sdk.runtimes.registry import RuntimeEntry

ENTRY = RuntimeEntry("texts", "Texts", "wrong_field", "Any", (), "onnx", ("fp32",), ("cpu",),
    ("linux",), "")
"""
OPENED = ("open_raises", "opens_nothing", "own_init", "abstract", "no_runtime", "no_class")
RUN = ("run_raises", "too_few", "no_arrays", "wrong_shape")


def install(folder: Path, points: dict[str, str]) -> Path:
    """Writes packages as pip installs them: their code, and entry points."""
    (folder / "faulty_runtimes.py").write_text(CODE)
    (folder / "wrong_field.py").write_text(WRONG_FIELD)
    info = folder / "faulty-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: faulty\nVersion: 1.0\n")
    lines = [f"{name} = {value}" for name, value in points.items()]
    (info / "entry_points.txt").write_text("\n".join([f"[{GROUP}]", *lines, ""]))
    return folder


@pytest.fixture
def faulty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    points = {name: f"faulty_runtimes:{name}" for name in (*OPENED, *RUN, "cpu")}
    points |= {
        "a_class": "faulty_runtimes:Base",
        "Upper": "faulty_runtimes:upper",
        "other_name": "faulty_runtimes:run_raises",
        "texts": "wrong_field:ENTRY",
    }
    monkeypatch.syspath_prepend(install(tmp_path, points))


@pytest.mark.usefixtures("faulty")
@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "a_class",
            r"is the class Base, not a RuntimeEntry.*For its author.*a_class = 'faulty_run",
        ),
        ("upper", r"is the RuntimeEntry 'Upper'.*in lower case"),
        ("other_name", r"is the RuntimeEntry 'run_raises'.*have the same name"),
        ("texts", r"does not load \(formats of the RuntimeEntry 'texts' must be a tuple.*'onnx'\)"),
    ],
)
def test_entry_points_that_break_the_contract(name: str, message: str) -> None:
    with pytest.raises(RuntimeUnavailableError, match=message):
        find_runtime(name)


@pytest.mark.usefixtures("faulty")
def test_names_of_this_package_stand_for_its_own_runtimes() -> None:
    assert find_runtime("cpu").name == "onnx"
    notes = [check.note for check in iter_checks(names=[FILE]) if check.runtime == "cpu"]
    assert len(notes) == 1
    assert "has a name of unmask-sdk" in notes[0]


@pytest.mark.usefixtures("faulty")
@pytest.mark.parametrize(
    ("name", "message", "cause"),
    [
        (
            "open_raises",
            r"ValueError: no such chip\); use another .* authors of faulty",
            ValueError,
        ),
        ("opens_nothing", r"Nothing._open returned NoneType and NoneType, not a handle", None),
        ("own_init", r"TypeError: .*device", TypeError),
        ("abstract", r"faulty_runtimes.Abstract .* is not a subclass .* _open and _run", None),
        ("no_runtime", r"faulty_runtimes.NoRuntime .* is not a subclass", None),
        ("no_class", r"no attribute 'Nobody'\); pip install faulty", AttributeError),
    ],
)
def test_exceptions_of_opening(name: str, message: str, cause: type[Exception] | None) -> None:
    with pytest.raises(RuntimeUnavailableError, match=message) as caught:
        open_runtime(runtime=name)
    assert isinstance(caught.value.__cause__, cause or type(None))


@pytest.mark.usefixtures("faulty")
@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "run_raises",
            r"RunRaises fails on unmask-256 with inputs .* \(ZeroDivisionError: by zero",
        ),
        ("too_few", r"TooFew._run returned \[ndarray\] for unmask-256, not 2 NumPy arrays"),
        ("no_arrays", r"NoArrays._run returned \[str, NoneType\]"),
        ("wrong_shape", r"WrongShape returned float32 .* for unmasked: uint8"),
    ],
)
def test_exceptions_of_running(name: str, message: str) -> None:
    images = draw_masked_faces(1, 256, 256)
    with (
        open_runtime(runtime=name) as opened,
        pytest.raises(RuntimeUnavailableError, match=f"{message}.*authors of faulty_runtimes$"),
    ):
        opened.run(images)


@pytest.mark.usefixtures("faulty")
def test_a_runtime_that_fails_on_the_detector_learns_of_roles() -> None:
    with load("run_raises") as model, pytest.raises(RuntimeUnavailableError) as caught:
        model(PHOTO)
    assert isinstance(caught.value.__cause__, ZeroDivisionError)
    assert "fails on detector" in str(caught.value)
    assert "roles=('unmasker',)" in str(caught.value)


def unmask(folder: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    paths = [str(folder), os.environ.get("PYTHONPATH", "")]
    return subprocess.run(
        [sys.executable, "-m", "unmask_sdk", *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))},
        capture_output=True,
        text=True,
        timeout=300,
    )


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    points = {name: f"faulty_runtimes:{name}" for name in ("open_raises", "run_raises")}
    return install(tmp_path, {**points, "a_class": "faulty_runtimes:Base"})


@pytest.mark.parametrize("name", ["open_raises", "run_raises", "a_class"])
def test_commands_give_one_line(name: str, installed: Path, tmp_path: Path) -> None:
    done = unmask(installed, "image", PHOTO, "-o", tmp_path / "out.png", "--runtime", name)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert done.stderr.count("\n") == 1, done.stderr


def test_verify_goes_on_and_sums_up(installed: Path) -> None:
    pytest.importorskip("onnxruntime")
    done = unmask(installed, "verify", FILE)
    assert done.returncode == 1
    assert "ok unmask-256-lite onnx fp32 on onnx" in done.stdout
    assert "WRONG unmask-256-lite onnx fp32 on run_raises: faulty_runtimes.RunR" in done.stdout
    assert "not run on open_raises, 1 file: Open_Raises fails to open" in done.stdout
    assert "not run on a_class: runtime 'a_class'" in done.stdout
    assert " 1 wrong, " in done.stdout
    assert done.stderr.startswith("unmask: error: these fail, or differ from the reference")


@pytest.mark.parametrize("name", ["open_raises", "run_raises"])
def test_verify_of_a_broken_runtime_goes_on_to_its_other_files(name: str, installed: Path) -> None:
    done = unmask(installed, "verify", "--runtime", name)
    assert done.returncode == 1
    assert done.stdout.count(f" on {name}: ") == 4
    assert "0 ok, 4 wrong, 0 not run" in done.stdout
    assert done.stderr.count("\n") == 1, done.stderr


def test_verify_takes_auto(installed: Path) -> None:
    pytest.importorskip("onnxruntime")
    done = unmask(installed, "verify", FILE, "--runtime", "auto")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("ok unmask-256-lite onnx fp32 on ") == 1
    assert "1 ok, 0 wrong, 0 not run" in done.stdout
