"""Reports of `unmask parity`: Markdown, JSON, and one self-contained HTML file."""

from __future__ import annotations

import html
import json
import math
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from string import Template
from typing import Any

from unmask_sdk.core.atomic_write import atomic_write
from unmask_sdk.core.output_paths import make_folder

from .compare_all import Verdict
from .difference_map import data_url, difference_map

# Measure, heading, decimals.
COLUMNS = (
    ("max_abs", "max error, of 255", 0),
    ("mean_abs", "mean error", 4),
    ("psnr_whole", "PSNR, dB", 1),
    ("psnr_hole", "hole", 1),
    ("psnr_seam", "seam", 1),
    ("ssim_whole", "SSIM", 5),
    ("ssim_hole", "hole", 5),
    ("ssim_seam", "seam", 5),
    ("mask_iou", "mask IoU", 4),
    ("changed_outside", "pixels changed outside", 0),
)
AGAINST_TRUTH = (
    ("hole_psnr", "hole PSNR, dB", 2),
    ("hole_psnr_lost", "lost", 3),
    ("ssim", "SSIM", 4),
    ("ssim_lost", "lost", 5),
    ("true_mask_iou", "mask IoU", 4),
    ("true_mask_iou_lost", "lost", 5),
    ("identity", "identity", 4),
    ("identity_lost", "lost", 5),
)
STATES = {True: "ok", False: "MISSED", None: "not run"}

Columns = Sequence[tuple[str, str, int]]
Rows = list[list[str]]


def cell(value: float | None, digits: int) -> str:
    """Formats a number; a PSNR is infinite where nothing differs."""
    if value is None:
        return "-"
    return "identical" if math.isinf(value) else f"{value:.{digits}f}"


def tables(verdicts: Sequence[Verdict]) -> list[tuple[str, Rows]]:
    """Returns the tables: title, and rows of text of which the first has the headings."""
    found = [("Against the reference", _table(verdicts, COLUMNS))]
    if any("hole_psnr" in v.measures for v in verdicts):
        columns = [c for c in AGAINST_TRUTH if any(c[0] in v.measures for v in verdicts)]
        found.append(("Against the truth", _table(verdicts, columns)))
    return found


def _table(verdicts: Sequence[Verdict], columns: Columns) -> Rows:
    head = ["case", "verdict", *(title for _, title, _ in columns)]
    rows = [
        [v.name, STATES[v.ok], *(cell(v.measures.get(name), digits) for name, _, digits in columns)]
        for v in verdicts
        if v.ok is not None
    ]
    return [head, *rows]


def remarks(verdicts: Sequence[Verdict], left_out: Sequence[tuple[str, str]]) -> list[str]:
    """Returns what the tables do not show: misses, layers, and what was not run or judged."""
    lines = []
    for v in verdicts:
        if v.ok is None:
            lines.append(f"{v.name} was not run: {v.note}")
        lines += [f"{v.name}: {miss}" for miss in v.misses]
        if v.not_judged:
            names = ", ".join(v.not_judged)
            lines.append(f"{v.name}: {names} not judged, as these pictures have no truth")
        if v.bisection is not None:
            lines.append(f"{v.name}, layers: {layers_told(v)}")
    lines += [f"{name} was not run: {reason}" for name, reason in left_out]
    return lines


def layers_told(verdict: Verdict) -> str:
    """Describes what the bisection found."""
    found = verdict.bisection
    if found is None or found.note:
        return found.note if found else "not looked at"
    unseen = f"; without a partner: {', '.join(found.unseen)}" if found.unseen else ""
    if found.first is not None:
        first, limit = found.first, found.limit
        return (
            f"{first.layer} ({first.tensor}) is the first beyond the limit: it alone is off by "
            f"{first.error:.2%} of its size, which changes the picture by {first.picture:.2g} of "
            f"255 ({limit.picture:g} allowed) and the mask by {first.mask:.2g} ({limit.mask:g} "
            f"allowed){unseen}"
        )
    largest = max(found.errors, key=lambda e: e.picture)
    return (
        f"each of {len(found.errors)} alone changes the picture by at most {largest.picture:.2g} "
        f"of 255 ({found.limit.picture:g} allowed), most at {largest.layer}{unseen}"
    )


def compared(verdicts: Sequence[Verdict]) -> str:
    """Describes what was compared with what."""
    pairs = {(v.reference, v.pictures) for v in verdicts if v.reference}
    return "; ".join(
        f"reference {reference}, on {pictures}" for reference, pictures in sorted(pairs)
    )


