"""What is not installed is named, and nothing is imported to find out."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from unmask_sdk.errors import MissingDependencyError
from unmask_sdk.packages import missing, require


def test_missing_are_named_in_order() -> None:
    names = ("no_such", "json", "nope.sub", "json.nope", "json.tool")
    assert missing(names) == ["no_such", "nope.sub", "json.nope"]


def test_nothing_is_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "loud_engine.py").write_text("raise SystemExit('imported')")
    monkeypatch.syspath_prepend(tmp_path)
    assert missing(["loud_engine"]) == []
    assert "loud_engine" not in sys.modules


def test_require_says_what_mends_it() -> None:
    require("unmask fly", "json", extra="wings")
    with pytest.raises(MissingDependencyError, match=r"unmask fly needs a1 and b2.*sdk\[wings\]'"):
        require("unmask fly", "a1", "json", "b2", extra="wings")
