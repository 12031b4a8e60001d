"""The script that builds the TensorRT plans of a model repository on the machine that serves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from unmask_sdk.core.manifest import Artifact
from unmask_sdk.runtimes.engines.profiles import PROFILES, Profile, Shape
from unmask_sdk.serving.networks import MAX_BATCH, model_name

_HEAD = """\
#!/bin/sh
# Builds the TensorRT plans that the models here need. A plan works with one kind of GPU and one
# version of TensorRT: run this on the machine that serves, in NVIDIA's TensorRT container of the
# same release as the Triton container (YY.MM):
#
#   docker run --rm --gpus all -v "$PWD:/models" nvcr.io/nvidia/tensorrt:YY.MM-py3 \\
#       sh /models/build_plans.sh
#
# TRTEXEC names the program if it is not in PATH.
set -eu
cd "$(dirname "$0")"
trtexec=${TRTEXEC:-$(command -v trtexec || echo /usr/src/tensorrt/bin/trtexec)}

# build MODEL SMALLEST BEST LARGEST: the shapes of its input.
build() {
    # The types in the file determine the precision: TensorRT 10 needs the flag, 11 always does so.
    "$trtexec" --onnx="$1/1/model.onnx" --saveEngine="$1/1/model.plan.part" --stronglyTyped \\
        --minShapes="$2" --optShapes="$3" --maxShapes="$4" --skipInference
    mv "$1/1/model.plan.part" "$1/1/model.plan"
}

"""


def plan_script(artifacts: Sequence[Artifact]) -> str:
    """Returns the script for the networks of a repository."""
    lines = []
    for artifact in artifacts:
        (spec,) = artifact.inputs
        shapes = plan_profile(artifact.role).shapes(spec)
        values = " ".join(f"{spec.name}:{_written(shape)}" for shape in shapes)
        lines.append(f"build {model_name(artifact)} {values}\n")
    return _HEAD + "".join(lines)


def plan_profile(role: str) -> Profile:
    """Returns the sizes for a role: those of this package's engines, for Triton's batches."""
    largest = MAX_BATCH[role]
    return replace(PROFILES[role], batch=(1, largest, largest))


def _written(shape: Shape) -> str:
    return "x".join(map(str, shape))
