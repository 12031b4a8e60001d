"""The npm package: its types, and what it contains."""

from __future__ import annotations

import tarfile

import pytest

import npm_packages

pytestmark = pytest.mark.browser

FOLDERS = {"models", "src", "types"}
FILES = {
    "LICENSE",
    "package.json",
    "models/LICENSE-WEIGHTS.md",
    "models/manifest.json",
    "src/index.js",
    "src/worker_wasm.js",
    "types/index.d.ts",
}


def test_types(npm):
    npm_packages.run_npm("run", "check")


def test_packed_files(packed):
    with tarfile.open(packed) as archive:
        names = {name.removeprefix("package/") for name in archive.getnames()}
    assert names >= FILES
    assert {name.split("/")[0] for name in names if "/" in name} == FOLDERS
