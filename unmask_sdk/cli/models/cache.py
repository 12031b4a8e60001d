"""`unmask cache`: TensorRT engines and measured times, which can be made again."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import typer

from unmask_sdk.errors import ConfigError


def cache(
    action: Annotated[str, typer.Argument(metavar="ACTION", help="ls or clear.")] = "ls",
) -> None:
    """Show or remove what was made on this device: TensorRT engines and measured times."""
    from unmask_sdk.loading.limits import forget_timings, timings, timings_folder
    from unmask_sdk.runtimes.engines.cache import EngineCache

    engines = EngineCache()
    if action == "ls":
        entries = engines.entries()
        for entry in entries:
            used = datetime.fromtimestamp(entry.used).isoformat(" ", "minutes")
            typer.echo(
                f"{entry.digest[:12]}  {entry.bytes / 1e6:.1f} MB  built in {entry.seconds:.0f} s  "
                f"last used {used}  {entry.title}"
            )
        total = sum(entry.bytes for entry in entries)
        measured = timings()
        for line in measured:
            typer.echo(line)
        typer.echo(f"{len(measured)} measured times in {timings_folder()}")
        typer.echo(f"{len(entries)} engines, {total / 1e6:.1f} MB in {engines.folder}")
    elif action == "clear":
        typer.echo(f"{forget_timings()} measured times removed from {timings_folder()}")
        typer.echo(f"{engines.clear() / 1e6:.1f} MB removed from {engines.folder}")
    else:
        raise ConfigError(f"unmask cache takes ls or clear, not {action!r}")
