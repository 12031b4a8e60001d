"""Writes `docs/benchmarks.md` from the files in `docs/benchmarks/`, and the sizes in the documents.

    python -m unmask_sdk.benchmarks.document docs            # --sizes: the sizes alone

These commands write those files: `unmask bench --json`, `unmask parity --report`, and of
`python -m unmask_sdk.benchmarks`: `.peers --json`, `.video.stages --json`, `.install_size`. A
section of `docs/benchmarks.md` whose file is missing is left out. Sizes of models and of the
package are measured.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from unmask_sdk.benchmarks.parity.report import AGAINST_TRUTH, COLUMNS, cell, markdown_table
from unmask_sdk.benchmarks.peers.compare import markdown_lines
from unmask_sdk.core.atomic_write import atomic_write
from unmask_sdk.errors import DataError, UnmaskError

from .documented_sizes import write_sizes
from .latency import bench_json, bench_table
from .video.speed_table import HEADINGS, cells

INTRODUCTION = """\
# Benchmarks

Every number here was measured on the device named below, with the commands below; none comes from
elsewhere. This page is written by `python -m unmask_sdk.benchmarks.document docs`.
"""

HOW_TO = """\
## On your device

```bash
pip install '.[bench,cpu,train]'    # in a clone
unmask parity --report parity            # add --faces DIR to compare with the truth
unmask bench --json bench.json --plot latency.svg
unmask bench --compare bench.json        # later: exit code 1 if it is slower
python -m unmask_sdk.benchmarks.peers --json peers.json
python -m unmask_sdk.benchmarks.video.stages --runtime onnx --precision int8 --size 720p --faces 1
#   add --json video.json to keep the numbers; several --size, --faces, --threads make a table
python -m unmask_sdk.benchmarks.video_speed CLIP --loops 100    # memory over ten minutes
python -m unmask_sdk.benchmarks.tracking_scenes -o SCENES       # crossing, a cut, leaving, turning
python -m pytest benchmarks --benchmark-only    # the same from a clone, by pytest-benchmark
```

## How to read it

- **Ratios, not milliseconds.** All cases run in turns, in another order each round, so that a busy
  moment affects all equally. `ratio` is the median over the rounds of the ratio to the same model
  in fp32 on ONNX Runtime; of CPU time where both run on the processor, so that other programs that
  take the processor away do not count. Milliseconds hold for one device in one state only.
- **Videos.** `benchmarks.video.stages`, run in the folder of a clone, measures each clip next to
  decoding and encoding alone, in the same run and with the same settings; its `ratio` is CPU time
  per frame over that and one run of unmasker and aligner for each face. Stages (locate to paste)
  and latency are wall-clock time. `--size`, `--faces` and `--threads` may be repeated; for one core
  begin with `taskset -c 0`, and give `--threads 1`.
  MB is the peak memory of a process that opens the model, unmasks the clip and does nothing else.
- **Tails.** p99 and max are what a user notices in a video. On a shared machine they show
  other programs more than the network.
- **`--compare`** compares how many times as long as a fixed piece of work (a convolution by
  OpenCV, in turns with the rest) a case took. A case that looks slower is measured again and counts
  only if it is slower twice. Files of different devices, clocks or power modes are refused.
- **Parity.** `benchmarks/parity/thresholds.json` has the limits of each precision. Hole, seam and
  whole are regions of the reference's mask; "lost" is the reference's value minus this one.
- **Cost models** have the published layer shapes and sizes of other networks, and random weights:
  they show how long such a network takes, and nothing about its images. Our network finds the mask
  itself, the others are given it. As a round takes seconds, each runs once more before every run
  that counts: memory that was idle so long is slow to read on some virtual machines.
