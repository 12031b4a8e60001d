"""The files of the page: which they are, and the folder for other hosts."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
from pathlib import Path

import pytest

from unmask_sdk.core.manifest import read_manifest
from unmask_sdk.errors import ArtifactError, InvalidInputError, MissingDependencyError
from unmask_sdk.web import models
from unmask_sdk.web.site import SiteFile, build_site, collect_site, describe_sizes, find_runtime
from web_site import COMMAND, empty_runtime

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def runtime(tmp_path_factory):
    return empty_runtime(tmp_path_factory.mktemp("npm") / "node_modules/onnxruntime-web")


@pytest.fixture(scope="module")
def site(runtime):
    return collect_site(runtime)


def files_of(folder):
    return {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}


def test_the_list_has_every_file_with_its_digest(site):
    text = site["files.js"].read().decode()
    listed = json.loads(re.fullmatch(r"self\.FILES = (.*);\n", text, re.DOTALL)[1])
    assert set(listed) == set(site) - {"files.js"}
    for path, (digest, size) in listed.items():
        content = site[path].read()
        assert (digest, size) == (hashlib.sha256(content).hexdigest(), len(content))


def test_it_has_page_package_models_and_licenses(site):
    sources = {f"src/{path}" for path in files_of(ROOT / "web/src")}
    assert files_of(ROOT / "web/demo") | sources <= set(site)
    assert site["LICENSE.txt"].read() == (ROOT / "LICENSE").read_bytes()
    assert site["models/LICENSE-WEIGHTS.md"].read() == (ROOT / "LICENSE-WEIGHTS.md").read_bytes()
    others = {path for path in site if not path.startswith(("src/", "models/", "onnxruntime/"))}
    assert others == files_of(ROOT / "web/demo") | {"LICENSE.txt", "files.js"}


def test_the_example_is_that_of_the_repository():
    example = (ROOT / "examples/surgical.jpg").read_bytes()
    assert (ROOT / "web/demo/example.jpg").read_bytes() == example


def test_the_models_are_those_of_the_npm_package(site, tmp_path):
    folder = tmp_path / "models"
    models.write_models(folder)
    assert {path for path in site if path.startswith("models/")} == {
        f"models/{path}" for path in files_of(folder)
    }
    for name in files_of(folder):
        assert site[f"models/{name}"].read() == (folder / name).read_bytes()


def test_no_style_or_script_is_inline():
    page = (ROOT / "web/demo/index.html").read_text(encoding="utf-8")
    assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?![^>]*\ssrc=)|javascript:", page)
    assert "://" not in page


def test_building_writes_every_file(site, tmp_path):
    target = tmp_path / "new/site"
    build_site(site, target)
    assert files_of(target) == set(site)
    assert all((target / path).read_bytes() == file.read() for path, file in site.items())
    assert os.listdir(target.parent) == ["site"]


def test_building_again_replaces_an_earlier_site(site, tmp_path):
    target = tmp_path / "site"
    build_site(site, target)
    smaller = {path: file for path, file in site.items() if path != "icon.svg"}
    build_site(smaller, target)
    assert files_of(target) == set(smaller)
    assert os.listdir(tmp_path) == ["site"]


def test_an_empty_folder_is_filled(site, tmp_path):
    build_site(site, tmp_path)
    assert files_of(tmp_path) == set(site)


@pytest.mark.parametrize("with_site", [False, True])
def test_a_folder_with_other_files_is_refused(site, tmp_path, with_site):
    if with_site:
        build_site(site, tmp_path)
    (tmp_path / "thesis.txt").write_text("mine", encoding="utf-8")
    before = files_of(tmp_path)
    with pytest.raises(InvalidInputError, match=r"holds other files, .* \(thesis\.txt\); choose"):
        build_site(site, tmp_path)
    assert files_of(tmp_path) == before


def test_a_file_in_its_place_is_refused(site, tmp_path):
    (tmp_path / "site").write_text("mine", encoding="utf-8")
    with pytest.raises(InvalidInputError, match="is a file, not a folder"):
        build_site(site, tmp_path / "site")
    assert (tmp_path / "site").read_text(encoding="utf-8") == "mine"


def test_a_build_that_fails_leaves_the_earlier_site(site, tmp_path):
    target = tmp_path / "site"
    build_site(site, target)
    broken = {**site, "zzz.js": SiteFile(tmp_path / "absent", "0" * 64, 1)}
    with pytest.raises(InvalidInputError, match="choose another folder"):
        build_site(broken, target)
    assert files_of(target) == set(site)
    assert os.listdir(tmp_path) == ["site"]


def test_the_command_says_sizes(runtime, site, tmp_path):
    done = subprocess.run(
        [*COMMAND, "--build", str(tmp_path / "site"), "--onnxruntime-web", str(runtime)],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[1:] == describe_sizes(site)
    assert lines[1] == f"{len(site)} files, {sum(f.size for f in site.values()) / 1e6:.1f} MB"
    for name in ("unmask-256-lite", "unmask-256"):
        (line,) = [line for line in lines if f"with {name}," in line]
        assert re.match(r"a visitor downloads \d+\.\d MB with .* \d+\.\d MB from a host", line)


def test_the_engine_is_found_upwards(runtime, tmp_path, monkeypatch):
    folder = runtime.parents[1] / "a/b"
    folder.mkdir(parents=True)
    monkeypatch.chdir(folder)
    assert find_runtime(None) == runtime
    monkeypatch.chdir(tmp_path)
    with pytest.raises(MissingDependencyError, match=r"npm install onnxruntime-web@\d+\.\d+\.\d+"):
        find_runtime(None)


def test_a_folder_that_is_not_the_engine_is_named(tmp_path):
    with pytest.raises(MissingDependencyError, match=r"has no file dist/ort\.wasm\.min\.mjs"):
        find_runtime(tmp_path)


def test_a_model_file_that_was_changed_is_refused(runtime, tmp_path, monkeypatch):
    changed = tmp_path / "artifacts"
    changed.mkdir()
    for file in read_manifest().folder.iterdir():
        if file.is_file():
            os.link(file, changed / file.name)
    victim = changed / "detector-fp32.onnx"
    content = bytearray(victim.read_bytes())
    content[1000] ^= 1
    victim.unlink()
    victim.write_bytes(content)
    manifest = read_manifest(changed)
    monkeypatch.setattr(models, "read_manifest", lambda: manifest)
    with pytest.raises(ArtifactError, match=r"detector-fp32\.onnx was changed or damaged"):
        collect_site(runtime)
