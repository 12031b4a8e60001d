"""`unmask evaluate`: what the unmasker is worth on faces it has not seen.

Everything is measured on valid pixels only, at full crop size, through the exported uint8 graph:
the network finds the mask by itself. Beside it stand the masked input, and OpenCV's Telea
inpainting, which is given the true mask.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from rich.progress import track
from skimage.metrics import structural_similarity
from torch import nn

from .data import Face, open_crop, seed_of
from .sheet import grid, write_picture
from .synthesis import MASK_TYPES, Image
from .validate import psnr

METRICS = ("psnr", "ssim", "l1", "hole_psnr")
TELEA_RADIUS = 5
SHEET_FACES = 24
# A seed salt that training never uses.
HELD_OUT = 77


@dataclass(frozen=True)
class Score:
    """One method on one face: `psnr` and `hole_psnr` in dB, `ssim` 0..1, `l1` on 0..1."""

    method: str
    face: str
    kind: str
    psnr: float
    ssim: float
    l1: float
    hole_psnr: float
    iou: float | None


def compare(
    picture: Image, truth: Image, mask: Image, valid: Image
) -> tuple[float, float, float, float]:
    """Full-crop PSNR, SSIM, L1 and hole PSNR of one crop over its valid pixels."""
    weight = (valid > 127).astype(np.float64)
    error = (picture.astype(np.float64) - truth) / 255
    squared = (error**2).mean(-1)
    hole = weight * mask / 255
    _, similarity = structural_similarity(
        picture, truth, channel_axis=-1, data_range=255, full=True, gaussian_weights=True
    )
    return (
        psnr(float((squared * weight).sum() / weight.sum())),
        float((similarity.mean(-1) * weight).sum() / weight.sum()),
        float((np.abs(error).mean(-1) * weight).sum() / weight.sum()),
        psnr(float((squared * hole).sum() / max(hole.sum(), 1))),
    )


def intersection_over_union(found: Image, mask: Image, valid: Image) -> float:
    """IoU of two masks at one half, over valid pixels; 1 when both are empty."""
    a, b = (found > 127) & (valid > 127), (mask > 127) & (valid > 127)
    union = (a | b).sum()
    return float((a & b).sum() / union) if union else 1.0


def telea(masked: Image, mask: Image) -> Image:
    """OpenCV's Telea inpainting, given the true mask."""
    hole = cv2.dilate((mask > 0).astype(np.uint8), np.ones((3, 3), np.uint8))
    filled = cv2.inpaint(
        np.ascontiguousarray(masked[..., ::-1]), hole, TELEA_RADIUS, cv2.INPAINT_TELEA
    )
    return np.asarray(filled[..., ::-1], np.uint8)


def run_graph(graph: nn.Module) -> Callable[[Image], tuple[Image, Image]]:
    """A function from one crop to the unmasked crop and the mask found, on the graph's device."""
    device = next(graph.parameters()).device

    def run(crop: Image) -> tuple[Image, Image]:
        with torch.inference_mode():
            unmasked, mask = graph(torch.from_numpy(crop[None]).to(device))
        return unmasked[0].cpu().numpy(), mask[0, ..., 0].cpu().numpy()

    return run


def evaluate(
    folder: Path, faces: list[Face], graph: nn.Module, size: int
) -> tuple[list[Score], list[float], list[list[Image]]]:
    """Scores every face with one mask, the five types in turn.

    Returns:
        The scores; the share of pixels marked as mask on each face without one; sheet rows
        (masked, Telea, ours, truth).
    """
    unmask = run_graph(graph)
    scores: list[Score] = []
    bare: list[float] = []
    rows: list[list[Image]] = []
    shown = {int(i) for i in np.linspace(0, len(faces) - 1, SHEET_FACES)}
    for index, face in enumerate(track(faces, "evaluating")):
        kind = MASK_TYPES[index % len(MASK_TYPES)]
        crop = open_crop(folder, face, size)
        truth = crop.truth
        masked, mask, _ = crop.masked(kind=kind, seed=seed_of(face.name, HELD_OUT))
        ours, found = unmask(masked)
        classic = telea(masked, mask)
        pictures = {"masked input": masked, "Telea, true mask": classic, "ours": ours}
        for method, picture in pictures.items():
            iou = intersection_over_union(found, mask, crop.valid) if method == "ours" else None
            values = compare(picture, truth, mask, crop.valid)
            scores.append(Score(method, face.name, kind, *values, iou))
        _, on_bare = unmask(truth)
        bare.append(float(((on_bare > 127) & (crop.valid > 127)).sum() / (crop.valid > 127).sum()))
        if index in shown:
            rows.append([masked, classic, ours, truth])
    return scores, bare, rows


