"""`unmask verify`: tests whether this device computes what the reference computed."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from unmask_sdk.cli.options import ArtifactsOption

if TYPE_CHECKING:
    from unmask_sdk.golden_vectors import Check


def verify(
    models: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[ARTIFACT]...",
            help="Model files next to their manifest.json, or names such as unmask-256; all by "
            "default.",
        ),
    ] = None,
    artifacts: ArtifactsOption = None,
    runtime: Annotated[
        str | None,
        typer.Option(
            help="Check only this runtime, which must then be usable; auto is the one that load() "
            "takes."
        ),
    ] = None,
    device: Annotated[str | None, typer.Option(help="cpu, cuda; Core ML: all, gpu, ane.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON lines.")] = False,
) -> None:
    """Run the golden vectors of model files again, on this device."""
    from rich.console import Console
    from rich.markup import escape

    from unmask_sdk.verification import verify as run

    console = Console()

    def show(check: Check) -> None:
        if as_json:
            print(json.dumps(asdict(check)), flush=True)
        elif check.ok is not None:
            state = "[green]ok[/]" if check.ok else "[red]WRONG[/]"
            console.print(
                f"{state} {check.artifact} {check.format} {check.precision} on {check.runtime}: "
                f"{escape(check.note)}",
                soft_wrap=True,
            )

    report = run(models or (), artifacts=artifacts, runtime=runtime, device=device, progress=show)
    if not as_json:
        # A missing runtime has the same reason for every file.
        for (name, reason), files in Counter((c.runtime, c.note) for c in report.not_run).items():
            count = f", {files} file{'s' * (files > 1)}"
            # Which files a runtime opens is not known if it does not load.
            known = any(check.artifact for check in report.not_run if check.runtime == name)
            console.print(
                f"[yellow]not run[/] on {escape(name)}{count * known}: {escape(reason)}",
                soft_wrap=True,
            )
        console.print(
            f"{len(report.right)} ok, {len(report.wrong)} wrong, {len(report.not_run)} not run",
            soft_wrap=True,
        )
    report.raise_if_wrong()
