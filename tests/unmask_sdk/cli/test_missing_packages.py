"""Commands that need an extra, where only the core and `cpu` are installed."""

from __future__ import annotations

import subprocess
import sys

import pytest

from unmask_sdk.core.optional_deps import install_command

# Each test starts processes.
pytestmark = pytest.mark.slow

# Makes packages unimportable, as if they were not installed.
WITHOUT = """
import sys
from importlib.abc import MetaPathFinder

class Absent(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {names}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Absent())
from unmask_sdk.cli import main
main()
"""


def unmask(names: set[str], *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", WITHOUT.format(names=names), *arguments],
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.mark.parametrize(
    ("arguments", "extra"),
    [
        (("cost",), "train"),
        (("synth", ".", "-o", "out"), "train"),
        (("train", "c.yaml", "--faces", ".", "--run", "r"), "train"),
        (("evaluate", "."), "train"),
        (("train-locator", "c.yaml"), "train"),
        (("evaluate-locator", "--faces", ".", "--landmarks", "l.npz"), "train"),
        (("export", "onnx"), "export"),
        (("calibrate", ".", "-o", "set.npz"), "export,train"),
        (("release", "."), "dev"),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else value,
)
def test_the_extra_is_named(arguments: tuple[str, ...], extra: str) -> None:
    done = unmask({"torch", "safetensors"}, *arguments)
    assert done.returncode == 1
    assert done.stderr.startswith("unmask: error: ")
    assert "torch and safetensors, which are not installed" in done.stderr
    assert install_command(extra) in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_report_needs_matplotlib_before_any_work() -> None:
    done = unmask({"matplotlib"}, "evaluate", "nowhere", "--report", "r")
    assert done.returncode == 1
    assert "--report needs matplotlib, which is not installed" in done.stderr


@pytest.mark.parametrize(
    ("command", "package"), [("parity", "skimage"), ("bench", "pytest_benchmark")]
)
def test_benchmarks_name_their_extra(command: str, package: str) -> None:
    done = unmask({package}, command)
    assert done.returncode == 1
    assert f"unmask {command} needs {package}, which is not installed" in done.stderr
    assert install_command("bench") in done.stderr


def test_synth_needs_no_more_than_it_imports() -> None:
    others = {"onnx", "onnxruntime", "onnxscript", "skimage", "yaml", "matplotlib", "h5py"}
    done = unmask(others, "synth", "nowhere", "-o", "out")
    assert "nowhere is not a folder" in done.stderr


def test_video_needs_pyav_before_any_work() -> None:
    done = unmask({"av"}, "video", "nowhere.mp4", "-o", "out.mp4")
    assert done.returncode == 1
    assert "unmask video needs av, which is not installed" in done.stderr
    assert install_command("video") in done.stderr
