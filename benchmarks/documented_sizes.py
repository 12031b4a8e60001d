"""Sizes that the documents name, each from the files that it is about.

They are in the blocks `sizes`, `install` and `web`; `unmask release` writes the others.
"""

from __future__ import annotations

import re
from pathlib import Path

from unmask_sdk.core.atomic_write import atomic_write
from unmask_sdk.core.manifest import Artifact, read_manifest
from unmask_sdk.export.release import SHIPPED, marked_blocks, replace_blocks, sizes
from unmask_sdk.training.nets.checkpoint import load_unmasker

from .install_size import describe, environments, wheel_size
from .web_size import build_size, web_table

# README names the rounded totals of the table in web.md: all, and with the lite model.
DOWNLOAD = re.compile(
    r"\((\d+\.\d) MB to download with\nbrotli, (\d+\.\d) MB with the lite model\)"
)
# What a bundler puts into a build, in web.md.
BUILD = re.compile(r"The build is (\d+) MB")
# Name and size of a TFLite file, in phone.md.
PHONE = re.compile(r"(?<=^\| )((?:or )?`([\w-]+)` \|) ([\d.]+)(?= \|)", re.MULTILINE)
TOTAL = re.compile(r"^\| \*\*all, with `([\w-]+)`\*\* \|.*\*\*([\d.]+)\*\* \|$", re.MULTILINE)


def write_sizes(root: Path) -> None:
    """Measures the sizes and writes them into the documents of a clone.

    Raises:
        MissingDependencyError: If Node.js or the npm package onnxruntime-web is missing.
        DataError: If a size cannot be measured.
    """
    blocks = {"sizes": model_sizes(root), "install": install_sizes(root)}
    for name in ("README.md", "MODEL_CARD.md"):
        _fill(root / name, blocks)
    phone = root / "docs" / "phone.md"
    atomic_write(phone, phone_sizes(root, phone.read_text(encoding="utf-8")).encode())
    web = root / "docs" / "web.md"
    _fill(web, {"web": web_table(root)})
    _substitute(web, BUILD, f"The build is {build_size(root) / 1e6:.0f} MB")
    _substitute(root / "README.md", DOWNLOAD, download_text(root))


def model_sizes(root: Path) -> str:
    """Returns the table of the unmaskers' parameters, operations and file sizes."""
    folder = root / "unmask_sdk" / "artifacts"
    artifacts = sorted(read_manifest(folder).artifacts, key=_place)
    names = dict.fromkeys(a.name for a in artifacts if a.role == "unmasker")
    graphs = {name: load_unmasker(folder / f"{name}.safetensors") for name in names}
    return sizes(graphs, artifacts)


def install_sizes(root: Path) -> str:
    """Returns the sentence about the package and the environment that it needs."""
    return describe(wheel_size(root), environments(root / "docs"))


def phone_sizes(root: Path, text: str) -> str:
    """Returns docs/phone.md with the sizes of the TFLite files in its table."""
    artifacts = read_manifest(root / "unmask_sdk" / "artifacts").artifacts
    size = {a.file: a.bytes / 1e6 for a in artifacts}
    return PHONE.sub(lambda row: f"{row[1]} {size[f'{row[2]}.tflite']:.1f}", text)


def download_text(root: Path) -> str:
    """Returns what the README says of a visitor's download, from the table in docs/web.md."""
    table = (root / "docs" / "web.md").read_text(encoding="utf-8")
    totals = {name: float(size) for name, size in TOTAL.findall(table)}
    return (
        f"({totals['unmask-256']:.1f} MB to download with\n"
        f"brotli, {totals['unmask-256-lite']:.1f} MB with the lite model)"
    )


def _place(artifact: Artifact) -> tuple[int, str]:
    order = [(format, precision) for format, precision, _ in SHIPPED]
    known = (artifact.format, artifact.precision)
    return order.index(known) if known in order else len(order), artifact.name


def _substitute(file: Path, pattern: re.Pattern[str], text: str) -> None:
    atomic_write(file, pattern.sub(text, file.read_text(encoding="utf-8")).encode())


def _fill(file: Path, blocks: dict[str, str]) -> None:
    text = file.read_text(encoding="utf-8")
    atomic_write(file, replace_blocks(text, {**marked_blocks(text), **blocks}, file.name).encode())
