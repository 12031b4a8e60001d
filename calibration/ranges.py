"""Ranges of activations: which values int8 has to represent, and which it may clip.

The float graph is run on the calibration crops with its inner tensors as outputs, one crop at a
time: once for minima and maxima and, for the methods that need them, once more for histograms.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import onnx
import onnxruntime as ort
from onnxruntime.quantization.calibrate import HistogramCollector

from unmask_sdk.core.arrays import Float64Array, FloatArray, Int64Array, UInt8Array
from unmask_sdk.runtimes.onnx_session import open_session

from .plan import METHODS
from .progress import ProgressFn, no_progress

Ranges = dict[str, tuple[float, float]]

BINS = 2048
# Every fifth value goes into the histograms: neighbors are similar.
_STEP = 5
# Share of the values that `percentile` covers.
_PERCENTILE = 0.9999
_LEVELS = 255


@dataclass(frozen=True, eq=False)
class Histogram:
    """The values that a tensor takes.

    Attributes:
        low: Smallest value.
        high: Largest value.
        counts: `[BINS]` over `-reach..reach`, where `reach` is the largest magnitude; `None` if
            values were not counted.
    """

    low: float
    high: float
    counts: Int64Array | None = None

    @property
    def edges(self) -> Float64Array:
        """The edges of the bins, `[BINS + 1]`."""
        reach = max(-self.low, self.high)
        return np.linspace(-reach, reach, BINS + 1)


def observe(
    model: bytes,
    tensors: Sequence[str],
    images: UInt8Array,
    *,
    counted: bool = True,
    progress: ProgressFn = no_progress,
) -> dict[str, Histogram]:
    """Measures the values that a float graph's tensors take.

    Args:
        model: ONNX file with one image input.
        tensors: Names of the tensors.
        images: uint8 `[N, S, S, 3]` in the graph's size, N at least 1.
        counted: Whether to make histograms; `minmax` does not need them.
        progress: Shows the caller's progress.

    Returns:
        Histograms by the names of the tensors.
    """
    session = _session(model, tensors)
    name = session.get_inputs()[0].name
    return gather(
        lambda row: session.run(list(tensors), {name: images[row : row + 1]}),
        tensors,
        len(images),
        counted=counted,
        progress=progress,
    )


def gather(
    run: Callable[[int], Sequence[FloatArray]],
    tensors: Sequence[str],
    count: int,
    *,
    counted: bool = True,
    progress: ProgressFn = no_progress,
) -> dict[str, Histogram]:
    """Measures the values that tensors take, with any engine.

    Args:
        run: Returns the tensors' values for an image, by its index.
        tensors: Names of the tensors.
        count: Number of images, at least 1.
        counted: Whether to make histograms; `minmax` does not need them.
        progress: Shows the caller's progress.

    Returns:
        Histograms by the names of the tensors.
    """

    def runs(what: str) -> Iterator[Sequence[FloatArray]]:
        return map(run, progress(range(count), what))

    low = np.full(len(tensors), np.inf)
    high = np.full(len(tensors), -np.inf)
    for values in runs("ranges"):
        low = np.minimum(low, [x.min() for x in values])
        high = np.maximum(high, [x.max() for x in values])
    found = [Histogram(float(a), float(b)) for a, b in zip(low, high, strict=True)]
    if counted:
        counts = np.zeros((len(tensors), BINS), np.int64)
        spans = [(h.edges[0], h.edges[-1]) for h in found]
        for values in runs("histograms"):
            for k, x in enumerate(values):
                counts[k] += np.histogram(x.ravel()[::_STEP], BINS, spans[k])[0]
        found = [Histogram(h.low, h.high, c) for h, c in zip(found, counts, strict=True)]
    return dict(zip(tensors, found, strict=True))


def find_ranges(observed: Mapping[str, Histogram], method: str) -> Ranges:
    """Returns the range of each tensor by one of `METHODS`; all ranges contain 0."""
    choose = dict(zip(METHODS, (_minmax, _entropy, _percentile, _mse), strict=True))[method]
    found = {}
    for name, histogram in observed.items():
        low, high = choose(histogram)
        found[name] = (min(low, 0.0), max(high, 0.0))
    return found


def _session(model: bytes, tensors: Sequence[str]) -> ort.InferenceSession:
    graph = onnx.load_from_string(model)
    present = {output.name for output in graph.graph.output}
    graph.graph.output.extend(
        onnx.ValueInfoProto(name=name) for name in tensors if name not in present
    )
    # After fusion, some tensors would no longer be those of the file.
    return open_session(graph.SerializeToString(), threads=None, optimize=False)


def _counts(histogram: Histogram) -> Int64Array:
    """Returns the counts of a histogram.

    Raises:
        ValueError: If its values were not counted.
    """
    if histogram.counts is None:
        raise ValueError("this method needs histograms; observe the graph with counted=True")
    return histogram.counts


def _minmax(histogram: Histogram) -> tuple[float, float]:
    return histogram.low, histogram.high


def _percentile(histogram: Histogram) -> tuple[float, float]:
    counts = _counts(histogram)
    share = np.cumsum(counts) / counts.sum()
    tail = (1 - _PERCENTILE) / 2
    low = histogram.edges[np.searchsorted(share, tail, side="right")]
    high = histogram.edges[np.searchsorted(share, 1 - tail) + 1]
    return max(float(low), histogram.low), min(float(high), histogram.high)


def _entropy(histogram: Histogram) -> tuple[float, float]:
    if histogram.low == histogram.high:
        return histogram.low, histogram.high
    collector = HistogramCollector("entropy", False, BINS, 128, 100 * _PERCENTILE, "same")
    # An eighth of the bins, since the search takes time by the square of their number.
    counts = _counts(histogram).reshape(-1, 8).sum(1)
    edges = histogram.edges[::8].astype(np.float32)
    low, high = np.float32(histogram.low), np.float32(histogram.high)
    found = collector.get_entropy_threshold((counts, edges, low, high, edges[-1]), 128)
    return float(found[0]), float(found[1])


def _mse(histogram: Histogram) -> tuple[float, float]:
    """Returns the range, scaled by one factor, whose rounding and clipping errors are smallest."""
    edges, counts = histogram.edges, _counts(histogram)
    values = (edges[1:] + edges[:-1]) / 2
    best, least = (histogram.low, histogram.high), np.inf
    for share in np.linspace(1.0, 0.3, 71):
        low, high = min(share * histogram.low, 0.0), max(share * histogram.high, 0.0)
        step = (high - low) / _LEVELS
        if step == 0:
            break
        rounding = step**2 / 12
        clipped = values - np.clip(values, low, high)
        error = float((counts * (clipped**2 + rounding)).sum())
        if error < least:
            best, least = (low, high), error
    return best
