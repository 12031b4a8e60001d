"""Documentation, comments and messages are in plain English.

`.ci/vocabulary.txt` lists single words for codespell; these are the phrases that it cannot match.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = ("unmask_sdk", "runtimes", "export", "calibration", "training", "benchmarks", "tests")
# Each with what to write instead.
PHRASES = {
    r"\bif `?(?!there\b)\w+`? is none\b": "is not a …",
    r"\bbe it\b": "whether",
    r"\bspeaks? so\b": "looks usable",
    r"\blet(?:s|ting)? go of\b": "releases",
    r"\bcomes? out\b": "is, returns",
    r"\bsays? so\b": "reports it",
    r"\bat work\b": "running, in use",
    r"\bgoes by\b": "uses",
    r"\bastray\b": "diverges, is wrong",
    r"\bfor ever\b": "forever",
    r"\bround (?:the|each|it|them|its|every|both)\b": "around",
    r"\bshall\b": "must, should",
    r"\bwhoever\b": "the caller who",
    r'"""Gives? ': "Returns",
    r'"""Says ': "Returns whether, describes",
    r'"""Tells ': "Returns whether",
    r"\bcannot be had\b": "is not available",
}
PATTERN = re.compile("|".join(f"({pattern})" for pattern in PHRASES))


def documents() -> list[Path]:
    """All Markdown pages and Python files of the project, but this one."""
    pages = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("training/*.md")]
    code = [file for folder in FOLDERS for file in (ROOT / folder).rglob("*.py")]
    return sorted({*pages, *code, *ROOT.glob("examples/*.py")} - {Path(__file__)})


@pytest.mark.parametrize("folder", ["", "docs", "examples", *FOLDERS])
def test_no_private_phrase(folder: str) -> None:
    found = []
    for file in documents():
        place = file.relative_to(ROOT)
        if (place.parts[0] if len(place.parts) > 1 else "") != folder:
            continue
        text = file.read_text(encoding="utf-8")
        for match in PATTERN.finditer(text):
            advice = list(PHRASES.values())[match.lastindex - 1 if match.lastindex else 0]
            line = text.count("\n", 0, match.start()) + 1
            found.append(f"{place}:{line}: {match[0].strip()!r}, write {advice!r}")
    assert not found, "\n".join(found)
