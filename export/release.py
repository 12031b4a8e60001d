"""`unmask release`: exports the packaged artifacts, and writes measured numbers into documents.

A block of a document is between `<!-- release:NAME -->` and `<!-- /release:NAME -->`, which are on
lines of their own.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import torch

from unmask_sdk.core.atomic_write import atomic_write
from unmask_sdk.core.manifest import Artifact
from unmask_sdk.core.optional_deps import pip_command
from unmask_sdk.core.scratch_folder import scratch_folder
from unmask_sdk.errors import ConfigError, ExportError
from unmask_sdk.training import weights_folder
from unmask_sdk.training.nets.checkpoint import read_metadata
from unmask_sdk.training.nets.cost import layer_costs
from unmask_sdk.training.nets.unmasker_graph import UnmaskerGraph

from .formats import EXPORTERS
from .onnx.external_data import share_weights
from .run_export import Conversions, OnStep, export

UNMASKERS, LOCATOR = ("unmasker",), ("detector", "aligner")
# The artifacts in the package: format, precision, roles. A Jetson and a Raspberry Pi can then start
# without the exporters, which are large, or not available there.
SHIPPED = (
    ("onnx", "fp32", UNMASKERS + LOCATOR),
    ("onnx", "int8", UNMASKERS + LOCATOR),
    # Not listed as ONNX, though it is the same file: ONNX Runtime 1.32 cannot open it on ARM.
    ("trt", "fp16", UNMASKERS + LOCATOR),
    ("trt", "int8", UNMASKERS),
    ("tflite", "int8", UNMASKERS + LOCATOR),
    ("tflite", "fp16", LOCATOR),
)
DOCUMENTS = ("README.md", "MODEL_CARD.md", "docs/quality.md")
BLOCKS = ("sizes", "install", "speed", "headline", "quality")
FOLDERS = ("unmask_sdk/artifacts", "examples", "benchmarks")


def check_root(root: Path) -> None:
    """Checks that a folder is the clone of the project that is installed.

    Raises:
        ConfigError: If it is not a clone, another one, or a document has a wrong marker.
    """
    for name in (*DOCUMENTS, *FOLDERS):
        if not (root / name).exists():
            raise ConfigError(
                f"{root} holds no {name}; run unmask release from a clone of unmask-sdk, installed "
                "with: " + pip_command("install -e '.[dev]'")
            )
    # The benchmarks measure the installed package.
    installed = weights_folder().resolve()
    if installed != (root / "unmask_sdk" / "artifacts").resolve():
        raise ConfigError(
            f"{root} is not the clone that is installed, which has its weights in {installed}; "
            + pip_command(f"install -e '{root}[dev]'")
        )
    # Finds wrong markers now, before everything is measured.
    for name in DOCUMENTS:
        replace_blocks((root / name).read_text(encoding="utf-8"), dict.fromkeys(BLOCKS, ""), name)


@contextmanager
def undone_on_failure(*folders: Path) -> Iterator[None]:
    """Restores the files of folders if the block raises."""
    before = {file: file.read_bytes() for file in _files(folders)}
    with ExitStack() as undo:
        undo.callback(_put_back, folders, before)
        yield
        undo.pop_all()


def _put_back(folders: Sequence[Path], before: Mapping[Path, bytes]) -> None:
    for file in _files(folders):
        if file not in before:
            file.unlink()
    for file, content in before.items():
        if not file.is_file() or file.read_bytes() != content:
            file.write_bytes(content)


def _files(folders: Sequence[Path]) -> list[Path]:
    return [file for folder in folders for file in folder.rglob("*") if file.is_file()]


def replace_blocks(text: str, blocks: Mapping[str, str], where: str) -> str:
    """Returns a document with new content between its markers.

    Args:
        text: The document.
        blocks: Content by name; names that the document does not mark are ignored.
        where: Name of the document, for errors.

    Raises:
        ConfigError: If there is no content for a block of the document, or a marker has no end.
    """

    def fill(match: re.Match[str]) -> str:
        name = match["name"]
        if name not in blocks:
            raise ConfigError(f"{where} marks release:{name}, which the release does not write")
        return f"{match['begin']}\n{blocks[name].strip()}\n{match['end']}"

    pattern = r"(?P<begin><!-- release:(?P<name>\w+) -->)\n.*?(?P<end><!-- /release:(?P=name) -->)"
    filled, count = re.subn(pattern, fill, text, flags=re.DOTALL)
    if count != text.count("<!-- release:"):
        raise ConfigError(f"{where}: a marker <!-- release:… --> has no end <!-- /release:… -->")
    return filled


def marked_blocks(text: str) -> dict[str, str]:
    """Returns the content of each block of a document, by name."""
    pattern = r"<!-- release:(\w+) -->\n(.*?)<!-- /release:\1 -->"
    return dict(re.findall(pattern, text, flags=re.DOTALL))


def export_shipped(weights: Sequence[Path], folder: Path, progress: OnStep) -> tuple[Artifact, ...]:
    """Exports the artifacts of the package, which share their weights; returns the entries.

    Errors are those of `export` and `share_weights`.
    """
    exported: list[Artifact] = []
    conversions: Conversions = {}
    for format, precision, kinds in SHIPPED:
        files = [file for file in weights if read_metadata(file)[0] in kinds]

        def report(step: str, what: str = f"{format} {precision}") -> None:
            progress(f"{what}: {step}")

        exported += export(
            format, files, folder, precision=precision, progress=report, conversions=conversions
        )
    progress("sharing weights")
    written = {artifact.file: artifact for artifact in share_weights(folder)}
    return tuple(written[artifact.file] for artifact in exported)


def write_documents(root: Path, blocks: Mapping[str, str]) -> None:
    """Fills the blocks of all documents, or changes none of them."""
    filled = {
        name: replace_blocks((root / name).read_text(encoding="utf-8"), blocks, name)
        for name in DOCUMENTS
    }
    for name, text in filled.items():
        atomic_write(root / name, text.encode())


def sizes(graphs: Mapping[str, UnmaskerGraph], artifacts: Sequence[Artifact]) -> str:
    """Returns a Markdown table of the unmaskers' parameters, operations and file sizes.

    Args:
        graphs: Unmaskers by the names of their artifacts.
        artifacts: Exported artifacts of the unmaskers and the locator.
    """
    columns = list(
        dict.fromkeys(
            (a.format, a.precision)
            for a in artifacts
            if a.format in EXPORTERS and a.role == "unmasker"
        )
    )
    heads = " | ".join(f"{format} {precision}, MB" for format, precision in columns)
    lines = [
        f"| network | parameters | GFLOP | {heads} |",
        f"| --- | --- | --- |{' --- |' * len(columns)}",
    ]
    for name, graph in graphs.items():
        side = graph.unmasker.config.size
        costs = layer_costs(graph, torch.zeros(1, side, side, 3, dtype=torch.uint8))
        parameters = sum(p.numel() for p in graph.parameters()) / 1e6
        flop = sum(cost.flop for cost in costs) / 1e9
        size = {(a.format, a.precision): a.total_bytes / 1e6 for a in artifacts if a.name == name}
        files = " | ".join(f"{size[column]:.1f}" for column in columns)
        lines.append(f"| `{name}` | {parameters:.2f} M | {flop:.2f} | {files} |")
    locator = [a for a in artifacts if a.format == "onnx" and a.role != "unmasker"]
    megabytes = sum(a.total_bytes for a in locator if a.precision == "fp32") / 1e6
    return "\n".join([*lines, "", f"The face locator adds {megabytes:.1f} MB in fp32."])


# Benchmarks shown in docs/quality.md: the default runtime, from one crop to a new process.
SPEED = (
    "benchmarks/test_speed.py",
    "-k",
    "import or (onnx and not fp16 and not 2-unmask and (crop or photo or start))",
)


def measure_speed(root: Path) -> str:
    """Runs the benchmarks in `SPEED`; returns their results as a Markdown table.

    Raises:
        ExportError: If the benchmarks fail.
    """
    with scratch_folder("unmask-release-") as scratch:
        file = scratch / "speed.json"
        done = subprocess.run(
            [sys.executable, "-m", "pytest", *SPEED, "--benchmark-only", "-q",
             f"--benchmark-json={file}"],
            cwd=root, capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode:
            raise ExportError(f"the benchmarks failed:\n{done.stdout[-2000:]}")
        return speed_table(json.loads(file.read_text(encoding="utf-8")))


def speed_table(measured: Mapping[str, Any]) -> str:
    """Returns a Markdown table of a pytest-benchmark JSON file: medians, and extra values."""
    lines = ["| benchmark | median | details |", "| --- | --- | --- |"]
    for row in measured["benchmarks"]:
        extra = ", ".join(f"{name.replace('_', ' ')} {v}" for name, v in row["extra_info"].items())
        name = row["name"].removeprefix("test_")
        lines.append(f"| {name} | {1000 * row['stats']['median']:.1f} ms | {extra} |")
    cpu = measured["machine_info"]["cpu"].get("brand_raw", "unknown processor")
    lines += [
        "",
        f"On {cpu}, by `python -m pytest {SPEED[0]} --benchmark-only`; all runtimes and "
        "precisions: [benchmarks.md](benchmarks.md).",
    ]
    return "\n".join(lines)
