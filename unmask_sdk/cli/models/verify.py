"""`unmask verify`: tests whether this device computes what the reference computed."""

from __future__ import annotations

import json
import os
from collections import Counter
from dataclasses import asdict
from itertools import chain
from pathlib import Path
from typing import Annotated

import typer

from unmask_sdk.cli.options import ArtifactsOption
from unmask_sdk.core.manifest import MANIFEST_NAME
from unmask_sdk.errors import VerificationError

Selection = dict[Path | None, list[str]]


def _selection(models: list[str], artifacts: Path | None) -> Selection:
    """Returns the models to check by folder; a model is a path, or a name in `artifacts`."""
    if not models:
        return {artifacts: []}
    selection: Selection = {}
    for model in models:
        path = Path(model)
        if not os.path.exists(model):  # Unlike Path's, no error where a name is too long.
            selection.setdefault(artifacts, []).append(model)
        elif (path / MANIFEST_NAME).is_file() and not path.suffix:  # Not a .mlpackage's own.
            selection.setdefault(path, [])
        else:
            selection.setdefault(path.absolute().parent, []).append(path.absolute().name)
    return selection


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
        str | None, typer.Option(help="Check only this runtime; it must then be usable.")
    ] = None,
    device: Annotated[str | None, typer.Option(help="cpu, cuda; Core ML: all, gpu, ane.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON lines.")] = False,
) -> None:
    """Run the golden vectors of model files again, on this device."""
    from rich.console import Console
    from rich.markup import escape

    from unmask_sdk.verify import verify as run

    console = Console()
    checks = []
    for check in chain.from_iterable(
        run(folder, runtime, names=names, device=device)
        for folder, names in _selection(models or [], artifacts).items()
    ):
        checks.append(check)
        if as_json:
            print(json.dumps(asdict(check)), flush=True)
        elif check.ok is not None:
            state = "[green]ok[/]" if check.ok else "[red]WRONG[/]"
            console.print(
                f"{state} {check.artifact} {check.format} {check.precision} on {check.runtime}: "
                f"{escape(check.note)}",
                soft_wrap=True,
            )
    right = [check for check in checks if check.ok]
    wrong = [check for check in checks if check.ok is False]
    left_out = Counter((check.runtime, check.note) for check in checks if check.ok is None)
    if not as_json:
        # A missing runtime has the same reason for every file.
        for (name, reason), files in left_out.items():
            console.print(
                f"[yellow]not run[/] on {name}, {files} file{'s' * (files > 1)}: {escape(reason)}",
                soft_wrap=True,
            )
        console.print(
            f"{len(right)} ok, {len(wrong)} wrong, {sum(left_out.values())} not run", soft_wrap=True
        )
    if wrong:
        names = ", ".join(
            f"{check.artifact} {check.format} {check.precision} on {check.runtime}"
            for check in wrong
        )
        raise VerificationError(
            f"outputs differ from the reference, see above: {names}; use another runtime, "
            "and report this with the output of `unmask doctor --json`"
        )
    if not right:
        raise VerificationError("nothing could be run here; see `unmask doctor`")
