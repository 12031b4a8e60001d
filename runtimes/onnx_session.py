"""One way to open an ONNX Runtime session, with the settings that this package measured."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import onnxruntime as ort
from onnxruntime.capi import onnxruntime_pybind11_state as engine

from unmask_sdk.core.cpu_features import multiplies_int8_exactly

CPU_PROVIDER = "CPUExecutionProvider"

# ONNX Runtime's exceptions share no base class but Exception.
OPEN_ERRORS = (
    engine.Fail,
    engine.InvalidArgument,
    engine.InvalidGraph,
    engine.InvalidProtobuf,
    engine.NotImplemented,
    engine.RuntimeException,
    UnicodeDecodeError,  # The message for a damaged file may quote bytes that are not UTF-8.
)
RUN_ERRORS = (engine.Fail, engine.InvalidArgument, engine.RuntimeException)

_ERRORS_ONLY = 3


def open_session(
    model: Path | bytes,
    *,
    threads: int | None = 1,
    optimize: bool = True,
    provider: str = CPU_PROVIDER,
    provider_options: Mapping[str, str] | None = None,
) -> ort.InferenceSession:
    """Opens an ONNX model.

    Args:
        model: A file, or the content of one.
        threads: Threads for one run; None takes one for each physical core.
        optimize: Whether ONNX Runtime may fuse and replace nodes. Without it, the graph runs node
            by node as the file has it.
        provider: ONNX Runtime's execution provider; it adds the one of the CPU by itself.
        provider_options: Options of that provider.

    Returns:
        The session. Compare `get_providers()[0]` with `provider`: ONNX Runtime falls back to the
        CPU without raising.

    Raises:
        Exception: One of `OPEN_ERRORS`, if ONNX Runtime does not open the model.
    """
    options = ort.SessionOptions()
    options.log_severity_level = _ERRORS_ONLY
    options.intra_op_num_threads = threads or 0
    options.inter_op_num_threads = 1
    if not optimize:
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    # Patterns are kept for each shape of the inputs: of the detector, which takes a 4K frame at two
    # sizes, 58 of 108 MB, for no gain in speed.
    options.enable_mem_pattern = False
    # Each session has its own threads. If they spin between runs, the threads of one network take
    # the cores from the next: a photo took 38.9 instead of 22.0 ms (two cores, interleaved).
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    if not multiplies_int8_exactly():
        # Selects slower instructions, also on CPUs with VNNI, where the results are the same: a run
        # of the unmasker took 40 instead of 16 ms on a Xeon with AMX.
        options.add_session_config_entry("session.x64quantprecision", "1")
    providers = [(provider, dict(provider_options or {}))]
    try:
        return ort.InferenceSession(model, options, providers=providers)
    except engine.Fail as error:
        # ONNX Runtime 1.32 cannot rewrite graphs with int8 activations, those for TensorRT, for
        # such a CPU. Node by node, they are computed in float32, which is exact too.
        if "replace the existing tensor" not in str(error):
            raise
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
        return ort.InferenceSession(model, options, providers=providers)
