"""The npm package: its types, and what it contains."""

from __future__ import annotations

import json

import pytest

import npm_packages

pytestmark = pytest.mark.browser


def test_types(npm):
    npm_packages.run_npm("run", "check")


def test_packed_files(npm):
    report = npm_packages.run_npm("pack", "--dry-run", "--json", "--ignore-scripts")
    (packed,) = json.loads(report)
    files = {file["path"] for file in packed["files"]}
    folders = {name.split("/")[0] for name in files if "/" in name}
    assert folders <= {"src", "types", "models"}
    assert {"package.json", "src/index.js", "src/worker_wasm.js", "models/manifest.json"} <= files
    assert "models/LICENSE-WEIGHTS.md" in files
    assert packed["name"] == "@unmask-sdk/web"
