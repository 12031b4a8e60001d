"""`unmask evaluate`: measures the unmasker on faces it has not seen.

Everything is measured on valid pixels only, at full crop size, through the exported uint8 graph,
which predicts the mask itself. For comparison the masked input, OpenCV's Telea inpainting with the
true mask, and any other weights are measured too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
import torch
from rich.progress import track
from torch import nn

from unmask_sdk.core.arrays import Float64Array, UInt8Array
from unmask_sdk.errors import DataError
from unmask_sdk.training.datasets.crops import read_crop, seed_from_name
from unmask_sdk.training.datasets.landmark_file import FaceRecord
from unmask_sdk.training.datasets.people import source_dataset
from unmask_sdk.training.datasets.selection import subsample
from unmask_sdk.training.nets.unmasker_graph import UnmaskerGraph, composite
from unmask_sdk.training.synthesis.mask_shapes import MASK_TYPES

from .metrics import Fidelity, compare, intersection_over_union
from .perceptual_distance import PerceptualDistance
from .recognition import FaceRecognizer, Verification, draw_pairs, verify_pairs
from .stability import Stability, UnmaskFn, measure_stability

TELEA_RADIUS = 5
SHEET_FACES = 48
# Seed salts that are not used in training.
HELD_OUT = 77
PROBES = 78
PAIRS = 600
STABILITY_FACES = 60
# A bare face counts as unchanged if at most this fraction of its crop is found to be mask.
EMPTY_SHARE = 0.005

INPUT, CLASSIC, OURS, TRUTH = "masked input", "Telea, true mask", "ours", "truth"
GIVEN = "ours, true mask"


@dataclass(frozen=True)
class Score:
    """One method on one face.

    Attributes:
        method: Name of the method.
        face: Name of the face's image.
        source: The data set that it is from, see `people.source_dataset`.
        kind: Type of its mask.
        fidelity: Distance to the truth.
        iou: IoU of the predicted and the true mask; None for methods that predict none.
        identity: Cosine similarity of SFace's descriptors to the truth; None without a recognizer.
        perceptual: Perceptual distance to the truth; None without a network for it.
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
    """All measurements.

    Attributes:
        scores: One for each method and face.
        bare: Fraction of pixels predicted as mask on each face without a mask.
        rows: Rows of the contact sheet: masked, Telea, ours, truth.
        verification: Face verification, by what the second image of each pair was.
        stability: How motion and noise change the result.
    """

    scores: list[Score] = field(default_factory=list)
    bare: list[float] = field(default_factory=list)
    rows: list[list[UInt8Array]] = field(default_factory=list)
    verification: dict[str, Verification] = field(default_factory=dict)
    stability: Stability | None = None


def telea(masked: UInt8Array, mask: UInt8Array) -> UInt8Array:
    """Inpaints a crop with OpenCV's Telea method and the true mask.

    Args:
        masked: uint8 `[S, S, 3]` RGB.
        mask: uint8 `[S, S]`; every pixel above 0 is inpainted, and one more around.
    """
    hole = cv2.dilate((mask > 0).astype(np.uint8), np.ones((3, 3), np.uint8))
    filled = cv2.inpaint(
        np.ascontiguousarray(masked[..., ::-1]), hole, TELEA_RADIUS, cv2.INPAINT_TELEA
    )
    return np.asarray(filled[..., ::-1], np.uint8)


def run_graph(graph: nn.Module) -> UnmaskFn:
    """Returns a function that unmasks one crop, on the device of the graph."""
    device = next(graph.parameters()).device

    def run(crop: UInt8Array) -> tuple[UInt8Array, UInt8Array]:
        with torch.inference_mode():
            unmasked, mask = graph(torch.from_numpy(crop[None]).to(device))
        return unmasked[0].cpu().numpy(), mask[0, ..., 0].cpu().numpy()

    return run


