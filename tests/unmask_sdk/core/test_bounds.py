"""The bounds in pyproject.toml are those that were measured, and every Python is resolved in CI."""

from __future__ import annotations

import re
import sys
from itertools import chain
from pathlib import Path
from typing import Any

import pytest

if sys.version_info >= (3, 11):
    import tomllib
else:
    tomllib = pytest.importorskip("tomli")

ROOT = Path(__file__).parents[3]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))[
    "project"
]
# Below these, `unmask video` and every command crash.
WORKING = {"av": (16, 0), "typer": (0, 15, 4)}


def bound(line: str) -> tuple[str, tuple[int, ...]] | None:
    match = re.match(r"([\w-]+)(?:\[[^]]*\])?>=([\d.]+)", line)
    return None if match is None else (match[1], tuple(map(int, match[2].split("."))))


def test_bounds_are_those_that_work() -> None:
    extras = PROJECT["optional-dependencies"].values()
    lines = chain(PROJECT["dependencies"], *extras)
    bounds = dict(filter(None, map(bound, lines)))
    for name, lowest in WORKING.items():
        assert bounds[name] >= lowest


def test_pins_without_wheels_for_the_newest_python_do_not_reach_it() -> None:
    pins = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    for name in ("pydantic", "pydantic_core", "typing_extensions"):
        (pin,) = (line for line in pins if line.startswith(f"{name}=="))
        assert pin.endswith('; python_version < "3.14"')


def test_ci_runs_both_ends_of_every_bound() -> None:
    workflow = (ROOT / ".github" / "workflows" / "checks.yml").read_text(encoding="utf-8")
    assert "nox -s resolve lowest" in workflow
    sessions = (ROOT / "noxfile.py").read_text(encoding="utf-8")
    for minor in range(10, 15):
        assert f'"3.{minor}"' in sessions
        assert f'"3.{minor}"' in workflow
    assert '"lowest-direct"' in sessions
