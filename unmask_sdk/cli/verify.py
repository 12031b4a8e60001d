"""`unmask verify`: does this device compute what the reference computed?"""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated

import typer

from ..errors import VerificationError
from .options import ArtifactsOption


def verify(
    artifacts: ArtifactsOption = None,
    runtime: Annotated[
        str | None, typer.Option(help="Check this runtime only; it then has to be usable.")
    ] = None,
    device: Annotated[str | None, typer.Option(help="cpu, cuda; Core ML: all, gpu, ane.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON lines.")] = False,
) -> None:
    """Run the golden vectors of every model file again, on this device."""
    from rich.console import Console
    from rich.markup import escape

    from ..verify import verify as run

    console = Console()
    checks = []
    for check in run(artifacts, runtime, device=device):
        checks.append(check)
        if as_json:
            print(json.dumps(asdict(check)), flush=True)
            continue
        state = {True: "[green]ok[/]", False: "[red]WRONG[/]", None: "[yellow]not run[/]"}[check.ok]
        console.print(
            f"{state} {check.artifact} {check.format} {check.precision} on {check.runtime}: "
            f"{escape(check.note)}",
            soft_wrap=True,
        )
    wrong = [f"{check.artifact} on {check.runtime}" for check in checks if check.ok is False]
    if wrong:
        raise VerificationError(
            f"{', '.join(wrong)} does not match its golden vectors; "
            "use another runtime, and report this with the output of `unmask doctor --json`"
        )
    if not any(check.ok for check in checks):
        raise VerificationError("nothing could be run here; see `unmask doctor`")
