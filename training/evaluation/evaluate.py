"""`unmask evaluate`: what the unmasker is worth on faces it has not seen.

Everything is measured on valid pixels only, at full crop size, through the exported uint8 graph:
the network finds the mask by itself. Beside it stand the masked input, OpenCV's Telea inpainting,
which is given the true mask, and any other weights.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
import torch
from rich.progress import track
from torch import Tensor, nn

from unmask_sdk.core.arrays import UInt8Array
from unmask_sdk.errors import DataError
from unmask_sdk.training.datasets.crops import read_crop, seed_from_name
from unmask_sdk.training.datasets.landmark_file import FaceRecord
from unmask_sdk.training.datasets.people import source_dataset
from unmask_sdk.training.datasets.selection import subsample
from unmask_sdk.training.nets.graph import UnmaskerGraph
from unmask_sdk.training.nets.networks import UnmaskerNet
from unmask_sdk.training.synthesis.mask_shapes import MASK_TYPES

from .metrics import Fidelity, compare, intersection_over_union
from .perceptual_distance import PerceptualDistance
from .recognition import FaceRecognizer, Verification, draw_pairs, verify_pairs
from .stability import Stability, Unmask, measure_stability

TELEA_RADIUS = 5
SHEET_FACES = 48
# Seed salts that training never uses.
HELD_OUT = 77
PROBES = 78
PAIRS = 600
STABILITY_FACES = 60
# A bare face counts as left alone up to this share of its crop.
EMPTY_SHARE = 0.005

INPUT, CLASSIC, OURS, TRUTH = "masked input", "Telea, true mask", "ours", "truth"
GIVEN = "ours, true mask"


@dataclass(frozen=True)
class Score:
    """One method on one face.

    Attributes:
        method: Name of the method.
        face: Name of the face's picture.
        source: The data set that it is from, see `people.source_of`.
        kind: Type of its mask.
        fidelity: Distance to the truth.
        iou: Of the mask found; None for methods that find none.
        identity: SFace's cosine to the truth; None without a recognizer.
        perceptual: Perceptual distance to the truth; None without its network.
    """

    method: str
    face: str
    source: str
    kind: str
    fidelity: Fidelity
    iou: float | None
    identity: float | None
    perceptual: float | None


@dataclass
class Evaluation:
    """All that was measured.

    Attributes:
        scores: One for each method and face.
        bare: Share of pixels marked as mask on each face without one.
        rows: Sheet rows: masked, Telea, ours, truth.
        verification: Pairs with one side masked, by what the masked side was replaced with.
        stability: What motion and noise do to the result.
    """

    scores: list[Score] = field(default_factory=list)
    bare: list[float] = field(default_factory=list)
    rows: list[list[UInt8Array]] = field(default_factory=list)
    verification: dict[str, Verification] = field(default_factory=dict)
    stability: Stability | None = None


def telea(masked: UInt8Array, mask: UInt8Array) -> UInt8Array:
    """OpenCV's Telea inpainting, given the true mask."""
    hole = cv2.dilate((mask > 0).astype(np.uint8), np.ones((3, 3), np.uint8))
    filled = cv2.inpaint(
        np.ascontiguousarray(masked[..., ::-1]), hole, TELEA_RADIUS, cv2.INPAINT_TELEA
    )
    return np.asarray(filled[..., ::-1], np.uint8)


def run_graph(graph: nn.Module) -> Unmask:
    """A function from one crop to the unmasked crop and the mask found, on the graph's device."""
    device = next(graph.parameters()).device

    def run(crop: UInt8Array) -> tuple[UInt8Array, UInt8Array]:
        with torch.inference_mode():
            unmasked, mask = graph(torch.from_numpy(crop[None]).to(device))
        return unmasked[0].cpu().numpy(), mask[0, ..., 0].cpu().numpy()

    return run


class _MaskGiven(nn.Module):
    """An unmasker that is told the mask instead of finding it."""

    def __init__(self, unmasker: UnmaskerNet, mask: UInt8Array) -> None:
        super().__init__()
        self.unmasker = unmasker
        self.mask = torch.from_numpy(mask)[None, None].float() / 255

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        mask = self.mask.to(image.device)
        return (*self.unmasker.inpaint_soft(image, mask), mask)


