"""`import unmask_sdk` is light: it imports no engine, no OpenCV and no converter.

How long it takes: `test_import` in benchmarks/test_speed.py.
"""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

import unmask_sdk

# `.ci/types` checks it with mypy.
PROGRAM = Path(__file__).parents[1] / "typing" / "public_api.py"
HEAVY = ("torch", "onnx", "onnxruntime", "cv2", "PIL", "scipy", "typer", "rich", "ai_edge_litert")


def run(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    return done.stdout


def test_import_loads_no_engine() -> None:
    code = f"import sys, unmask_sdk; print([m for m in {HEAVY} if m in sys.modules])"
    assert run(code).strip() == "[]"


def test_python_started_in_a_clone_finds_all_of_the_package() -> None:
    root = Path(unmask_sdk.__file__).parents[1]
    if not (root / "pyproject.toml").exists():
        pytest.skip("needs a clone")
    # Without site packages, where an editable installation would find it.
    code = "import unmask_sdk.export, unmask_sdk.runtimes.engines as e; print(e.__file__)"
    done = subprocess.run(
        [sys.executable, "-S", "-c", code], capture_output=True, text=True, cwd=root, check=True
    )
    assert Path(done.stdout.strip()) == root / "runtimes" / "engines" / "__init__.py"


def test_opening_with_onnx_does_not_load_torch(tiny_artifacts: object) -> None:
    code = (
        "import sys; from unmask_sdk.loading.load import open_runtime;"
        f"open_runtime(artifacts={str(tiny_artifacts)!r});"
        "print([m for m in ('torch', 'onnx', 'safetensors') if m in sys.modules])"
    )
    assert run(code).strip() == "[]"


def test_onnxruntime_does_not_report_to_its_makers(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    # What it would report it notes in the folder for temporary files first.
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    environment.pop("ORT_DISABLE_TELEMETRY", None)
    code = "import unmask_sdk, os; from unmask_sdk.runtimes import onnx;"
    code += "print(os.environ['ORT_DISABLE_TELEMETRY'])"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment
    )
    assert done.stdout.strip() == "1"
    assert list(tmp_path.iterdir()) == []


def test_public_names_exist() -> None:
    for name in unmask_sdk.__all__:
        assert getattr(unmask_sdk, name) is not None
    assert set(unmask_sdk.__all__) <= set(dir(unmask_sdk))


def test_the_program_for_the_type_checker_has_every_public_name() -> None:
    program = ast.parse(PROGRAM.read_text(encoding="utf-8"))
    names = {
        node.attr
        for node in ast.walk(program)
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id == "unmask_sdk"
    }
    assert names == {*unmask_sdk.__all__, "laod"}


def test_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'unload'"):
        _ = unmask_sdk.unload