def to_markdown(verdicts: Sequence[Verdict], left_out: Sequence[tuple[str, str]]) -> str:
    """Returns the complete report without the images."""
    lines = ["# Parity", "", compared(verdicts), ""]
    for title, rows in tables(verdicts):
        lines += [f"## {title}", "", *markdown_table(rows), ""]
    lines += [f"- {remark}" for remark in remarks(verdicts, left_out)]
    return "\n".join(lines) + "\n"


def markdown_table(rows: Rows) -> list[str]:
    """Returns rows of text as the lines of a Markdown table; the first row has the headings."""
    rule = ["---"] * len(rows[0])
    return [f"| {' | '.join(row)} |" for row in (rows[0], rule, *rows[1:])]


def to_data(verdicts: Sequence[Verdict], left_out: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """Returns the results as written to JSON; the PSNR of images that do not differ is null."""
    records = []
    for v in verdicts:
        record = {
            k: getattr(v, k)
            for k in (
                "name", "model", "runtime", "precision", "ok", "note", "reference", "pictures",
                "misses", "not_judged",
            )
        }  # fmt: skip
        record["measures"] = {k: x if math.isfinite(x) else None for k, x in v.measures.items()}
        record["layers"] = None if v.bisection is None else asdict(v.bisection)
        records.append(record)
    return {"verdicts": records, "left_out": dict(left_out)}


def to_html(verdicts: Sequence[Verdict], left_out: Sequence[tuple[str, str]]) -> str:
    """Returns the complete report with images."""
    parts = [_html_table(title, rows) for title, rows in tables(verdicts)]
    items = "".join(f"<li>{html.escape(remark)}</li>" for remark in remarks(verdicts, left_out))
    parts += [f"<ul>{items}</ul>", *map(_html_pictures, verdicts)]
    return PAGE.substitute(compared=html.escape(compared(verdicts)), body="\n".join(parts))


def _html_table(title: str, rows: Rows) -> str:
    head = "".join(f"<th>{html.escape(cell)}</th>" for cell in rows[0])
    body = "".join(
        f'<tr class="{row[1].replace(" ", "-")}">'
        + "".join(f"<td>{html.escape(cell)}</td>" for cell in row)
        + "</tr>"
        for row in rows[1:]
    )
    return (
        f"<h2>{html.escape(title)}</h2><table><thead><tr>{head}</tr></thead>"
        f"<tbody>{body}</tbody></table>"
    )


def _html_pictures(verdict: Verdict) -> str:
    if not verdict.worst:
        return ""
    figures = []
    for sample in verdict.worst:
        heat, scale = difference_map(sample.reference, sample.answer)
        named = (
            ("masked", sample.masked),
            ("reference", sample.reference),
            ("this", sample.answer),
            (f"difference, white is {scale} of 255", heat),
        )
        figures += [
            f'<figure><img src="{data_url(picture)}" alt="{name}"><figcaption>{name}</figcaption>'
            "</figure>"
            for name, picture in named
        ]
    return (
        f"<section><h3>{html.escape(verdict.name)}: the pictures furthest off</h3>"
        f'<p>{html.escape(verdict.note)}</p><div class="grid">{"".join(figures)}</div></section>'
    )


def write(folder: Path, verdicts: Sequence[Verdict], left_out: Sequence[tuple[str, str]]) -> None:
    """Writes `parity.md`, `parity.json` and `parity.html` to a folder, created if missing."""
    make_folder(folder, "--report")
    data = json.dumps(to_data(verdicts, left_out), indent=1, ensure_ascii=False)
    atomic_write(folder / "parity.json", f"{data}\n".encode())
    atomic_write(folder / "parity.md", to_markdown(verdicts, left_out).encode())
    atomic_write(folder / "parity.html", to_html(verdicts, left_out).encode())


PAGE = Template("""<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Parity</title>
<style>
:root { color-scheme: light dark; --line: #8884; }
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 75rem; padding: 0 1rem; }
h1, h2, h3 { line-height: 1.2; margin: 2rem 0 .5rem; }
table { border-collapse: collapse; display: block; overflow-x: auto;
  font-variant-numeric: tabular-nums; }
th, td { padding: .3rem .7rem; text-align: right; border-bottom: 1px solid var(--line); }
th:first-child, td:first-child { text-align: left; white-space: nowrap; }
th { font-weight: 600; vertical-align: bottom; }
td:nth-child(2) { font-weight: 600; color: #1a7f37; white-space: nowrap; }
tr.MISSED td:nth-child(2) { color: #cf222e; }
.grid { display: grid; grid-template-columns: repeat(4, minmax(0, 1fr)); gap: .5rem; }
figure { margin: 0; }
img { width: 100%; display: block; image-rendering: pixelated; }
figcaption { font-size: 13px; opacity: .75; }
</style>
<h1>Parity</h1>
<p>$compared</p>
$body
</html>
""")