def fill_given(graph: UnmaskerGraph, masked: UInt8Array, mask: UInt8Array) -> UInt8Array:
    """The unmasked crop, where the network is told the true mask: the best that stage two does."""
    return run_graph(UnmaskerGraph(_MaskGiven(graph.unmasker, mask)))(masked)[0]


def evaluate(
    folder: Path,
    faces: list[FaceRecord],
    graphs: Mapping[str, UnmaskerGraph],
    size: int,
    *,
    pool: list[FaceRecord] | None = None,
    recognizer: FaceRecognizer | None = None,
    distance: PerceptualDistance | None = None,
) -> Evaluation:
    """Scores every face with one mask, the five types in turn.

    Args:
        folder: Folder of the pictures.
        faces: The faces.
        graphs: Exported graphs by name; `OURS` must be one of them.
        size: Side of the crops.
        pool: Faces that pairs for verification are drawn from; `faces` if left out.
        recognizer: Judges identity, and verifies pairs of the persons with several pictures.
        distance: Judges perceptual distance.
    """
    if not faces:
        raise DataError("no faces to evaluate")
    methods = {name: run_graph(graph) for name, graph in graphs.items()}
    found = Evaluation()
    shown = {int(i) for i in np.linspace(0, len(faces) - 1, SHEET_FACES)}
    for index, face in enumerate(track(faces, "evaluating")):
        kind = MASK_TYPES[index % len(MASK_TYPES)]
        crop = read_crop(folder, face, size)
        truth = crop.truth
        masked, mask, _ = crop.masked(kind=kind, seed=seed_from_name(face.name, HELD_OUT))
        answers = {INPUT: (masked, None), CLASSIC: (telea(masked, mask), None)}
        if graphs[OURS].unmasker.config.segmentation:
            answers[GIVEN] = (fill_given(graphs[OURS], masked, mask), None)
        answers |= {name: unmask(masked) for name, unmask in methods.items()}
        identity = recognizer.describe(truth, crop) if recognizer else None
        for method, (picture, marked) in answers.items():
            score = Score(
                method=method,
                face=face.name,
                source=source_dataset(face.name, face.person),
                kind=kind,
                fidelity=compare(picture, truth, mask, crop.valid),
                iou=None if marked is None else intersection_over_union(marked, mask, crop.valid),
                identity=float(recognizer.describe(picture, crop) @ identity)
                if recognizer and identity is not None
                else None,
                perceptual=distance(picture, truth, np.minimum(mask, crop.valid))
                if distance
                else None,
            )
            found.scores.append(score)
        _, on_bare = methods[OURS](truth)
        data = crop.valid > 127
        found.bare.append(float(((on_bare > 127) & data).sum() / data.sum()))
        if index in shown:
            found.rows.append([masked, answers[CLASSIC][0], answers[OURS][0], truth])
    some = subsample(faces, STABILITY_FACES)
    found.stability = measure_stability(folder, some, methods[OURS], size)
    if recognizer:
        found.verification = verify(folder, pool or faces, methods[OURS], size, recognizer)
    return found


def verify(
    folder: Path, faces: list[FaceRecord], unmask: Unmask, size: int, recognizer: FaceRecognizer
) -> dict[str, Verification]:
    """Verifies pairs of pictures, the second of each masked, unmasked, or never masked.

    Returns:
        Results by what the second picture was; empty where no person has two pictures.
    """
    pairs, genuine = draw_pairs([face.person for face in faces], PAIRS)
    if not len(pairs):
        return {}
    vectors: dict[tuple[str, int], np.ndarray] = {}
    for index in track(sorted({int(i) for i in pairs.ravel()}), "verifying"):
        crop = read_crop(folder, faces[index], size)
        kind = MASK_TYPES[index % len(MASK_TYPES)]
        masked, _, _ = crop.masked(kind=kind, seed=seed_from_name(faces[index].name, PROBES))
        versions = {INPUT: masked, OURS: unmask(masked)[0], TRUTH: crop.truth}
        for name, picture in versions.items():
            vectors[name, index] = recognizer.describe(picture, crop)
    return {
        name: verify_pairs(
            np.array([vectors[TRUTH, int(a)] @ vectors[name, int(b)] for a, b in pairs]), genuine
        )
        for name in (INPUT, OURS, TRUTH)
    }
