"""Compares the images of every runtime with those of the reference.

The reference is PyTorch with the weights that the artifact was made from. Where torch is not
installed it is the artifact's golden vectors, which are few.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from unmask_sdk.core.arrays import UInt8Array
from unmask_sdk.core.optional_deps import missing_packages
from unmask_sdk.errors import ArtifactError, DeviceMismatchError, RuntimeUnavailableError
from unmask_sdk.runtimes.base import Runtime
from unmask_sdk.runtimes.registry import find_runtime

from .cases import Case
from .distances import Answers, Measures, to_reference, to_truth, worst_first
from .layers import Bisection, bisect
from .pictures import MakePictures, Pictures
from .thresholds import Thresholds

if TYPE_CHECKING:
    from unmask_sdk.training.evaluation.recognition import FaceRecognizer

TORCH = ("torch", "safetensors")
BATCH = 8
# Images of each case that the report shows.
SHOWN = 3


@dataclass(frozen=True, eq=False)
class WorstSample:
    """One image of a case: masked, as the reference unmasks it, and as this runtime does."""

    masked: UInt8Array
    reference: UInt8Array
    answer: UInt8Array


@dataclass(frozen=True, eq=False)
class Verdict:
    """The result of one case.

    Attributes:
        name: The case's name.
        model: The unmasker's name.
        runtime: The runtime's name.
        precision: Precision.
        ok: Whether it kept every limit; None if it could not be run.
        note: What it ran on, or why it was not run.
        reference: What it was compared with.
        pictures: What it was compared on.
        measures: From `distances.py`.
        misses: Limits that were exceeded.
        not_judged: Limits that cannot be judged from these images.
        bisection: Layer by layer; None if that was not asked for.
        worst: The images with the largest errors.
    """

    name: str
    model: str
    runtime: str
    precision: str
    ok: bool | None
    note: str
    reference: str = ""
    pictures: str = ""
    measures: Measures = field(default_factory=dict)
    misses: tuple[str, ...] = ()
    not_judged: tuple[str, ...] = ()
    bisection: Bisection | None = None
    worst: tuple[WorstSample, ...] = ()


def compare_all(
    cases: tuple[Case, ...],
    make: MakePictures,
    thresholds: Thresholds,
    *,
    weights: Path | None = None,
    recognizer: FaceRecognizer | None = None,
    layers: bool = False,
) -> Iterator[Verdict]:
    """Compares every case with the reference.

    Args:
        cases: The cases.
        make: Returns the images for a crop size.
        thresholds: What is allowed.
        weights: Weight file of the reference; `None` takes the one in each artifact's folder.
        recognizer: Judges identity, where the truth is known.
        layers: Compare layer by layer too; needs torch.

    Yields:
        A verdict as each case is done. A runtime that cannot be used here is recorded as such.

    Raises:
        ArtifactError: If a file is missing or was changed.
    """
    known: dict[tuple[str, int], tuple[str, Pictures, Answers]] = {}
    for case in cases:
        key = (case.artifact.weights_sha256, case.size)
        if key not in known:
            known[key] = _reference(case, make, weights)
        reference, pictures, expected = known[key]
        try:
            with case.open(threads=1) as runtime:
                note = f"{runtime.info.provider}, {runtime.info.device}"
                answers = _run(runtime, pictures.masked)
        except (RuntimeUnavailableError, DeviceMismatchError) as error:
            yield _verdict(case, None, str(error))
            continue
        measures = to_reference(pictures, expected, answers)
        if pictures.truth is not None:
            measures |= to_truth(pictures.truth, expected, answers, recognizer)
        misses = thresholds.misses(case.artifact.precision, measures)
        bisection = None
        if layers:
            file = weights or reference_file(case)
            k = _typical(expected.masks)
            bisection = bisect(case, file, pictures.masked[k : k + 1], thresholds)
            if bisection.first is not None:
                misses.append(f"layer {bisection.first.layer} diverges first")
        worst = worst_first(expected, answers)[:SHOWN]
        yield _verdict(
            case,
            not misses,
            note,
            reference=reference,
            pictures=pictures.source,
            measures=measures,
            misses=tuple(misses),
            not_judged=tuple(thresholds.not_judged(case.artifact.precision, measures)),
            bisection=bisection,
            worst=tuple(
                WorstSample(pictures.masked[k], expected.unmasked[k], answers.unmasked[k])
                for k in worst
            ),
        )


def reference_file(case: Case) -> Path:
    """Returns the weight file that a case's artifact was made from.

    Raises:
        ArtifactError: If the manifest does not list them.
    """
    for artifact in case.manifest.artifacts:
        if artifact.format in find_runtime("torch").formats and artifact.name == case.artifact.name:
            return case.manifest.path(artifact)
    raise ArtifactError(
        f"{case.manifest.folder} lists no weights of {case.artifact.name}; give them with "
        "--weights FILE, or export again"
    )


def _reference(
    case: Case, make: MakePictures, weights: Path | None
) -> tuple[str, Pictures, Answers]:
    if missing_packages(TORCH):
        with np.load(case.manifest.golden_path(case.artifact), allow_pickle=False) as stored:
            image, unmasked, mask = (
                stored[name] for name in ("in_image", "out_unmasked", "out_mask")
            )
        pictures = Pictures(f"{len(image)} golden vectors", image)
        return "golden vectors", pictures, Answers(unmasked, mask[..., 0])
    import torch

    from unmask_sdk.training.nets.checkpoint import load_unmasker

    pictures = make(case.size)
    graph = load_unmasker(weights or reference_file(case))
    parts: list[tuple[UInt8Array, UInt8Array]] = []
    with torch.inference_mode():
        for start in range(0, len(pictures.masked), BATCH):
            outputs = graph(torch.from_numpy(pictures.masked[start : start + BATCH]))
            parts.append((outputs[0].contiguous().numpy(), outputs[1].contiguous().numpy()))
    return f"torch {torch.__version__}", pictures, _joined(parts)


def _typical(masks: UInt8Array) -> int:
    """Returns the index of the picture whose hole has the median size, of those with a hole.

    Where the network is unsure, whole patches of the mask appear or vanish with the smallest
    error, also of a healthy layer; such pictures have unusually large or small holes.
    """
    sizes = (masks > 0).sum((1, 2))
    order = np.argsort(-sizes, kind="stable")
    return int(order[np.count_nonzero(sizes) // 2])


def _run(runtime: Runtime[Any], images: UInt8Array) -> Answers:
    return _joined(
        [runtime.run(images[start : start + BATCH]) for start in range(0, len(images), BATCH)]
    )


def _joined(parts: list[tuple[UInt8Array, UInt8Array]]) -> Answers:
    unmasked, masks = (np.concatenate(column) for column in zip(*parts, strict=True))
    return Answers(unmasked, masks[..., 0])


def _verdict(case: Case, ok: bool | None, note: str, **found: Any) -> Verdict:
    return Verdict(
        case.name,
        case.artifact.name,
        case.entry.name,
        case.artifact.precision,
        ok,
        note,
        **found,
    )
