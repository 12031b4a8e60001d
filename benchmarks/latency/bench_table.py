"""Results of `unmask bench` as tables of text and as a plot of latency against quality."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from unmask_sdk.core.atomic_write import atomic_write

from .bench_json import Data

# A marker for each model and precision; the color stands for the runtime.
MARKERS = "os^Dv*PX"

Rows = list[list[str]]
Record = dict[str, Any]

# Where the plot puts a certificate without any difference, whose PSNR is infinite.
NO_DIFFERENCE_DB = 110.0


def _case(record: Record) -> str:
    return str(record["params"]["case"])


def _ms(seconds: float) -> str:
    return f"{1000 * seconds:.1f}"


def _crop(records: list[Record]) -> Rows:
    head = [
        "case",
        "p50 ms",
        "p90",
        "p95",
        "p99",
        "max",
        "CPU ms",
        "ratio",
        "file MB",
        "certificate dB",
    ]
    energy = any("energy" in r["extra_info"] for r in records)
    rows = [head + ["mJ"] * energy]
    for record in records:
        extra = record["extra_info"]
        tail = extra["tail_ms"]
        quality = extra["certificate_psnr_db"]
        row = [_case(record), *(f"{tail[key]:.1f}" for key in ("p50", "p90", "p95", "p99", "max"))]
        row += [f"{extra['cpu_ms']:.1f}", f"{extra['ratio']:.3f}", f"{extra['bytes'] / 1e6:.1f}"]
        row.append("identical" if quality is None else f"{quality:.1f}")
        if energy:
            used = extra.get("energy")
            row.append("-" if used is None else f"{1000 * used['joules']:.1f}")
        rows.append(row)
    return rows


def _photo(records: list[Record]) -> Rows:
    return _crossed(records, "stage", lambda r: _ms(r["stats"]["median"]))


def _batch(records: list[Record]) -> Rows:
    return _crossed(records, "batch", lambda r: f"{r['extra_info']['pictures_per_s']:.1f}")


def _threads(records: list[Record]) -> Rows:
    return _crossed(records, "threads", lambda r: _ms(r["stats"]["median"]))


def _crossed(records: list[Record], across: str, text: Callable[[Record], str]) -> Rows:
    """Returns a row for each case, with a column for each value of a parameter."""
    columns = list(dict.fromkeys(r["params"][across] for r in records))
    cells = {(_case(r), r["params"][across]): text(r) for r in records}
    rows = [["case", *map(str, columns)]]
    for case in dict.fromkeys(map(_case, records)):
        rows.append([case, *(cells.get((case, column), "-") for column in columns)])
    return rows


def _start(records: list[Record]) -> Rows:
    keys = ("load_ms", "first_ms", "peak_mb")
    rows = [["case", "whole process ms", "load", "first photo", "peak MB"]]
    for record in records:
        extra = record["extra_info"]
        values = [f"{extra[key]:.0f}" if key in extra else "-" for key in keys]
        rows.append([_case(record), f"{1000 * record['stats']['median']:.0f}", *values])
    return rows


# Title and table of each group.
TABLES = {
    "crop": ("One crop, one thread, all in turns", _crop),
    "photo": ("A photo of 1280x720 from file to file, median ms by stage", _photo),
    "batch": ("Crops per second by batch, one thread", _batch),
    "threads": ("Median ms of a crop by threads", _threads),
    "start": ("A fresh process that opens the model and unmasks one photo", _start),
}


def tables(data: Data) -> list[tuple[str, Rows]]:
    """Returns the tables: title, and rows of text of which the first has the headings."""
    grouped = {group: [r for r in data["benchmarks"] if r["group"] == group] for group in TABLES}
    return [(TABLES[g][0], TABLES[g][1](records)) for g, records in grouped.items() if records]


def plot(path: Path, data: Data, quality: dict[str, float] | None = None) -> None:
    """Draws latency against quality, a point for each case.

    Args:
        path: .png or .svg.
        data: With the group `crop`.
        quality: Hole PSNR against the truth by case, from `unmask parity --faces`; without it,
            the certificates' PSNR to the reference counts.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 4.5), layout="constrained")
    axes = figure.subplots()
    records = [r for r in data["benchmarks"] if r["group"] == "crop"]
    runtimes = list(dict.fromkeys(_case(r).rpartition(" on ")[2] for r in records))
    precisions = list(dict.fromkeys(_case(r).rpartition(" on ")[0] for r in records))
    for record in sorted(records, key=_case):
        case, extra = _case(record), record["extra_info"]
        if quality is not None and case not in quality:
            continue
        certificate = extra["certificate_psnr_db"]
        height = NO_DIFFERENCE_DB if certificate is None else certificate
        model, _, runtime = case.rpartition(" on ")
        axes.plot(
            [extra["ratio"]],
            [height if quality is None else quality[case]],
            MARKERS[precisions.index(model) % len(MARKERS)],
            color=f"C{runtimes.index(runtime)}",
            markersize=9,
            alpha=0.8,
            label=case,
        )
    axes.ticklabel_format(axis="y", useOffset=False)
    axes.margins(0.1, 0.15)
    axes.set_xlabel("time of one crop, fp32 on ONNX Runtime is 1 (better to the left)")
    axes.set_ylabel(
        "PSNR to the reference, dB" if quality is None else "hole PSNR to the truth, dB"
    )
    axes.grid(alpha=0.3)
    figure.legend(loc="outside right upper", fontsize=8)
    form = path.suffix[1:].lower()
    metadata = {"Software": None} if form == "png" else None
    atomic_write(path, lambda file: figure.savefig(file, format=form, dpi=110, metadata=metadata))
