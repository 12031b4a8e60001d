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
from unmask_sdk.training.datasets.crops import FaceCrop, read_crop, seed_from_name
from unmask_sdk.training.datasets.landmark_file import FaceRecord
from unmask_sdk.training.datasets.people import source_dataset
from unmask_sdk.training.datasets.selection import subsample
from unmask_sdk.training.nets.unmasker_graph import UnmaskerGraph, composite
from unmask_sdk.training.synthesis.mask_shapes import MASK_TYPES

from .group_scores import GroupScore, Scale, kid_scales, score_groups
from .groups import corpus_of, yaw_degrees
from .kid import FaceFeatures
from .metrics import compare, intersection_over_union, sharpness
from .perceptual_distance import PerceptualDistance
from .realism import RealismFeatures
from .recognition import FaceRecognizer, Verification, draw_pairs, verify_pairs
from .scores import Score
from .stability import Stability, UnmaskFn, measure_stability

TELEA_RADIUS = 5
SHEET_FACES = 48
# Seed salts that are not used in training.
HELD_OUT = 77
PROBES = 78
PAIRS = 600
STABILITY_FACES = 60

INPUT, CLASSIC, OURS, TRUTH = "masked input", "Telea, true mask", "ours", "truth"
GIVEN = "ours, true mask"


@dataclass
class Evaluation:
    """All measurements.

    Attributes:
        scores: One for each face, mask and method, in this order.
        masks: Number of masks that each face was measured with.
        groups: Every network on every group of faces: data sets, yaw, mask types.
        scales: What KID means on these groups; empty if it was not measured.
        features: What KID compares; None if it was not measured.
        bare: Fraction of pixels that each network predicts as mask on each face without a mask.
        rows: Rows of the contact sheet: masked, Telea, ours, truth.
        verification: Face verification, by what the second image of each pair was.
        stability: How motion and noise change the result.
    """

    scores: list[Score] = field(default_factory=list)
    masks: int = 1
    groups: list[GroupScore] = field(default_factory=list)
    scales: list[Scale] = field(default_factory=list)
    features: RealismFeatures | None = None
    bare: dict[str, list[float]] = field(default_factory=dict)
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


@dataclass(frozen=True, eq=False)
class _Masked:
    """One mask on one face.

    Attributes:
        face: The face.
        crop: Its crop.
        kind: Type of the mask.
        image: uint8 `[S, S, 3]` RGB, with the mask.
        mask: uint8 `[S, S]`, its coverage.
        identity: Descriptor of the face without the mask; None without a recognizer.
    """

    face: FaceRecord
    crop: FaceCrop
    kind: str
    image: UInt8Array
    mask: UInt8Array
    identity: Float64Array | None


@dataclass(frozen=True, eq=False)
class _Judges:
    """Scores results with the networks that are not used in training, as far as they are given."""

    recognizer: FaceRecognizer | None
    distance: PerceptualDistance | None

    def score(
        self, method: str, image: UInt8Array, predicted: UInt8Array | None, given: _Masked
    ) -> Score:
        face, crop, truth, mask = given.face, given.crop, given.crop.truth, given.mask
        iou = identity = perceptual = None
        if predicted is not None:
            iou = intersection_over_union(predicted, mask, crop.valid)
        if self.recognizer and given.identity is not None:
            identity = float(self.recognizer.describe(image, crop) @ given.identity)
        if self.distance:
            perceptual = self.distance(image, truth, np.minimum(mask, crop.valid))
        return Score(
            method=method,
            face=face.name,
            source=source_dataset(face.name, face.person),
            corpus=corpus_of(face.name, face.person),
            yaw=yaw_degrees(face.landmarks),
            kind=given.kind,
            fidelity=compare(image, truth, mask, crop.valid),
            sharpness=sharpness(image, truth, mask, crop.valid),
            iou=iou,
            identity=identity,
            perceptual=perceptual,
        )


def _run_all(
    graph: UnmaskerGraph, methods: Mapping[str, UnmaskFn], given: _Masked
) -> dict[str, tuple[UInt8Array, UInt8Array | None]]:
    """Returns the result and the predicted mask, if there is one, of every method."""
    results: dict[str, tuple[UInt8Array, UInt8Array | None]] = {
        INPUT: (given.image, None),
        CLASSIC: (telea(given.image, given.mask), None),
    }
    if graph.unmasker.config.segmentation:
        results[GIVEN] = (inpaint_with_mask(graph, given.image, given.mask), None)
    return results | {name: unmask(given.image) for name, unmask in methods.items()}


def evaluate(
    folder: Path,
    faces: list[FaceRecord],
    graphs: Mapping[str, UnmaskerGraph],
    size: int,
    *,
    all_types: bool = False,
    pool: list[FaceRecord] | None = None,
    recognizer: FaceRecognizer | None = None,
    distance: PerceptualDistance | None = None,
    features: FaceFeatures | None = None,
) -> Evaluation:
    """Scores every method on every face.

    Args:
        folder: Folder of the images.
        faces: The faces.
        graphs: Exported graphs by name; `OURS` must be one of them.
        size: Side of the crops in pixels.
        all_types: Whether each face gets masks of all five types, instead of one type in turn.
        pool: Faces that pairs for verification are drawn from; None is `faces`.
        recognizer: Measures identity, and verifies pairs of people with several images.
        distance: Measures perceptual distance.
        features: Computes what KID compares.

    Raises:
        DataError: If there are no faces, or an image cannot be read.
    """
    if not faces:
        raise DataError("no faces to evaluate")
    methods = {name: run_graph(graph) for name, graph in graphs.items()}
    judges = _Judges(recognizer, distance)
    evaluation = Evaluation(masks=len(MASK_TYPES) if all_types else 1)
    evaluation.features = RealismFeatures(features) if features else None
    shown = {int(i) for i in np.linspace(0, len(faces) - 1, SHEET_FACES)}
    for index, face in enumerate(track(faces, "evaluating")):
        crop = read_crop(folder, face, size)
        identity = recognizer.describe(crop.truth, crop) if recognizer else None
        in_turn = MASK_TYPES[index % len(MASK_TYPES)]
        for kind in MASK_TYPES if all_types else (in_turn,):
            seed = seed_from_name(face.name, HELD_OUT)
            image, mask, _ = crop.masked(kind=kind, seed=seed)
            given = _Masked(face, crop, kind, image, mask, identity)
            results = _run_all(graphs[OURS], methods, given)
            for method, (result, predicted) in results.items():
                evaluation.scores.append(judges.score(method, result, predicted, given))
            if evaluation.features:
                for method in methods:
                    evaluation.features.add_result(method, results[method][0])
                if kind == in_turn:
                    evaluation.features.add_truth(crop.truth, mask)
            if kind == in_turn and index in shown:
                shown_results = [results[method][0] for method in (CLASSIC, OURS)]
                evaluation.rows.append([image, *shown_results, crop.truth])
        valid = crop.valid > 127
        for method, unmask in methods.items():
            _, on_bare = unmask(crop.truth)
            share = float(((on_bare > 127) & valid).sum() / valid.sum())
            evaluation.bare.setdefault(method, []).append(share)
    evaluation.groups = score_groups(
        evaluation.scores, evaluation.masks, evaluation.bare, evaluation.features
    )
    if evaluation.features:
        ours = [score for score in evaluation.scores if score.method == OURS]
        evaluation.scales = kid_scales(ours, evaluation.masks, evaluation.features)
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
