"""The tables of the documentation are complete: every command, runtime and format."""

from __future__ import annotations

from pathlib import Path

import pytest

from unmask_sdk.cli.commands import COMMANDS
from unmask_sdk.runtimes.registry import ENTRIES

DOCS = Path(__file__).parents[2] / "docs"


@pytest.mark.parametrize("name", COMMANDS)
def test_commands_page_lists_every_command(name: str) -> None:
    page = (DOCS / "commands.md").read_text(encoding="utf-8")
    assert f"| `unmask {name} " in page or f"| `unmask {name}`" in page


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
def test_formats_page_lists_every_runtime_and_precision(entry) -> None:
    page = (DOCS / "formats.md").read_text(encoding="utf-8")
    (row,) = [line for line in page.splitlines() if line.startswith(f"| `{entry.name}`")]
    precisions = row.rstrip("| ").rpartition("| ")[2].split(", ")
    assert sorted(precisions) == sorted(entry.precisions)
