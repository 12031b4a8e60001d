"""The packed package in fresh projects: Vite, webpack and Next build it, and the pages unmask."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from npm_packages import run_npm
from unmask_page import ISOLATION, LEAST_PSNR, use_page
from web_server import WebServer

pytestmark = [pytest.mark.browser, pytest.mark.slow]

TEMPLATES = Path(__file__).parent / "bundlers"
# By the folder that each builds.
BUNDLERS = {"vite": "dist", "webpack": "dist", "next": "out"}


@pytest.mark.parametrize(("bundler", "output"), BUNDLERS.items())
def test_photo(bundler, output, packed, tmp_path, chromium, expected, photo_folder):
    project = tmp_path / "project"
    shutil.copytree(TEMPLATES / bundler, project)
    install = ("install", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline")
    run_npm(*install, str(packed), folder=project)
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
