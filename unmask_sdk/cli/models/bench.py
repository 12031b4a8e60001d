"""`unmask bench`: measures the speed on this device, and compares it with an earlier run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from unmask_sdk.cli.options import ArtifactsOption, ModelsOption, PrecisionsOption, RuntimesOption

if TYPE_CHECKING:
    from unmask_sdk.benchmarks.latency.run import BenchmarkReport


def bench(
    artifacts: ArtifactsOption = None,
    runtimes: RuntimesOption = "",
    precisions: PrecisionsOption = "",
    models: ModelsOption = "",
    groups: Annotated[
        str, typer.Option(help="What to measure, of crop,photo,batch,threads,start.")
    ] = "crop,photo,batch,threads,start",
    rounds: Annotated[int, typer.Option(min=2, help="Runs of each case.")] = 50,
    threads: Annotated[
        str, typer.Option(help="Such as 1,2,4; by default 1, 2, 4, … up to the cores.")
    ] = "",
    batches: Annotated[str, typer.Option(help="Batch sizes.")] = "1,2,4,8,16,32",
    json: Annotated[
        Path | None, typer.Option(help="File to write, in pytest-benchmark's format.")
    ] = None,
    plot: Annotated[
        Path | None, typer.Option(help="Latency against quality: .png or .svg to write.")
    ] = None,
    parity: Annotated[
        Path | None,
        typer.Option(help="parity.json of `unmask parity --faces`, for the plot's quality."),
    ] = None,
    compare: Annotated[
        Path | None,
        typer.Option(help="Earlier --json of this device; exit code 1 if it is slower now."),
    ] = None,
    tolerance: Annotated[
        float, typer.Option(min=0.0, help="Slower by this share is a regression.")
    ] = 0.1,
) -> None:
    """Measure every runtime and precision on this device."""
    from unmask_sdk.core.requirements import check_command

    check_command("unmask bench")
    if plot is not None:
        check_command("unmask bench --plot")
    from unmask_sdk.benchmarks.latency import bench_json, bench_table
    from unmask_sdk.benchmarks.latency.bench import GROUPS
    from unmask_sdk.benchmarks.latency.run import benchmark
    from unmask_sdk.core.output_paths import check_writable_file, make_folder
    from unmask_sdk.errors import InvalidInputError

    chosen = _names(groups)
    unknown = [name for name in chosen if name not in GROUPS]
    if unknown or not chosen:
        raise InvalidInputError(f"--groups takes {', '.join(GROUPS)}; got {groups!r}")
    if (plot or compare) and "crop" not in chosen:
        raise InvalidInputError(f"--plot and --compare need the group crop; got --groups {groups}")
    if plot is not None and plot.suffix.lower() not in (".png", ".svg"):
        raise InvalidInputError(
            f"--plot {plot}: the plot is written as .png or .svg; use one of these extensions"
        )
    for file, option in ((json, "--json"), (plot, "--plot")):
        if file is not None:
            check_writable_file(file, option)
    batch_sizes = _numbers(batches, "--batches")
    thread_counts = _numbers(threads, "--threads") if threads else ()
    old = None if compare is None else bench_json.read(compare)
    quality = None if parity is None else _quality(parity)
    report = benchmark(
        *map(_names, (runtimes, precisions, models)),
        artifacts=artifacts,
        groups=chosen,
        rounds=rounds,
        threads=thread_counts,
        batches=batch_sizes,
        progress=lambda step: typer.echo(step, err=True),
    )
    data = report.to_dict()
    _show(bench_table.tables(data))
    for file, option in ((json, "--json"), (plot, "--plot")):
        if file is not None:
            make_folder(file.parent, option)
    if json is not None:
        bench_json.write(json, data)
    if plot is not None:
        bench_table.plot(plot, data, quality)
    if old is not None:
        _compare(old, data, tolerance, report)


def _compare(
    old: dict[str, object],
    new: dict[str, object],
    tolerance: float,
    report: BenchmarkReport,
) -> None:
    from dataclasses import replace

    from unmask_sdk.benchmarks.latency.bench import crop
    from unmask_sdk.benchmarks.latency.compare import compare
    from unmask_sdk.errors import VerificationError

    def again(names: Sequence[str]) -> dict[str, float]:
        typer.echo(f"looks slower, measured again: {', '.join(names)}", err=True)
        suspects = [case for case in report.cases if case.name in names]
        longer = replace(report.plan, rounds=2 * report.plan.rounds, energy=False)
        return {
            one.case: float(one.extra["yardsticks"])
            for one in crop(suspects, longer, lambda step: None)
        }

    changes = compare(old, new, tolerance, again)
    rows = [["benchmark", "value", "then", "now", "ratio"]]
    rows += [
        [c.name, c.value, f"{c.old:.4g}", f"{c.new:.4g}", f"{c.ratio:.3f}{' WORSE' * c.slower}"]
        for c in changes
    ]
    _show([("Against the earlier run", rows)])
    worse = [f"{c.name} ({c.value} x{c.ratio:.2f})" for c in changes if c.slower]
    if worse:
        raise VerificationError(
            f"worse than in the earlier run by more than {tolerance:.0%}: {', '.join(worse)}"
        )


def _show(tables: Sequence[tuple[str, Sequence[Sequence[str]]]]) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    console = Console()
    if not console.is_terminal:
        # Rich assumes 80 columns if there is no terminal, which cuts off numbers.
        console = Console(width=140)
    for title, rows in tables:
        table = Table(title=escape(title), title_justify="left")
        for k, heading in enumerate(rows[0]):
            table.add_column(heading, justify="right" if k else "left", overflow="fold")
        for row in rows[1:]:
            table.add_row(*map(escape, row))
        console.print(table)


def _quality(file: Path) -> dict[str, float]:
    import json

    from unmask_sdk.errors import DataError

    try:
        verdicts = json.loads(file.read_text(encoding="utf-8"))["verdicts"]
        found = {v["name"]: v["measures"].get("hole_psnr") for v in verdicts}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{file} is not a parity.json ({error}); see `unmask parity`") from None
    known = {name: float(value) for name, value in found.items() if value is not None}
    if not known:
        raise DataError(f"{file} has no ground truth; create it with `unmask parity --faces`")
    return known


def _names(given: str) -> list[str]:
    return [name.strip() for name in given.split(",") if name.strip()]


def _numbers(given: str, option: str) -> tuple[int, ...]:
    from unmask_sdk.errors import InvalidInputError

    numbers = [int(name) if name.isdecimal() else 0 for name in _names(given)]
    if not numbers or min(numbers) < 1:
        raise InvalidInputError(f"{option} takes whole numbers such as 1,2,4; got {given!r}")
    return tuple(dict.fromkeys(numbers))
