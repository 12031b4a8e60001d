"""Compares our unmasker with networks that one might use instead, in turns, on one thread.

    python -m unmask_sdk.benchmarks.peers --json peers.json

The others are cost models (`networks.py`): published layer shapes and sizes, random weights.
Ratios of CPU time hold on every device of this kind; milliseconds only on this one.
"""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import onnx
import torch
import typer
from torch import nn

from unmask_sdk.benchmarks.latency.measure import interleave, ratio, tail
from unmask_sdk.benchmarks.parity.cases import Case, select
from unmask_sdk.core.atomic_write import atomic_write
from unmask_sdk.core.optional_deps import missing_packages
from unmask_sdk.core.sample_images import draw_masked_faces
from unmask_sdk.doctor import device
from unmask_sdk.errors import InvalidInputError, UnmaskError
from unmask_sdk.export.onnx.exporter import OPSET
from unmask_sdk.export.quiet_converters import quiet_converters
from unmask_sdk.runtimes.onnx_session import open_session

from .networks import PEERS, count

SIZE = 256
Call = Callable[[], object]


def main(
    artifacts: Annotated[
        Path | None, typer.Option(help="Folder with a manifest.json; the package's own by default.")
    ] = None,
    model: Annotated[str, typer.Option(help="The unmasker.")] = "unmask-256",
    rounds: Annotated[int, typer.Option(min=2, help="Runs of each.")] = 15,
    engines: Annotated[str, typer.Option(help="For the cost models.")] = "onnx,openvino",
    json_file: Annotated[Path | None, typer.Option("--json", help="File to write.")] = None,
) -> None:
    """Measures, and prints how many times as long as our unmasker each network takes."""
    unknown = sorted(set(engines.split(",")) - set(ENGINES))
    if unknown:
        raise InvalidInputError(f"--engines takes {', '.join(ENGINES)}; got {unknown[0]!r}")
    found = measure(select(artifacts, models=[model]).cases, engines.split(","), rounds)
    for line in markdown_lines(found):
        print(line)
    if json_file is not None:
        atomic_write(json_file, f"{json.dumps(found, indent=1)}\n".encode())


def measure(cases: tuple[Case, ...], engines: list[str], rounds: int) -> dict[str, Any]:
    """Runs all networks in turns.

    Args:
        cases: Our unmaskers.
        engines: Keys of `ENGINES` for the cost models; those that are not installed are skipped.
        rounds: Runs of each.

    Returns:
        `device` and `rounds`; `ours` and `peers`: records with `name`, `engine`, `tail_ms` and
        `cpu_ms`. A peer also has `parameters`, and `ratios`: its CPU time over each of ours.
    """
    calls: dict[str, Call] = {}
    ours: list[dict[str, Any]] = []
    peers: list[dict[str, Any]] = []
    with ExitStack() as stack:
        for case in cases:
            runtime = stack.enter_context(case.open(threads=1))
            calls[case.name] = partial(runtime.run, draw_masked_faces(1, case.size, case.size))
            ours.append({"name": case.name, "engine": case.entry.name})
        for peer in PEERS:
            torch.manual_seed(0)
            network = peer.build().eval()
            content = to_onnx(network)
            for engine in engines:
                if missing_packages([ENGINES[engine][0]]):
                    continue
                name = f"{peer.name} fp32 on {engine}"
                calls[name] = ENGINES[engine][1](content)
                peers.append(
                    {
                        "name": name,
                        "engine": engine,
                        "source": peer.source,
                        "parameters": count(network),
                        "published_parameters": peer.parameters,
                    }
                )
        taken = interleave(calls, rounds, rewarm=True)
    for record in (*ours, *peers):
        record["tail_ms"] = vars(tail(taken[record["name"]].wall))
        record["cpu_ms"] = round(1000 * float(np.median(taken[record["name"]].cpu)), 2)
    for record in peers:
        record["ratios"] = {
            our["name"]: round(ratio(taken[record["name"]], taken[our["name"]]), 2) for our in ours
        }
    return {"device": vars(device()), "rounds": rounds, "ours": ours, "peers": peers}


def markdown_lines(found: dict[str, Any]) -> list[str]:
    """Returns the result of `measure` as the lines of a Markdown table."""
    names = [record["name"] for record in found["ours"]]
    own = " | ".join(f"{record['cpu_ms']:.1f}" for record in found["ours"])
    lines = [
        f"| network | CPU ms | {' | '.join(names)} |",
        f"| --- | --- | {' | '.join(['---'] * len(names))} |",
        f"| ours, CPU ms | | {own} |",
    ]
    for record in found["peers"]:
        cells = " | ".join(f"{record['ratios'][name]:.1f}" for name in names)
        lines.append(f"| {record['name']}, times ours | {record['cpu_ms']:.1f} | {cells} |")
    return lines


def to_onnx(network: nn.Module) -> bytes:
    """Converts a cost model to the bytes of an ONNX file."""
    with quiet_converters():
        program = torch.onnx.export(
            network, (_input(),), dynamo=True, opset_version=OPSET, verbose=False
        )
    # `None` comes only from `torch.onnx.export(dynamo=False)`.
    assert program is not None
    stream = io.BytesIO()
    onnx.save(program.model_proto, stream)
    return stream.getvalue()


def _input() -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(0).random((1, 4, SIZE, SIZE), np.float32))


def _on_onnxruntime(content: bytes) -> Call:
    session = open_session(content)
    return partial(session.run, None, {session.get_inputs()[0].name: _input().numpy()})


def _on_openvino(content: bytes) -> Call:
    import openvino as ov

    settings = {
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_PRECISION_HINT": "f32",
        "INFERENCE_NUM_THREADS": 1,
    }
    core = ov.Core()
    compiled = core.compile_model(core.read_model(content), "CPU", settings)
    request = compiled.create_infer_request()
    return partial(request.infer, [_input().numpy()])


# Package that is needed, and the function that returns a call that runs an ONNX file.
ENGINES = {
    "onnx": ("onnxruntime", _on_onnxruntime),
    "openvino": ("openvino", _on_openvino),
}


def run() -> None:
    """Runs the command line; errors end it with one line."""
    try:
        typer.run(main)
    except UnmaskError as error:
        sys.exit(f"error: {error}")
