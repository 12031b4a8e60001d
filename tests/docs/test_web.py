"""The options and the version in docs/web.md are those of the package."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "web.md").read_text(encoding="utf-8")


def test_the_table_has_every_option() -> None:
    source = (ROOT / "web/src/index.js").read_text(encoding="utf-8")
    options = re.findall(r"@property \{.*\} \[(\w+)\]", source)
    assert re.findall(r"^\| `(\w+)` \| ", PAGE, re.MULTILINE) == options


def test_the_command_installs_the_tested_version() -> None:
    package = (ROOT / "web/package.json").read_text(encoding="utf-8")
    version = re.search(r'"onnxruntime-web": "(\d[\d.]+)"', package)
    assert version is not None
    assert f"npm install onnxruntime-web@{version[1]}" in PAGE
