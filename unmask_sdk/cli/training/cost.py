"""`unmask cost`: counts what an unmasker costs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def cost(
    weights: Annotated[
        Path | None,
        typer.Argument(metavar="WEIGHTS", help="Weight file; a new default network if left out."),
    ] = None,
    layers: Annotated[bool, typer.Option(help="Show every convolution.")] = False,
) -> None:
    """Show the cost of the unmasker: parameters and FLOP (2 per multiply-accumulate)."""
    from unmask_sdk.core.requirements import check_command

    check_command("unmask cost")
    import torch
    from rich.console import Console
    from rich.table import Table

    from unmask_sdk.training.nets.checkpoint import load_unmasker
    from unmask_sdk.training.nets.cost import layer_costs
    from unmask_sdk.training.nets.unmasker_graph import build_unmasker
    from unmask_sdk.training.nets.unmasker_networks import UnmaskerConfig

    graph = load_unmasker(weights) if weights else build_unmasker(UnmaskerConfig())
    size = graph.unmasker.config.size
    rows = layer_costs(graph, torch.zeros(1, size, size, 3, dtype=torch.uint8))
    table = Table("part", "shape", "parameters", "MFLOP")
    parts: dict[str, tuple[int, int]] = {}
    for row in rows:
        name = row.name.removeprefix("unmasker.")
        part = ".".join(name.split(".")[:2])
        count, flop = parts.get(part, (0, 0))
        parts[part] = (count + row.parameters, flop + row.flop)
        if layers:
            table.add_row(name, row.shape, f"{row.parameters:,}", f"{row.flop / 1e6:.1f}")
    if not layers:
        for part, (count, flop) in parts.items():
            table.add_row(part, "", f"{count:,}", f"{flop / 1e6:.1f}")
    total = sum(p.numel() for p in graph.parameters())
    flop = sum(row.flop for row in rows)
    table.add_section()
    table.add_row("all (with batch norm)", f"{size}x{size}", f"{total:,}", f"{flop / 1e6:.1f}")
    Console().print(table)
