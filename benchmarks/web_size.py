"""What a visitor of the web page downloads: the table in `docs/web.md`.

`python -m unmask_sdk.benchmarks.document docs` writes it. It needs Node.js, whose brotli is the one
that hosts use, and the npm package onnxruntime-web (`npm ci` in the folder `web`).
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

from unmask_sdk.core.manifest import MANIFEST_NAME
from unmask_sdk.core.scratch_folder import scratch_folder
from unmask_sdk.errors import DataError, MissingDependencyError
from unmask_sdk.web.models import model_files
from unmask_sdk.web.site import Site, collect_site, find_runtime

MODELS = ("unmask-256-lite", "unmask-256")
# What a build has of onnxruntime-web, for the backends `wasm` and `webgpu`.
_RUNTIME = ("ort-wasm-simd-threaded.wasm", "ort-wasm-simd-threaded.asyncify.wasm")
_LOCATOR = tuple(
    f"models/{name}"
    for net in ("detector", "aligner")
    for name in (f"{net}-fp32.onnx", f"{net}.safetensors")
)
_BROTLI = """
const { brotliCompressSync, constants } = require("node:zlib");
const { readFileSync } = require("node:fs");
const params = { [constants.BROTLI_PARAM_QUALITY]: 11 };
for (const file of process.argv.slice(1))
  console.log(brotliCompressSync(readFileSync(file), { params }).length);
"""


def web_table(root: Path) -> str:
    """Returns the Markdown table. Measuring takes a minute.

    The row of ONNX Runtime Web is kept from the page if the version is still the same.

    Args:
        root: The clone, whose folder `web` has the npm package.

    Raises:
        MissingDependencyError: If Node.js or onnxruntime-web is missing.
        DataError: If Node.js fails.
    """
    runtime = _runtime(root)
    site = collect_site(find_runtime(runtime))
    version = _version(runtime)
    groups = {f"ONNX Runtime Web {version}, `wasm`": _paths(site, "onnxruntime/")}
    groups["face locator (detector and aligner), fp32"] = [*_LOCATOR]
    models = {f"`{name}`, int8": [f"models/{name}-int8.onnx"] for name in MODELS}
    known = [path for paths in (*groups.values(), *models.values()) for path in paths]
    rest = [path for path in site if not path.startswith("models/") and path not in known]
    groups["page, code, example photo"] = [*rest, f"models/{MANIFEST_NAME}"]
    page = (root / "docs" / "web.md").read_text(encoding="utf-8")
    sizes = {
        title: (title.startswith("ONNX") and _row(page, title)) or _sizes(site, paths)
        for title, paths in (groups | models).items()
    }
    rows = [(title, *sizes[title]) for title in (*groups, *models)]
    for name in MODELS:
        parts = [sizes[title] for title in (*groups, f"`{name}`, int8")]
        rows.append((f"**all, with `{name}`**", sum(p[0] for p in parts), sum(p[1] for p in parts)))
    lines = ["| | MB | brotli, MB |", "| --- | --- | --- |"]
    for title, size, packed in rows:
        strong = "**" if title.startswith("**") else ""
        cells = (f"{strong}{value / 1e6:.2f}{strong}" for value in (size, packed))
        lines.append(f"| {title} | {' | '.join(cells)} |")
    return "\n".join(lines)


def build_size(root: Path) -> int:
    """Returns the bytes that a bundler's build has of the package: all models, both backends.

    Raises:
        MissingDependencyError: If Node.js or onnxruntime-web is missing.
    """
    runtime = _runtime(root)
    code = sum(file.stat().st_size for file in (root / "web" / "src").rglob("*.js"))
    models = sum(map(len, model_files().values()))
    return code + models + sum((runtime / "dist" / name).stat().st_size for name in _RUNTIME)


def _runtime(root: Path) -> Path:
    runtime = root / "web" / "node_modules" / "onnxruntime-web"
    if not runtime.is_dir() or shutil.which("node") is None:
        raise MissingDependencyError(
            "the sizes in docs/web.md need Node.js and onnxruntime-web; install them with: "
            f"cd {root / 'web'} && npm ci --ignore-scripts"
        )
    return runtime


def _paths(site: Site, prefix: str) -> list[str]:
    return [path for path in site if path.startswith(prefix)]


def _row(page: str, title: str) -> tuple[float, float] | None:
    """Returns the bytes in a row of the table as it is; None if there is none."""
    match = re.search(rf"^\| {re.escape(title)} \| ([\d.]+) \| ([\d.]+) \|$", page, re.MULTILINE)
    return (1e6 * float(match[1]), 1e6 * float(match[2])) if match else None


def _sizes(site: Site, paths: list[str]) -> tuple[float, float]:
    """Returns the bytes of files as they are, and compressed one by one."""
    with scratch_folder("unmask-web-") as scratch:
        files = []
        for number, path in enumerate(paths):
            file = scratch / str(number)
            file.write_bytes(site[path].read())
            files.append(str(file))
        command = ["node", "-e", _BROTLI, *files]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise DataError(f"node failed:\n{done.stderr[-2000:]}")
    return sum(site[path].size for path in paths), sum(map(int, done.stdout.split()))


def _version(runtime: Path) -> str:
    version: str = json.loads((runtime / "package.json").read_text(encoding="utf-8"))["version"]
    return version