def _line(name: str, values: list[str]) -> str:
    return f"| {name} | " + " | ".join(values) + " |"


def _interval(values: np.ndarray) -> float:
    """Half the width of the 95 % bootstrap interval of the mean."""
    rng = np.random.default_rng(0)
    means = values[rng.integers(0, len(values), (1000, len(values)))].mean(1)
    low, high = np.percentile(means, [2.5, 97.5])
    return float(high - low) / 2


def summarise(scores: list[Score], bare: list[float], group_of: Callable[[str], str]) -> str:
    """The results as Markdown tables: methods by group of faces, then mask IoU by type.

    Args:
        scores: From `evaluate`.
        bare: From `evaluate`.
        group_of: Gives the data set's part that a face's name belongs to.
    """
    groups = sorted({group_of(s.face) for s in scores})
    methods = list(dict.fromkeys(s.method for s in scores))
    lines = []
    for group in groups if len(groups) == 1 else ["all", *groups]:
        mine = [s for s in scores if group in ("all", group_of(s.face))]
        lines += [
            f"### {group} ({len({s.face for s in mine})} faces)",
            "",
            _line("method", ["PSNR, dB", "SSIM", "L1 (0..255)", "hole PSNR, dB"]),
            _line("---", ["---"] * 4),
        ]
        for method in methods:
            table = np.array([[getattr(s, m) for m in METRICS] for s in mine if s.method == method])
            table[:, 2] *= 255
            cells = [
                f"{column.mean():.{digits}f} ± {_interval(column):.{digits}f}"
                for column, digits in zip(table.T, (2, 4, 2, 2), strict=True)
            ]
            lines.append(_line(method, cells))
        lines.append("")
    lines += [
        _line("mask type", ["IoU, mean", "IoU, worst 5 %", "hole PSNR, dB"]),
        _line("---", ["---"] * 3),
    ]
    for kind in MASK_TYPES:
        mine = [s for s in scores if s.kind == kind and s.iou is not None]
        if mine:
            ious = np.array([s.iou for s in mine])
            holes = np.mean([s.hole_psnr for s in mine])
            lines.append(
                _line(kind, [f"{ious.mean():.4f}", f"{np.percentile(ious, 5):.4f}", f"{holes:.2f}"])
            )
    empty = np.mean(np.array(bare) <= 0.005)
    lines += ["", f"Faces without a mask: mask stays empty (≤ 0.5 % of pixels) on {empty:.1%}."]
    return "\n".join(lines) + "\n"


def write_report(
    folder: Path, text: str, scores: list[Score], bare: list[float], rows: list[list[Image]]
) -> None:
    """Writes `report.md`, `scores.json` and `sheet.jpg`; two faces a line of the sheet."""
    folder.mkdir(parents=True, exist_ok=True)
    data = {"scores": [vars(s) for s in scores], "bare": bare}
    for name, content in (("report.md", text), ("scores.json", json.dumps(data))):
        temporary = folder / f"{name}.tmp"
        temporary.write_text(content)
        os.replace(temporary, folder / name)
    half = len(rows) // 2 or 1
    pairs = [a + b for a, b in zip(rows[:half], rows[half : 2 * half], strict=True)] or [rows[0]]
    write_picture(folder / "sheet.jpg", grid(pairs))
