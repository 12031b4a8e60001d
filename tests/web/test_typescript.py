"""A user's program in TypeScript, against the types in the packed package."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from npm_packages import WEB

pytestmark = pytest.mark.browser

PROGRAM = Path(__file__).parent / "typing/public_api.ts"
# As `module` and `moduleResolution`: projects with a bundler, and those without.
MODULES = [("esnext", "bundler"), ("nodenext", "nodenext")]


@pytest.fixture(scope="module")
def project(packed, tmp_path_factory):
    """A project into which the package was installed."""
    folder = tmp_path_factory.mktemp("typescript")
    modules = folder / "node_modules"
    shutil.unpack_archive(packed, modules / "@unmask-sdk")
    (modules / "@unmask-sdk/package").rename(modules / "@unmask-sdk/web")
    for name in ("onnxruntime-web", "onnxruntime-common"):
        (modules / name).symlink_to(WEB / "node_modules" / name)
    (folder / "package.json").write_text('{"type": "module"}')
    shutil.copy(PROGRAM, folder)
    return folder


@pytest.mark.parametrize(("module", "resolution"), MODULES)
def test_public_api(project, module, resolution):
    command = [
        WEB / "node_modules/.bin/tsc", "--strict", "--noEmit", "--target", "es2022",
        "--lib", "es2022,dom", "--module", module, "--moduleResolution", resolution, PROGRAM.name,
    ]  # fmt: skip
    done = subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
