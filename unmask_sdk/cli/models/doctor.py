"""`unmask doctor`: what runs here, what does not, and how to fix it."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from unmask_sdk.cli.options import ArtifactsOption

if TYPE_CHECKING:
    from unmask_sdk.doctor import Device, Diagnosis


def doctor(
    artifacts: ArtifactsOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show this device, every runtime (usable or not, why, and the fix) and the model files."""
    from unmask_sdk.doctor import diagnose

    diagnosis = diagnose(artifacts)
    if as_json:
        print(json.dumps(_to_json(diagnosis), indent=2, ensure_ascii=False))
    else:
        _show(diagnosis)
    if diagnosis.problem is not None or not all(state.ok for state in diagnosis.artifacts):
        raise typer.Exit(1)


def _to_json(diagnosis: Diagnosis) -> dict[str, Any]:
    data = asdict(diagnosis)
    for candidate in (*data["runtimes"], *filter(None, [data["auto"]])):
        # The key that readers of version 0.1 know.
        candidate["mend"] = candidate["fix"]  # codespell:ignore mend
    return data


def _show(diagnosis: Diagnosis) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    console = Console()
    table = Table(title="Device", show_header=False, title_justify="left")
    for name, value in _facts(diagnosis.device):
        table.add_row(name, escape(value))
    console.print(table)

    table = Table("runtime", "usable", "details", title="Runtimes", title_justify="left")
    for candidate in diagnosis.runtimes:
        usable = "[green]yes[/]" if candidate.usable else "[yellow]no[/]"
        table.add_row(candidate.name, usable, escape(candidate.reason))
    console.print(table)
    fixes = [(candidate.name, candidate.fix) for candidate in diagnosis.runtimes if candidate.fix]
    if fixes:
        console.print("[italic]Fixes[/]")
    for name, fix in fixes:
        # Not in the table, whose cells cut a long command: it is there to be copied.
        console.print(f"[bold]{escape(name)}[/]: {escape(fix)}", soft_wrap=True, highlight=False)

    table = Table("artifact", "format", "MB", "digest", title="Model files", title_justify="left")
    for state in diagnosis.artifacts:
        status = "[green]OK[/]" if state.ok else f"[red]{escape(state.problem or '')}[/]"
        kind = f"{state.format} {state.precision}"
        table.add_row(state.name, kind, f"{state.megabytes:.1f}", f"{status} {state.sha256[:12]}")
    console.print(table)

    console.print(f"OpenCV: {escape(diagnosis.opencv.reason)}")
    if diagnosis.opencv.usable and diagnosis.opencv.fix is not None:
        console.print(f"[yellow]OpenCV:[/] {escape(diagnosis.opencv.fix)}", soft_wrap=True)
    kept = diagnosis.cache
    if kept.problem is None:
        console.print(
            f"Cached in {escape(kept.folder)}: {kept.engines} engines ({kept.megabytes:.1f} MB), "
            f"{kept.timings} measured times"
        )
    else:
        console.print(f"Nothing is cached: {escape(kept.problem)}")
    if diagnosis.auto is not None:
        console.print(
            f"load() takes [bold]{diagnosis.auto.name}[/]: {escape(diagnosis.auto.reason)}"
        )
    if diagnosis.problem is not None:
        console.print(f"[red]load() fails:[/] {escape(diagnosis.problem)}", soft_wrap=True)


def _facts(device: Device) -> list[tuple[str, str]]:
    facts = [
        ("unmask-sdk", f"{device.sdk}, Python {device.python}"),
        ("system", device.system),
        ("board", device.board or ""),
        ("processor", f"{device.cpu}, cores usable: {device.cores}"),
        ("instructions", " ".join(device.features)),
        ("GPU", "; ".join(device.gpus) or "no NVIDIA GPU found"),
        ("clock", device.governor or ""),
        ("power mode", device.power_mode or ""),
    ]
    return [(name, value) for name, value in facts if value]
