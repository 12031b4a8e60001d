"""Writes a model repository for the Triton server.

It holds the three networks, with dynamic batching, and a model of whole photos that calls them:

    DIR/unmask/                  photos: image files in, image files and JSON out
    DIR/unmask-256/              the unmasker, by its own name
    DIR/unmask-detector/
    DIR/unmask-aligner/

A model file of the package has its weight file next to it, which it refers to.

Model files are those of this package, or of a folder that `unmask export` wrote.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from unmask_sdk.core.manifest import MANIFEST_NAME, Artifact
from unmask_sdk.errors import ConfigError, InvalidInputError
from unmask_sdk.export.manifest import manifest_content
from unmask_sdk.export.write_files import write_files
from unmask_sdk.loading.load import candidates
from unmask_sdk.serving.networks import PHOTO_MODEL, model_name

from .model_config import BACKENDS, network_config, photo_config
from .plan_script import plan_script

MODEL_FILE = "model.onnx"
PLAN_SCRIPT = "build_plans.sh"
# The runtimes of this package that open the files of a backend.
_RUNTIMES = {"onnxruntime": "onnx", "tensorrt": "trt", "python": "onnx"}
_MODEL_PY = '''\
"""Written by `unmask export triton`; the code is in the package unmask-sdk."""

from unmask_sdk.serving.{module} import TritonPythonModel

__all__ = ["TritonPythonModel"]
'''


def export_repository(
    folder: Path,
    *,
    backend: str = "onnxruntime",
    precision: str = "auto",
    model: str | None = None,
    artifacts: Path | None = None,
) -> list[Artifact]:
    """Writes a model repository.

    Args:
        folder: Folder to write to; created if missing. Models of other names in it are kept.
        backend: What runs the networks: Triton's `onnxruntime` or `tensorrt` backend, or `python`:
            this package's runtime `onnx` in Triton's Python backend.
        precision: Of the unmasker; `auto` takes the one that the runtime of this package prefers.
        model: Name of the unmasker; None takes `unmask-256`, or the only one in `artifacts`.
        artifacts: Folder with a `manifest.json`; the package's own by default.

    Returns:
        Entries of the unmasker, the detector and the aligner.

    Raises:
        ConfigError: If there is no such backend, or it computes wrong values in this precision.
        InvalidInputError: If a model of the same name is in the folder, or no unmasker has the
            name `model`.
        ArtifactError: If a model file is missing, was changed, or lacks the precision.
        ExportError: If a file takes one image at a time, or the folder cannot be written to.
    """
    if backend not in BACKENDS:
        raise ConfigError(f"unknown backend {backend!r}; known are {', '.join(BACKENDS)}")
    if (backend, precision) == ("onnxruntime", "int8"):
        raise ConfigError(
            "Triton's ONNX Runtime backend has no setting for exact int8 on x86 CPUs without VNNI "
            "(session.x64quantprecision), where results are wrong; use --backend python, which "
            "sets it, --backend tensorrt, or another --precision"
        )
    found = candidates(_RUNTIMES[backend], precision, model=model, artifacts=artifacts)
    networks = [artifact for _, artifact in found]
    files: dict[str, bytes] = {}
    for manifest, artifact in found:
        place = model_name(artifact)
        path = manifest.path(artifact)
        files[f"{place}/config.pbtxt"] = network_config(artifact, backend).encode()
        files[f"{place}/1/{MODEL_FILE}"] = path.read_bytes()
        if artifact.external is not None:
            name = artifact.external.file
            files[f"{place}/1/{name}"] = path.with_name(name).read_bytes()
        if backend == "python":
            entry = replace(artifact, file=MODEL_FILE, package=None)
            files[f"{place}/1/{MANIFEST_NAME}"] = manifest_content([entry])
            files[f"{place}/1/model.py"] = _MODEL_PY.format(module="triton_network").encode()
    files[f"{PHOTO_MODEL}/config.pbtxt"] = photo_config().encode()
    files[f"{PHOTO_MODEL}/1/{MANIFEST_NAME}"] = manifest_content(networks)
    files[f"{PHOTO_MODEL}/1/model.py"] = _MODEL_PY.format(module="triton_photo").encode()
    if backend == "tensorrt":
        files[PLAN_SCRIPT] = plan_script(networks).encode()
    _check_names(folder, [PHOTO_MODEL, *map(model_name, networks)])
    write_files(folder, files)
    return networks


def _check_names(folder: Path, names: list[str]) -> None:
    """Raises if two models have one name, or a folder has it: a plan of old weights may be there.

    Raises:
        InvalidInputError: With the name.
    """
    for name in names:
        if names.count(name) > 1:
            raise InvalidInputError(
                f"the unmasker is named {name!r}, as another model of the repository is; rename "
                "its weight file, and export it again with: unmask export onnx"
            )
        if (folder / name).exists():
            raise InvalidInputError(
                f"--out {folder}: {name} is there already; remove it, or choose another folder"
            )
