"""Model files whose answers are known: they take strong blue paint for a mask.

Trained networks are replaced now and then; these stay, so that what is tested is everything
around a network. A face is a patch of blue paint: strong blue is a mask, pale blue a face without
one. The fill is one skin color.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np

from onnx_graphs import OnnxGraph
from unmask_sdk.core.arrays import AnyArray
from unmask_sdk.core.manifest import Artifact, Golden, TensorSpec, sha256_of
from unmask_sdk.faces.align import crop_matrix

SKIN = (200, 150, 120)
STRONG, PALE = (20, 60, 230), (140, 180, 220)
# In the canonical crop, in pixels: the painted patch, and the face box that goes with it.
CENTER, AXES = (128, 175), (50, 45)
BOX_CENTER, BOX_SIDES = (128, 140), (124, 158)
EYE_DISTANCE = 60
# Eye distance over the square root of the painted area.
RATIO = EYE_DISTANCE / float(np.sqrt(np.pi * AXES[0] * AXES[1]))

Outputs = tuple[TensorSpec, ...]


def paint(image: AnyArray, eyes: Any, color: tuple[int, int, int] = STRONG) -> AnyArray:
    """Returns a copy with a patch painted over the lower face.

    Args:
        image: uint8 `[H, W, 3]`.
        eyes: Eye centers `[2, 2]`, in pixels.
        color: RGB.
    """
    inverse = np.linalg.inv(np.vstack([crop_matrix(eyes), [0, 0, 1]]))
    angle = np.linspace(0, 2 * np.pi, 200)
    points = np.stack([CENTER[0] + AXES[0] * np.cos(angle), CENTER[1] + AXES[1] * np.sin(angle)], 1)
    outline = points @ inverse[:2, :2].T + inverse[:2, 2]
    painted = image.copy()
    cv2.fillPoly(painted, [np.rint(outline * 16).astype(np.int32)], color, cv2.LINE_AA, shift=4)
    return painted


def save_painted_models(folder: Path) -> None:
    """Writes an unmasker, a detector and an aligner as ONNX, and their manifest."""
    from unmask_sdk.export.manifest import write

    entries = []
    for role, build, side in (
        ("unmasker", _save_unmasker, 256),
        ("detector", _save_detector, None),
        ("aligner", _save_aligner, 112),
    ):
        path = folder / f"{role}.onnx"
        outputs = build(path, side)
        digest = sha256_of(path)
        entries.append(
            Artifact(
                name=role,
                role=role,
                format="onnx",
                precision="fp32",
                file=path.name,
                package=None,
                sha256=digest,
                bytes=path.stat().st_size,
                inputs=(TensorSpec("image", "uint8", (None, side, side, 3)),),
                outputs=outputs,
                weights_sha256=digest,
                calibration_sha256=None,
                tools={},
                golden=Golden(path.name, digest, 0.0),
                parity=(),
            )
        )
    write(folder, entries, {})


def _blueness(graph: OnnxGraph, low: float, high: float) -> str:
    """Returns how much bluer than red `image` is, 0 at `low` to 1 at `high`: `[N, H, W, 1]`."""
    pixels = graph.to_float("image")
    red, blue = (graph.op("Gather", pixels, np.array([c]), axis=3) for c in (0, 2))
    excess = graph.op("Sub", graph.op("Sub", blue, red), float(low))
    return graph.op("Clip", graph.op("Div", excess, float(high - low)), 0.0, 1.0)


def _patch(graph: OnnxGraph, cover: str) -> tuple[str, str, str, str]:
    """Measures a painted patch: x, y, eye distance in pixels, and 1 if there is a patch, else 0.

    Each is `[N, 1, 1, 1]`.
    """
    area = graph.total(cover)
    divisor = graph.op("Max", area, 1.0)
    x, y = (
        graph.op(
            "Div", graph.total(graph.op("Mul", cover, graph.coordinates(cover, axis))), divisor
        )
        for axis in (2, 1)
    )
    found = graph.to_float(graph.op("Greater", area, 6.0))
    return x, y, graph.op("Mul", graph.op("Sqrt", divisor), RATIO), found


def _save_unmasker(path: Path, side: int | None) -> Outputs:
    graph = OnnxGraph()
    mask = graph.op("Round", graph.op("Mul", _blueness(graph, 120, 160), 255.0))
    opacity = graph.op("Div", mask, 255.0)
    pixels = graph.to_float("image")
    change = graph.op("Mul", graph.op("Sub", np.array(SKIN, np.float32), pixels), opacity)
    unmasked = graph.to_uint8(graph.op("Round", graph.op("Add", pixels, change)))
    specs = (
        TensorSpec("unmasked", "uint8", (None, 256, 256, 3)),
        TensorSpec("mask", "uint8", (None, 256, 256, 1)),
    )
    outputs = {"unmasked": (unmasked, specs[0]), "mask": (graph.to_uint8(mask), specs[1])}
    graph.save(path, side, outputs)
    return specs


def _save_detector(path: Path, side: int | None) -> Outputs:
    graph = OnnxGraph()
    cover = _blueness(graph, 40, 60)
    x, y, distance, found = _patch(graph, cover)
    lift = (BOX_CENTER[1] - CENTER[1]) / EYE_DISTANCE
    y = graph.op("Add", y, graph.op("Mul", distance, lift))
    off_x = graph.op("Sub", x, graph.coordinates(cover, 2, 8))
    off_y = graph.op("Sub", y, graph.coordinates(cover, 1, 8))
    square = graph.op("Add", graph.op("Mul", off_x, off_x), graph.op("Mul", off_y, off_y))
    near = graph.op("Sub", 1.3, graph.op("Div", graph.op("Sqrt", square), 12.0))
    scores = graph.op("Mul", graph.op("Clip", near, 0.0, 1.0), found)
    heat = graph.op("Squeeze", scores, np.array([3]))
    # Added to a value of each image, it gives every cell that value.
    zeros = graph.op("Mul", square, 0.0)
    parts = []
    for off, length in zip((off_x, off_y), BOX_SIDES, strict=True):
        pixels = graph.op("Mul", distance, length / EYE_DISTANCE)
        parts.append(graph.op("Add", graph.op("Div", off, pixels), zeros))
    for length in BOX_SIDES:
        cells = graph.op("Mul", distance, length / EYE_DISTANCE / 8)
        parts.append(graph.op("Add", graph.op("Log", cells), zeros))
    box = graph.op("Concat", *parts, axis=3)
    specs = (
        TensorSpec("heat", "float32", (None, None, None)),
        TensorSpec("box", "float32", (None, None, None, 4)),
    )
    graph.save(path, side, {"heat": (heat, specs[0]), "box": (box, specs[1])})
    return specs


def _save_aligner(path: Path, side: int | None) -> Outputs:
    graph = OnnxGraph()
    x, y, distance, found = _patch(graph, _blueness(graph, 40, 60))
    center = graph.op("Reshape", graph.op("Concat", x, y, axis=3), np.array([-1, 1, 2]))
    unit = graph.op("Reshape", distance, np.array([-1, 1, 1]))
    face = np.array([[-30, -63], [30, -63], [0, -20], [-22, 10], [22, 10]]) / EYE_DISTANCE
    points = graph.op("Add", center, graph.op("Mul", face[None], unit))
    points = graph.op("Div", graph.op("Add", points, 0.5), 112.0)
    specs = (
        TensorSpec("points", "float32", (None, 5, 2)),
        TensorSpec("score", "float32", (None,)),
    )
    score = graph.op("Reshape", found, np.array([-1]))
    graph.save(path, side, {"points": (points, specs[0]), "score": (score, specs[1])})
    return specs