"""


def main(
    docs: Annotated[Path, typer.Argument(help="The folder docs of a clone.")],
    sizes: Annotated[bool, typer.Option("--sizes", help="Write the sizes alone.")] = False,
) -> None:
    """Writes benchmarks.md, the plot to the folder of its data, and the sizes in the documents."""
    if not sizes:
        write_page(docs)
    write_sizes(docs.resolve().parent)


def write_page(docs: Path) -> None:
    """Writes benchmarks.md of a folder, and the plot to the folder of its data."""
    folder = docs / "benchmarks"
    parts = [INTRODUCTION]
    bench = bench_json.read(folder / "bench.json")
    parity = _read(folder / "parity.json")
    peers = _read(folder / "peers.json")
    parts.append(_device(bench))
    quality = {} if parity is None else _quality(parity)
    bench_table.plot(folder / "latency.png", bench, quality or None)
    parts.append("![Latency against quality](benchmarks/latency.png)\n")
    for title, rows in bench_table.tables(bench):
        parts.append("\n".join([f"## {title}", "", *markdown_table(rows), ""]))
    if peers is not None:
        lines = [
            "## Compared with other networks",
            "",
            *markdown_lines(peers),
            "",
            *_published(peers),
        ]
        parts.append("\n".join([*lines, ""]))
    videos = _read(folder / "video.json")
    if videos is not None:
        parts.append(_videos(videos))
    if parity is not None:
        parts.append(_parity(parity))
    parts.append(HOW_TO)
    atomic_write(docs / "benchmarks.md", "\n".join(parts).encode())


def _device(bench: bench_json.Data) -> str:
    here, info = bench_json.device_of(bench), bench["machine_info"]
    load = (info["before"]["load"], info["after"]["load"])
    providers = dict.fromkeys(
        r["extra_info"]["provider"] for r in bench["benchmarks"] if "provider" in r["extra_info"]
    )
    facts = [
        here.board or here.cpu,
        f"{here.cores} core{'s' * (here.cores > 1)} used",
        *here.gpus,
        f"clock {here.governor}" if here.governor else "clock governor unknown",
        here.power_mode and f"power mode {here.power_mode}",
        f"load before and after {load[0]:.1f} and {load[1]:.1f}" if None not in load else None,
        f"Python {here.python}",
        *providers,
    ]
    return f"Device: {'; '.join(fact for fact in facts if fact)}.\n"


def _videos(videos: dict[str, Any]) -> str:
    here = videos["device"]
    rows = [HEADINGS, *map(cells, videos["clips"])]
    about = f"{videos['model']}, {here['board'] or here['cpu']}; CPU time in ms a frame, see below."
    return "\n".join(
        ["## Videos, by size, faces and threads", "", about, "", *markdown_table(rows), ""]
    )


def _quality(parity: dict[str, Any]) -> dict[str, float]:
    found = {v["name"]: v["measures"].get("hole_psnr") for v in parity["verdicts"]}
    return {name: value for name, value in found.items() if value is not None}


def _parity(parity: dict[str, Any]) -> str:
    ran = [v for v in parity["verdicts"] if v["ok"] is not None]
    lines = []
    for title, columns in (
        ("Parity with the reference", COLUMNS),
        ("Parity against the truth", AGAINST_TRUTH),
    ):
        known = [c for c in columns if any(c[0] in v["measures"] for v in ran)]
        if not known:
            continue
        rows = [["case", "verdict", *(heading for _, heading, _ in known)]]
        for v in ran:
            # In JSON, the PSNR of images that do not differ is null.
            values = [cell(_number(v["measures"], name), digits) for name, _, digits in known]
            rows.append([v["name"], "ok" if v["ok"] else "missed", *values])
        lines += [f"## {title}", "", *markdown_table(rows), ""]
    pairs = sorted({f"{v['reference']}, on {v['pictures']}" for v in ran})
    return "\n".join([*lines, f"Reference: {'; '.join(pairs)}.", ""])


def _number(measures: dict[str, float | None], name: str) -> float | None:
    value = measures.get(name)
    return float("inf") if value is None and name in measures else value


def _published(peers: dict[str, Any]) -> list[str]:
    lines = {
        f"{r['name'].split(' fp32')[0]}: {r['parameters'] / 1e6:.2f} M parameters, published "
        f"{r['published_parameters'] / 1e6:.2f} M ({r['source']})"
        for r in peers["peers"]
    }
    return [f"- {line}" for line in sorted(lines)]


def _read(file: Path) -> dict[str, Any] | None:
    try:
        data: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise DataError(f"cannot read {file}: {error}") from None
    return data


if __name__ == "__main__":
    try:
        typer.run(main)
    except UnmaskError as error:
        sys.exit(f"error: {error}")
