"""From a folder of faces to a calibration set, a plan of what stays in float, and a report."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import onnx

from unmask_sdk.calibration.images import pack_images, read_images, unpack_images
from unmask_sdk.calibration.plan import METHODS, Plan, config_of
from unmask_sdk.calibration.ranges import Histogram, observe, ranges
from unmask_sdk.core.arrays import UInt8Array
from unmask_sdk.core.atomic_write import atomic_write
from unmask_sdk.errors import DataError
from unmask_sdk.export.onnx.exporter import to_onnx
from unmask_sdk.export.onnx.precision import int8_share
from unmask_sdk.export.onnx.quantize import FloatGraph
from unmask_sdk.export.roles import role_of
from unmask_sdk.training.datasets.landmark_file import read_landmarks
from unmask_sdk.training.datasets.selection import check_splits
from unmask_sdk.training.nets.checkpoint import load_unmasker

from .faces import Sample, Track, collect, held_out, plain
from .scoring import LIMITS, Judge, Loss
from .sensitivity import loss_of, promote, sensitivity

# Methods are told apart on so many pairs; the choice of layers takes all that are for choosing.
_PAIRS_FOR_METHODS = 24
# So many dB of hole PSNR are chance on so few.
_NO_DIFFERENCE = 0.05
# A tenth stricter than what is promised: the pairs chosen by flatter the choice.
_CHOOSING = replace(LIMITS, hole_psnr_db=0.18, ssim=0.0018, mask_iou=0.991)


@dataclass(frozen=True, eq=False)
class Outcome:
    """Everything that a calibration found; what the report shows.

    Attributes:
        samples: The crops that were cut; none where the package's own were taken.
        images: The calibration crops, uint8 `[N, 256, 256, 3]`.
        sha256: Digest of the set.
        plan: The plan.
        methods: Loss by (method, per channel), on the pairs for choosing.
        counts: Loss by number of crops, on the pairs for choosing.
        errors: Sensitivity of each layer, the worst first.
        promoted: Loss with none, one, two, … layers in float, on the pairs for choosing.
        cpu: Loss of the finished file, on the other pairs.
        symmetric: Loss of one with symmetric activations, on the other pairs.
        pairs: Number of pairs for choosing and of the others.
        share: Share of the convolutions' work that is in int8.
        size: Size of the float file over that of the int8 file.
        inputs: What each layer's input holds.
        ranges: What range each layer's input has in int8.
    """

    samples: Sequence[Sample]
    images: UInt8Array
    sha256: str
    plan: Plan
    methods: Mapping[tuple[str, bool], Loss]
    counts: Mapping[int, Loss]
    errors: Mapping[str, float]
    promoted: Sequence[Loss]
    cpu: Loss
    symmetric: Loss
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
    *,
    count: int | None = 64,
    pairs: int = 200,
    track: Track = plain,
) -> Outcome:
    """Makes a calibration set, and finds the plan that goes with it.

    Ranges come from training faces. Of the held-out pairs, every other one serves to choose the
    method and the layers; the losses that are reported come from the rest.

    Args:
        folder: Faces, one a picture.
        landmarks: Their meshes, as `unmask synth` writes them.
        weights: Weights of an unmasker.
        out: The set's file to write, an npz; written last.
        count: Number of calibration crops; None takes the package's own instead, and no set is
            written, for there is one.
        pairs: Number of held-out pairs.
        track: Goes round a list, for the caller to show progress.

    Raises:
        DataError: If faces, landmarks or weights are not valid, or no plan loses little enough.
    """
    network = load_unmasker(weights)
    role, size = role_of(network), network.unmasker.config.size
    faces = read_landmarks(landmarks)
    check_splits(faces, landmarks)
    samples = [] if count is None else collect(folder, faces, count, track)
    known = held_out(folder, faces, pairs, size, track)
    if len(known) < 2:
        raise DataError(f"{landmarks}: choosing and reporting take 2 faces of split val at least")

    graph = FloatGraph(to_onnx(network, role.inputs(size), role.outputs(size)))
    choosing, reporting = known.part(slice(0, None, 2)), known.part(slice(1, None, 2))
    judge = Judge(graph.file, choosing)
    quick = Judge(graph.file, choosing.part(slice(0, _PAIRS_FOR_METHODS)))

    crops = [sample.image for sample in samples]
    # As they will be read from the file, whose pictures are compressed.
    stored = unpack_images(pack_images(crops), str(out)) if crops else read_images()
    images = stored.at(size)
    observed = observe(graph.file, graph.tensors(), images, track=track)
    methods = _methods(graph, quick, observed, track)
    method, per_channel = nearest(methods)
    counts = _counts(graph, quick, images, method, per_channel, track)

    found, options = ranges(observed, method), {"per_channel": per_channel}
    errors = sensitivity(graph, judge, found, track, **options)
    kept, promoted = promote(graph, judge, found, errors, _CHOOSING, track, **options)

    final = Judge(graph.file, reporting)
    file = graph.quantise(found, kept, **options)
    cpu = final.loss(file)
    plan = Plan(
        keep_float=tuple(kept),
        method=method,
        per_channel=per_channel,
        config=config_of(network),
        weights_sha256=hashlib.sha256(weights.read_bytes()).hexdigest(),
        calibration_sha256=stored.sha256,
        quality={"pairs": len(reporting), **{k: round(v, 5) for k, v in asdict(cpu).items()}},
    )
    outcome = Outcome(
        samples=samples,
        images=stored.images,
        sha256=stored.sha256,
        plan=plan,
        methods=methods,
        counts=counts,
        errors=errors,
        promoted=promoted,
        cpu=cpu,
        symmetric=final.loss(graph.quantise(found, kept, symmetric=True, **options)),
        pairs=(len(choosing), len(reporting)),
        share=int8_share(onnx.load_from_string(file)),
        size=len(graph.file) / len(file),
        inputs={name: observed[node.input[0]] for name, node in graph.convolutions.items()},
        ranges={name: found[node.input[0]] for name, node in graph.convolutions.items()},
    )
    if crops:
        _write(out, pack_images(crops, plan.to_json()))
    return outcome


def _methods(
    graph: FloatGraph, judge: Judge, observed: Mapping[str, Histogram], track: Track
) -> dict[tuple[str, bool], Loss]:
    found = {method: ranges(observed, method) for method in track(METHODS, "finding ranges")}
    combinations = [(method, per_channel) for method in METHODS for per_channel in (True, False)]
    return {
        (method, per_channel): loss_of(graph, judge, found[method], (), per_channel=per_channel)
        for method, per_channel in track(combinations, "comparing methods")
    }


def nearest(methods: Mapping[tuple[str, bool], Loss]) -> tuple[str, bool]:
    """The method nearest to float, of those that lose no more hole PSNR than the best.

    Clipped ranges can score above float, since a softer fill is nearer to every truth; the picture
    is another one all the same, so that is no gain.
    """
    least = max(0.0, min(loss.hole_psnr_db for loss in methods.values()))
    near = [key for key, loss in methods.items() if loss.hole_psnr_db <= least + _NO_DIFFERENCE]
    return max(near, key=lambda key: methods[key].psnr_db)


def _counts(
    graph: FloatGraph,
    judge: Judge,
    images: UInt8Array,
    method: str,
    per_channel: bool,
    track: Track,
) -> dict[int, Loss]:
    """Loss with ranges from the first few crops only: whether more crops would help."""
    found = {}
    numbers = [n for n in (1, 4, 16, 64, 256) if n < len(images)]
    for n in track([*numbers, len(images)], "counts"):
        counted = method != "minmax"
        few = ranges(observe(graph.file, graph.tensors(), images[:n], counted=counted), method)
        found[n] = judge.loss(graph.quantise(few, per_channel=per_channel))
    return found


def _write(out: Path, content: bytes) -> None:
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        atomic_write(out, content)
    except OSError as error:
        raise DataError(
            f"cannot write {out}: {error.strerror}; make room there or choose another --out"
        ) from error
