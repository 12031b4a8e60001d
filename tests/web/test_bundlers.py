"""The packed package in fresh projects: Vite, webpack and Next build it, and the pages unmask."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from npm_packages import run_npm
from unmask_page import ISOLATION, LEAST_PSNR, PHOTO, use_page
from web_server import WebServer

pytestmark = [pytest.mark.browser, pytest.mark.slow]

TEMPLATES = Path(__file__).parent / "bundlers"
# By the folder that each builds.
BUNDLERS = {"vite": "dist", "webpack": "dist", "next": "out"}


def install(bundler, packed, folder):
    """Returns a copy of a template into which the package was installed."""
    project = folder / "project"
    shutil.copytree(TEMPLATES / bundler, project)
    options = ("--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline")
    run_npm("install", *options, str(packed), folder=project)
    return project


@pytest.mark.parametrize(("bundler", "output"), BUNDLERS.items())
def test_production_build(bundler, output, packed, tmp_path, chromium, expected, photo_folder):
    project = install(bundler, packed, tmp_path)
    run_npm("run", "build", folder=project)
    for headers, threads in (({}, 1), (ISOLATION, 2)):
        with (
            WebServer({"/": project / output, "/photo/": photo_folder}, headers) as server,
            chromium.new_page() as page,
        ):
            problems = []
            page.on("pageerror", lambda error, problems=problems: problems.append(str(error)))
            page.goto(f"{server.address}/")
            text, image = use_page(page, server)
        assert not problems
        assert text == f"1 faces, {threads} threads"
        assert expected.psnr(image) >= LEAST_PSNR


def test_development_server_of_vite(packed, tmp_path, chromium, expected, photo_folder):
    project = install("vite", packed, tmp_path)
    vite = ["node", "node_modules/vite/bin/vite.js", "--host", "127.0.0.1", "--port", "0"]
    # Where CI is set, Vite colors even a piped address.
    plain = {**os.environ, "NO_COLOR": "1"}
    with (
        subprocess.Popen(
            vite, cwd=project, stdout=subprocess.PIPE, text=True, env=plain
        ) as process,
        chromium.new_page() as page,
    ):
        try:
            address = next(filter(None, map(re.compile(r"http://\S+/").search, process.stdout)))[0]
            page.goto(address)
            page.wait_for_selector("input:enabled")
            page.set_input_files("input", photo_folder / PHOTO)
            page.wait_for_selector("output:not(:empty)")
            # The template's settings isolate the page.
            assert page.inner_text("output") == "1 faces, 2 threads"
        finally:
            process.kill()