@torch.inference_mode()
def inpaint_with_mask(graph: UnmaskerGraph, masked: UInt8Array, mask: UInt8Array) -> UInt8Array:
    """Unmasks a crop with the true mask instead of the predicted one.

    It is the best result that the generator can reach.

    Args:
        graph: The exported graph.
        masked: uint8 `[S, S, 3]` RGB.
        mask: uint8 `[S, S]`.
    """
    device = next(graph.parameters()).device
    image = torch.from_numpy(masked[None]).to(device)
    pixels = image.to(torch.float32).permute(0, 3, 1, 2).contiguous()
    probability = torch.from_numpy(mask)[None, None].to(device).float() / 255
    generated, opacity = graph.unmasker.inpaint_soft(pixels * (1.0 / 127.5) - 1.0, probability)
    unmasked, _ = composite(pixels, generated.float(), opacity.float(), probability)
    return np.asarray(unmasked[0].permute(1, 2, 0).to(torch.uint8).cpu().numpy(), np.uint8)


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
    """Scores every method on every face, each with one mask of the five types in turn.

    Args:
        folder: Folder of the images.
        faces: The faces.
        graphs: Exported graphs by name; `OURS` must be one of them.
        size: Side of the crops in pixels.
        pool: Faces that pairs for verification are drawn from; None is `faces`.
        recognizer: Measures identity, and verifies pairs of people with several images.
        distance: Measures perceptual distance.

    Raises:
        DataError: If there are no faces, or an image cannot be read.
    """
    if not faces:
        raise DataError("no faces to evaluate")
    methods = {name: run_graph(graph) for name, graph in graphs.items()}
    evaluation = Evaluation()
    shown = {int(i) for i in np.linspace(0, len(faces) - 1, SHEET_FACES)}
    for index, face in enumerate(track(faces, "evaluating")):
        kind = MASK_TYPES[index % len(MASK_TYPES)]
        crop = read_crop(folder, face, size)
        truth = crop.truth
        masked, mask, _ = crop.masked(kind=kind, seed=seed_from_name(face.name, HELD_OUT))
        results: dict[str, tuple[UInt8Array, UInt8Array | None]] = {
            INPUT: (masked, None),
            CLASSIC: (telea(masked, mask), None),
        }
        if graphs[OURS].unmasker.config.segmentation:
            results[GIVEN] = (inpaint_with_mask(graphs[OURS], masked, mask), None)
        results |= {name: unmask(masked) for name, unmask in methods.items()}
        identity = recognizer.describe(truth, crop) if recognizer else None
        for method, (image, predicted) in results.items():
            score = Score(
                method=method,
                face=face.name,
                source=source_dataset(face.name, face.person),
                kind=kind,
                fidelity=compare(image, truth, mask, crop.valid),
                iou=None
                if predicted is None
                else intersection_over_union(predicted, mask, crop.valid),
                identity=float(recognizer.describe(image, crop) @ identity)
                if recognizer and identity is not None
                else None,
                perceptual=distance(image, truth, np.minimum(mask, crop.valid))
                if distance
                else None,
            )
            evaluation.scores.append(score)
        _, on_bare = methods[OURS](truth)
        valid = crop.valid > 127
        evaluation.bare.append(float(((on_bare > 127) & valid).sum() / valid.sum()))
        if index in shown:
            evaluation.rows.append([masked, results[CLASSIC][0], results[OURS][0], truth])
    some = subsample(faces, STABILITY_FACES)
    evaluation.stability = measure_stability(folder, some, methods[OURS], size)
    if recognizer:
        evaluation.verification = verify(folder, pool or faces, methods[OURS], size, recognizer)
    return evaluation


def verify(
    folder: Path, faces: list[FaceRecord], unmask: UnmaskFn, size: int, recognizer: FaceRecognizer
) -> dict[str, Verification]:
    """Verifies pairs of images, the second of each masked, unmasked, or never masked.

    Returns:
        Results by what the second image was; empty if fewer than two people have two images.
    """
    pairs, genuine = draw_pairs([face.person for face in faces], PAIRS)
    if not len(pairs):
        return {}
    vectors: dict[tuple[str, int], Float64Array] = {}
    for index in track(sorted({int(i) for i in pairs.ravel()}), "verifying"):
        crop = read_crop(folder, faces[index], size)
        kind = MASK_TYPES[index % len(MASK_TYPES)]
        masked, _, _ = crop.masked(kind=kind, seed=seed_from_name(faces[index].name, PROBES))
        versions = {INPUT: masked, OURS: unmask(masked)[0], TRUTH: crop.truth}
        for name, image in versions.items():
            vectors[name, index] = recognizer.describe(image, crop)
    return {
        name: verify_pairs(
            np.array([vectors[TRUTH, int(a)] @ vectors[name, int(b)] for a, b in pairs]), genuine
        )
        for name in (INPUT, OURS, TRUTH)
    }
