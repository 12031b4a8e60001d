"""Makes a calibration set from a folder of faces, and searches the int8 plan for a network."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from unmask_sdk.calibration.calibration_set import pack_images, read_images, unpack_images
from unmask_sdk.calibration.plan import METHODS, Int8Plan, config_of, plan_for
from unmask_sdk.calibration.progress import ProgressFn, no_progress
from unmask_sdk.calibration.ranges import Histogram, find_ranges, observe
from unmask_sdk.core.arrays import UInt8Array
from unmask_sdk.core.atomic_write import atomic_write
from unmask_sdk.errors import DataError
from unmask_sdk.training.datasets.landmark_file import read_landmarks
from unmask_sdk.training.datasets.selection import check_splits
from unmask_sdk.training.nets.checkpoint import load_unmasker
from unmask_sdk.training.nets.unmasker_graph import UnmaskerGraph

from .faces import Sample, collect, held_out
from .quantizable_graph import QuantizableGraph
from .scoring import LIMITS, Int8Evaluator, QualityDrop
from .sensitivity import promote, quality_drop, sensitivity

# Methods are compared on this many pairs; layers are chosen on all pairs for choosing.
_PAIRS_FOR_METHODS = 24
# Differences in hole PSNR, dB, that are noise on so few pairs.
_NO_DIFFERENCE = 0.05
# A tenth stricter than the promise: the choice fits the pairs that it was made on.
_CHOOSING = replace(LIMITS, hole_psnr_db=0.18, ssim=0.0018, mask_iou=0.991)


@dataclass(frozen=True, eq=False)
class CalibrationResult:
    """Everything that a calibration found, for the report.

    Attributes:
        samples: The crops that were cut; empty if the package's own were taken.
        images: The calibration crops, uint8 `[N, 256, 256, 3]`.
        sha256: Digest of the set.
        plan: The plan.
        methods: Quality drop by (method, per channel), on the pairs for choosing.
        counts: Quality drop by number of crops, on the pairs for choosing.
        errors: Error that each layer causes in int8, the largest first; see `sensitivity`.
        promoted: Quality drop with 0, 1, 2, … layers in float, on the pairs for choosing.
        cpu: Quality drop of the finished file, on the pairs for reporting.
        symmetric: The same for a file with symmetric activations.
        pairs: Number of pairs for choosing, and for reporting.
        share: Share of the convolutions' work that is in int8, 0..1.
        size: Size of the float file divided by that of the int8 file.
        inputs: Values of each layer's input.
        ranges: Range of each layer's input in int8.
    """

    samples: Sequence[Sample]
    images: UInt8Array
    sha256: str
    plan: Int8Plan
    methods: Mapping[tuple[str, bool], QualityDrop]
    counts: Mapping[int, QualityDrop]
    errors: Mapping[str, float]
    promoted: Sequence[QualityDrop]
    cpu: QualityDrop
    symmetric: QualityDrop
    pairs: tuple[int, int]
    share: float
    size: float
    inputs: Mapping[str, Histogram]
    ranges: Mapping[str, tuple[float, float]]


def calibrate(
    folder: Path,
    landmarks: Path,
    weights: Path,
    out: Path,
    make_graph: Callable[[UnmaskerGraph], QuantizableGraph],
    *,
    count: int | None = 64,
    pairs: int = 200,
    progress: ProgressFn = no_progress,
) -> CalibrationResult:
    """Makes a calibration set and searches the plan for a network.

    Ranges come from training faces. Of the held-out pairs, every other one is used to choose the
    method and the layers; the quality drops that are reported come from the rest.

    Args:
        folder: Face images, one face each.
        landmarks: Their meshes, from `unmask synth`.
        weights: Weights of an unmasker.
        out: File of the set to write, an npz; written last.
        make_graph: Converts the network to a float graph: `export.onnx.exporter.float_graph`,
            which is passed in because this package does not import exporters.
        count: Number of calibration crops; `None` takes the package's own instead, and then no set
            is written.
        pairs: Number of held-out pairs.
        progress: Shows the caller's progress.

    Raises:
        DataError: If faces, landmarks or weights are not valid, or every plan loses too much.
    """
    network = load_unmasker(weights)
    size = network.unmasker.config.size
    faces = read_landmarks(landmarks)
    check_splits(faces, landmarks)
    samples = [] if count is None else collect(folder, faces, count, progress)
    all_pairs = held_out(folder, faces, pairs, size, progress)
    if len(all_pairs) < 2:
        raise DataError(f"{landmarks}: choosing and reporting need at least 2 faces of split val")

    graph = make_graph(network)
    choosing, reporting = all_pairs.part(slice(0, None, 2)), all_pairs.part(slice(1, None, 2))
    evaluator = Int8Evaluator(graph.file, choosing)
    quick = Int8Evaluator(graph.file, choosing.part(slice(0, _PAIRS_FOR_METHODS)))

    crops = [sample.image for sample in samples]
    # As they will be read from the file, whose images are compressed.
    stored = unpack_images(pack_images(crops), str(out)) if crops else read_images()
    images = stored.at(size)
    observed = observe(graph.file, graph.tensors(), images, progress=progress)
    methods = _compare_methods(graph, quick, observed, progress)
    method, per_channel = choose_method(methods)
    counts = _compare_counts(graph, quick, images, method, per_channel, progress)

    ranges = find_ranges(observed, method)
    errors = sensitivity(graph, evaluator, ranges, progress, per_channel=per_channel)
    kept, promoted = promote(
        graph, evaluator, ranges, errors, _CHOOSING, progress, per_channel=per_channel
    )

    final = Int8Evaluator(graph.file, reporting)
    file = graph.quantize(ranges, kept, per_channel=per_channel)
    cpu = final.quality_drop(file)
    plan = Int8Plan(
        keep_float=tuple(kept),
        method=method,
        per_channel=per_channel,
        config=config_of(network),
        weights_sha256=hashlib.sha256(weights.read_bytes()).hexdigest(),
        calibration_sha256=stored.sha256,
        quality={"pairs": len(reporting), **{k: round(v, 5) for k, v in asdict(cpu).items()}},
        # By realism, which this search does not measure.
        keep_float_symmetric=tuple(
            name for name in plan_for(network).keep_float_symmetric if name not in kept
        ),
    )
    symmetric = graph.quantize(
        ranges, plan.kept(symmetric=True), per_channel=per_channel, symmetric=True
    )
    result = CalibrationResult(
        samples=samples,
        images=stored.images,
        sha256=stored.sha256,
        plan=plan,
        methods=methods,
        counts=counts,
        errors=errors,
        promoted=promoted,
        cpu=cpu,
        symmetric=final.quality_drop(symmetric),
        pairs=(len(choosing), len(reporting)),
        share=graph.int8_share(file),
        size=len(graph.file) / len(file),
        inputs={name: observed[node.input[0]] for name, node in graph.convolutions.items()},
        ranges={name: ranges[node.input[0]] for name, node in graph.convolutions.items()},
    )
    if crops:
        _write(out, pack_images(crops, plan.to_json()))
    return result


def _compare_methods(
    graph: QuantizableGraph,
    evaluator: Int8Evaluator,
    observed: Mapping[str, Histogram],
    progress: ProgressFn,
) -> dict[tuple[str, bool], QualityDrop]:
    """Returns the quality drop by (method, per channel) with all layers in int8."""
    ranges = {m: find_ranges(observed, m) for m in progress(METHODS, "finding ranges")}
    combinations = [(method, per_channel) for method in METHODS for per_channel in (True, False)]
    return {
        (method, per_channel): quality_drop(
            graph, evaluator, ranges[method], (), per_channel=per_channel
        )
        for method, per_channel in progress(combinations, "comparing methods")
    }


def choose_method(methods: Mapping[tuple[str, bool], QualityDrop]) -> tuple[str, bool]:
    """Returns the method whose images are closest to float, if it loses no more than the best.

    Clipped ranges can score above float, because a smoother fill is closer to every truth. The
    image differs from that of float all the same, so such a score is no gain.

    Args:
        methods: Quality drop by (method, per channel).
    """
    least = max(0.0, min(drop.hole_psnr_db for drop in methods.values()))
    near = [key for key, drop in methods.items() if drop.hole_psnr_db <= least + _NO_DIFFERENCE]
    return max(near, key=lambda key: methods[key].psnr_db)


def _compare_counts(
    graph: QuantizableGraph,
    evaluator: Int8Evaluator,
    images: UInt8Array,
    method: str,
    per_channel: bool,
    progress: ProgressFn,
) -> dict[int, QualityDrop]:
    """Returns the quality drop by number of crops, which shows whether more would help."""
    found = {}
    numbers = [n for n in (1, 4, 16, 64, 256) if n < len(images)]
    for n in progress([*numbers, len(images)], "counts"):
        counted = method != "minmax"
        observed = observe(graph.file, graph.tensors(), images[:n], counted=counted)
        file = graph.quantize(find_ranges(observed, method), per_channel=per_channel)
        found[n] = evaluator.quality_drop(file)
    return found


def _write(out: Path, content: bytes) -> None:
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        atomic_write(out, content)
    except OSError as error:
        raise DataError(
            f"cannot write {out}: {error.strerror}; make room there or choose another --out"
        ) from error
