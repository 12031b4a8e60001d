"""Missing packages are found without importing anything."""

from __future__ import annotations

import json
import shlex
import sys
import sysconfig
from pathlib import Path

import pytest

from unmask_sdk.core.optional_deps import (
    install_command,
    missing_packages,
    pip_command,
    require_packages,
)
from unmask_sdk.errors import MissingDependencyError


def test_missing_packages_are_in_order() -> None:
    names = ("no_such", "json", "nope.sub", "json.nope", "json.tool")
    assert missing_packages(names) == ["no_such", "nope.sub", "json.nope"]


def test_nothing_is_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "loud_engine.py").write_text("raise SystemExit('imported')")
    monkeypatch.syspath_prepend(tmp_path)
    assert missing_packages(["loud_engine"]) == []
    assert "loud_engine" not in sys.modules


def test_error_has_the_command_that_fixes_it() -> None:
    require_packages("unmask fly", "json", extra="wings")
    with pytest.raises(MissingDependencyError, match=r"unmask fly needs a1 and b2.*\[wings\]'"):
        require_packages("unmask fly", "a1", "json", "b2", extra="wings")
    with pytest.raises(MissingDependencyError, match=r"unmask fly needs a1, b2 and c3.*\[wings\]'"):
        require_packages("unmask fly", "a1", "json", "b2", "c3", extra="wings")


@pytest.mark.parametrize(
    ("origin", "command"),
    [
        (None, "pip install 'unmask-sdk[cpu]'"),
        ({"url": "file:///a/b%20c", "dir_info": {}}, "pip install '/a/b c[cpu]'"),
        ({"url": "file:///a", "dir_info": {"editable": True}}, "pip install -e '/a[cpu]'"),
        (
            {"url": "file:///a/u.whl", "archive_info": {}},
            "pip install 'unmask-sdk[cpu] @ file:///a/u.whl'",
        ),
        (
            {"url": "https://h/u", "vcs_info": {"vcs": "git", "commit_id": "12ab"}},
            "pip install 'unmask-sdk[cpu] @ git+https://h/u@12ab'",
        ),
    ],
)
def test_install_command_uses_the_origin_of_the_package(
    origin: dict[str, object] | None, command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    info = tmp_path / "unmask_sdk-0.1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: unmask-sdk\nVersion: 0.1\n")
    if origin is not None:
        (info / "direct_url.json").write_text(json.dumps(origin))
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PATH", sysconfig.get_path("scripts"))
    assert install_command("cpu") == command
    # The environment is not activated: a shell's pip would change another one.
    monkeypatch.setenv("PATH", str(tmp_path))
    assert install_command("cpu") == f"{shlex.quote(sys.executable)} -m {command}"


def test_install_command_in_a_clone_that_was_built(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clone, site = tmp_path / "clone", tmp_path / "site"
    built, installed = clone / "unmask_sdk.egg-info", site / "unmask_sdk-0.1.dist-info"
    metadata = "Metadata-Version: 2.1\nName: unmask-sdk\nVersion: 0.1\n"
    for folder, name in ((built, "PKG-INFO"), (installed, "METADATA")):
        folder.mkdir(parents=True)
        (folder / name).write_text(metadata)
    (built / "SOURCES.txt").write_text("setup.py\n")
    (installed / "direct_url.json").write_text(json.dumps({"url": "file:///a", "dir_info": {}}))
    monkeypatch.syspath_prepend(site)
    monkeypatch.syspath_prepend(clone)
    monkeypatch.setenv("PATH", sysconfig.get_path("scripts"))
    assert install_command("cpu") == "pip install '/a[cpu]'"


def test_an_app_of_a_bundler_is_built_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    assert pip_command("install av") == "pip install av where this app is built, and build it again"
