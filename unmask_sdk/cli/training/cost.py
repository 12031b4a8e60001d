"""`unmask cost`: counts what an unmasker costs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from unmask_sdk.cli.json_output import print_json
from unmask_sdk.cli.options import JsonOption

if TYPE_CHECKING:
    from unmask_sdk.training.nets.cost import LayerCost


def cost(
    weights: Annotated[
        Path | None,
        typer.Argument(metavar="WEIGHTS", help="Weight file; a new default network if left out."),
    ] = None,
    layers: Annotated[bool, typer.Option(help="Show every convolution.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print the totals alone.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Show the cost of the unmasker: parameters and FLOP (2 per multiply-accumulate)."""
    from unmask_sdk.core.requirements import check_command

    check_command("unmask cost")
    import torch

    from unmask_sdk.training.nets.checkpoint import load_unmasker
    from unmask_sdk.training.nets.cost import layer_costs
    from unmask_sdk.training.nets.unmasker_graph import build_unmasker
    from unmask_sdk.training.nets.unmasker_networks import UnmaskerConfig

    graph = load_unmasker(weights) if weights else build_unmasker(UnmaskerConfig())
    size = graph.unmasker.config.size
    rows = layer_costs(graph, torch.zeros(1, size, size, 3, dtype=torch.uint8))
    shown = [replace(row, name=row.name.removeprefix("unmasker.")) for row in rows]
    parts = _by_part(shown)
    total = sum(p.numel() for p in graph.parameters())
    flop = sum(row.flop for row in rows)
    if as_json:
        record = {
            "weights": None if weights is None else str(weights),
            "size": size,
            "parameters": total,
            "flop": flop,
            "parts": [_plain(part) for part in parts],
            "layers": [{**_plain(row), "shape": row.shape} for row in shown] if layers else None,
        }
        print_json(record)
    elif quiet:
        typer.echo(f"{total:,} parameters, {flop / 1e6:.1f} MFLOP at {size}x{size}")
    else:
        _show(shown if layers else parts, ("all (with batch norm)", f"{size}x{size}", total, flop))


def _by_part(rows: list[LayerCost]) -> list[LayerCost]:
    """Sums layers up by the part of the network that they belong to."""
    parts: dict[str, LayerCost] = {}
    for row in rows:
        name = ".".join(row.name.split(".")[:2])
        part = parts.get(name, replace(row, name=name, shape="", parameters=0, flop=0))
        parts[name] = replace(
            part, parameters=part.parameters + row.parameters, flop=part.flop + row.flop
        )
    return list(parts.values())


def _plain(row: LayerCost) -> dict[str, object]:
    return {"name": row.name, "parameters": row.parameters, "flop": row.flop}


def _show(rows: list[LayerCost], total: tuple[str, str, int, int]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("part", "shape", "parameters", "MFLOP")
    for row in rows:
        table.add_row(row.name, row.shape, f"{row.parameters:,}", f"{row.flop / 1e6:.1f}")
    table.add_section()
    table.add_row(*total[:2], f"{total[2]:,}", f"{total[3] / 1e6:.1f}")
    Console().print(table)
