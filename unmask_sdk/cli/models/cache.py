"""`unmask cache`: TensorRT engines and measured times, which can be made again."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Annotated

import typer

from unmask_sdk.cli.json_output import print_json
from unmask_sdk.cli.options import JsonOption
from unmask_sdk.errors import ConfigError

if TYPE_CHECKING:
    from unmask_sdk.loading.limits import CachedTiming
    from unmask_sdk.runtimes.engines.cache import EngineCache


def cache(
    action: Annotated[str, typer.Argument(metavar="ACTION", help="ls or clear.")] = "ls",
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Of ls, the totals alone; of clear, nothing.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Show or remove what was made on this device: TensorRT engines and measured times."""
    from unmask_sdk.runtimes.engines.cache import EngineCache

    engines = EngineCache()
    if action == "ls":
        _show(engines, quiet, as_json)
    elif action == "clear":
        _clear(engines, quiet, as_json)
    else:
        raise ConfigError(f"unmask cache takes ls or clear, not {action!r}")


def _show(engines: EngineCache, quiet: bool, as_json: bool) -> None:
    from unmask_sdk.loading.limits import timings, timings_folder

    entries, measured = engines.entries(), timings()
    if as_json:
        record = {
            "engines_folder": str(engines.folder),
            "engines": [{**asdict(entry), "used": _utc(entry.used)} for entry in entries],
            "timings_folder": str(timings_folder()),
            "timings": [_plain(timing) for timing in measured],
        }
        print_json(record)
        return
    if not quiet:
        for entry in entries:
            used = datetime.fromtimestamp(entry.used).isoformat(" ", "minutes")
            typer.echo(
                f"{entry.digest[:12]}  {entry.bytes / 1e6:.1f} MB  built in {entry.seconds:.0f} s  "
                f"last used {used}  {entry.title}"
            )
        for timing in measured:
            typer.echo(str(timing))
    total = sum(entry.bytes for entry in entries)
    typer.echo(f"{len(measured)} measured times in {timings_folder()}")
    typer.echo(f"{len(entries)} engines, {total / 1e6:.1f} MB in {engines.folder}")


def _clear(engines: EngineCache, quiet: bool, as_json: bool) -> None:
    from unmask_sdk.loading.limits import forget_timings, timings_folder

    forgotten, freed = forget_timings(), engines.clear()
    if as_json:
        print_json({"timings_removed": forgotten, "bytes_removed": freed})
    elif not quiet:
        typer.echo(f"{forgotten} measured times removed from {timings_folder()}")
        typer.echo(f"{freed / 1e6:.1f} MB removed from {engines.folder}")


def _plain(cached: CachedTiming) -> dict[str, object]:
    timing = cached.timing
    record = {**asdict(cached), "ms": timing.ms, "measured": _utc(timing.measured)}
    del record["timing"]
    return record


def _utc(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, timezone.utc).isoformat(timespec="seconds")
