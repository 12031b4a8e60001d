"""The code in docs/web.md is that of the projects and the page that other tests build and open."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

import pytest

HERE = Path(__file__).parent
PAGE = (HERE.parents[1] / "docs/web.md").read_text(encoding="utf-8")
SNIPPETS = re.findall(r"^```(?:js|jsx|html)\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("snippet", SNIPPETS)
def test_snippets_are_run_in_tests(snippet):
    files = [*HERE.glob("bundlers/**/*.*s*"), *HERE.glob("plain/*.html")]
    indented = {textwrap.indent(snippet, prefix) for prefix in ("", "  ")}
    texts = [file.read_text(encoding="utf-8") for file in files if file.is_file()]
    assert any(code in text for code in indented for text in texts)
