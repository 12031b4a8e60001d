"""The table of requirements agrees with the extras in pyproject.toml."""

from __future__ import annotations

import re
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement as Package

from unmask_sdk.core.requirements import COMMANDS, EXPORTERS, HEIC, RUNTIMES, Requirement
from unmask_sdk.errors import MissingDependencyError
from unmask_sdk.runtimes.registry import ENTRIES

if sys.version_info >= (3, 11):
    import tomllib
else:
    tomllib = pytest.importorskip("tomli")

PYPROJECT: dict[str, Any] = tomllib.loads(
    (Path(__file__).parents[3] / "pyproject.toml").read_text(encoding="utf-8")
)
EXTRAS: dict[str, list[str]] = PYPROJECT["project"]["optional-dependencies"]
# Distribution to modules, where the names differ.
MODULES: dict[str, str | list[str]] = PYPROJECT["tool"]["deptry"]["package_module_name_map"]
ALL = {**COMMANDS, **{f"runtime {k}": v for k, v in RUNTIMES.items()}}
ALL["HEIC"] = HEIC
ALL |= {f"export {k}": v for k, v in EXPORTERS.items()}


def modules_of(extra: str) -> set[str]:
    """Top-level modules that an extra installs, as far as pyproject.toml lists them."""
    found: set[str] = set()
    for line in EXTRAS[extra]:
        name, inner = re.fullmatch(r"([\w-]+)(?:\[([\w,-]+)\])?.*", line).groups()  # type: ignore[union-attr]
        if name == PYPROJECT["project"]["name"]:
            found = found.union(*map(modules_of, inner.split(",")))
        else:
            modules = MODULES.get(name, name.replace("-", "_"))
            found |= {modules} if isinstance(modules, str) else set(modules)
    return found


@pytest.mark.parametrize("requirement", ALL.values(), ids=ALL)
def test_extra_installs_every_module(requirement: Requirement) -> None:
    installed = set().union(*map(modules_of, requirement.extra.split(",")))
    for module in requirement.modules:
        names = {name.partition(".")[0] for name in module.split("|")}
        assert names & installed, f"[{requirement.extra}] does not install {module}"


def test_every_runtime_is_in_the_table() -> None:
    assert [entry.name for entry in ENTRIES] == list(RUNTIMES)


def test_missing_module_is_named_with_what_needs_it() -> None:
    with pytest.raises(MissingDependencyError, match=r"^unmask fly needs no_such.*\[wings\]"):
        Requirement(("json", "no_such"), "wings").check("unmask fly")


def test_the_extra_installs_no_version_that_is_refused() -> None:
    for requirement in ALL.values():
        for package, major in requirement.below:
            (line,) = (line for line in EXTRAS[requirement.extra] if Package(line).name == package)
            limits = Package(line).specifier
            assert not limits.contains(f"{major}.0.0")
            assert limits.contains(f"{major - 1}.99")


def test_version_that_is_too_new_is_refused_with_the_command_that_replaces_it() -> None:
    installed = version("packaging")
    major = int(installed.partition(".")[0])
    Requirement(("packaging",), "wings", below=(("packaging", major + 1),)).check("unmask fly")
    with pytest.raises(
        MissingDependencyError,
        match=rf"^unmask fly needs packaging below {major}, and {installed} is .* pip .*\[wings\]",
    ):
        Requirement(("packaging",), "wings", below=(("packaging", major),)).check("unmask fly")


JETSON = {"platform_system": "Linux", "platform_machine": "aarch64"}
JETPACK_6 = {**JETSON, "python_version": "3.10", "platform_release": "5.15.148-tegra"}
JETPACK_7 = {**JETSON, "python_version": "3.12", "platform_release": "6.8.12-tegra"}
ARM_SERVER = {**JETPACK_7, "platform_release": "6.11.0-1014-nvidia"}
X86 = {"platform_system": "Linux", "platform_machine": "x86_64", "platform_release": "6.1.0-13"}


@pytest.mark.parametrize(
    ("extra", "device", "wanted"),
    [
        ("cuda", {**X86, "python_version": "3.10"}, ["onnxruntime-gpu>=1.17"]),
        ("cuda", ARM_SERVER, ["onnxruntime-gpu>=1.29"]),
        ("cuda", {**ARM_SERVER, "python_version": "3.10"}, []),
        ("cuda", JETPACK_6, []),
        ("cuda", JETPACK_7, []),
        (
            "cuda",
            {"platform_system": "Windows", "platform_machine": "AMD64"},
            ["onnxruntime-gpu>=1.17"],
        ),
        ("cuda", {"platform_system": "Darwin", "platform_machine": "arm64"}, []),
        ("trt", JETPACK_6, ["cuda-python>=12.6.1"]),
        ("trt", ARM_SERVER, ["tensorrt>=10", "cuda-python>=12.6.1"]),
    ],
)
def test_extra_has_what_there_are_wheels_for(
    extra: str, device: dict[str, str], wanted: list[str]
) -> None:
    """PyPI has no wheel with kernels for a Jetson, and none for aarch64 with Python 3.10."""
    packages = [Package(line) for line in EXTRAS[extra]]
    there = [p for p in packages if p.marker is None or p.marker.evaluate(device)]
    assert [f"{p.name}{p.specifier}" for p in there] == wanted
