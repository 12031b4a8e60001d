"""Markdown tables of the groups of faces that an evaluation measured."""

from __future__ import annotations

from .group_scores import GroupScore, Scale
from .kid import Estimate


def markdown_table(head: list[str], rows: list[list[str]]) -> list[str]:
    """Returns the lines of a table, and an empty one."""
    lines = [head, ["---"] * len(head), *rows]
    return ["| " + " | ".join(cells) + " |" for cells in lines] + [""]


def with_interval(estimate: Estimate | None, digits: int) -> str:
    """Returns a value and its 95 % interval, such as `16.7 (14.9 to 18.8)`; a dash for `None`."""
    if estimate is None:
        return "–"  # noqa: RUF001
    value, low, high = (f"{x:.{digits}f}" for x in (estimate.value, estimate.low, estimate.high))
    return f"{value} ({low} to {high})"


def group_table(scores: list[GroupScore]) -> list[str]:
    """Returns the lines of the table of all networks on all groups."""
    measured = any(score.kid for score in scores)
    order = list(dict.fromkeys(score.group for score in scores))
    rows = []
    for score in sorted(scores, key=lambda score: order.index(score.group)):
        row = [
            score.group,
            str(score.faces),
            score.method,
            with_interval(score.kid, 1),
            with_interval(score.sharpness, 2),
            with_interval(score.hole_psnr, 2),
            with_interval(score.iou, 3),
            "" if score.bare is None else f"{score.bare:.1%}",
        ]
        rows.append(row if measured else row[:3] + row[4:])
    head = ["group", "faces", "network", "KID x1000", "sharpness", "hole PSNR, dB", "mask IoU",
            "bare faces left alone"]  # fmt: skip
    return markdown_table(head if measured else head[:3] + head[4:], rows)


def scale_table(scales: list[Scale]) -> list[str]:
    """Returns the lines of the table that says what KID means; none if it was not measured."""
    if not scales:
        return []
    blurs = list(scales[0].blurred)
    rows = [
        [
            scale.group,
            str(scale.faces),
            with_interval(scale.floor, 1),
            *(with_interval(scale.blurred[sigma], 1) for sigma in blurs),
        ]
        for scale in scales
    ]
    head = ["group", "faces", "truth, half against half"]
    head += [f"truth blurred by {sigma} px" for sigma in blurs]
    return markdown_table(head, rows)
