"""Links and paths in the documentation lead to files that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = ("", "docs", "docs/reference", "training", ".github")
PAGES = sorted(page for folder in FOLDERS for page in (ROOT / folder).glob("*.md"))
# The target of [text](target) and ![text](target), without its anchor.
LINK = re.compile(r"\]\(([^)\s#]+)[^)\s]*\)")
# A path in a code span: it has a folder, and ends in a suffix or a slash.
PATH = re.compile(r"`([\w.-]+(?:/[\w.-]+)*/(?:[\w-]+\.\w+)?)`")
TOP = {"runtimes", "calibration", "export", "training", "benchmarks", "unmask_sdk", "tests", "docs"}


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_relative_links_exist(page: Path) -> None:
    targets = [t for t in LINK.findall(page.read_text(encoding="utf-8")) if "://" not in t]
    assert [target for target in targets if not (page.parent / target).exists()] == []


# A history names files as they were.
@pytest.mark.parametrize("page", [p for p in PAGES if p.name != "LOG.md"], ids=name_of)
def test_paths_in_code_spans_exist(page: Path) -> None:
    paths = {p for p in PATH.findall(page.read_text(encoding="utf-8")) if p.split("/")[0] in TOP}
    assert sorted(path for path in paths if not exists(path)) == []


def exists(path: str) -> bool:
    """Whether a path names a file of the repository, by its place there or by its import path."""
    path = path.replace("FORMAT", "onnx")
    return (ROOT / path).exists() or (ROOT / path.removeprefix("unmask_sdk/")).exists()
