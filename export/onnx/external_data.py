"""Stores weights once: ONNX files whose large tensors are those of a weight file next to them.

ONNX calls it external data: a tensor names a file, an offset and a length instead of holding bytes.
The artifacts of the package are stored so, because they lie in one folder with their weights; files
that leave it are self-contained.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import onnx
from onnx.external_data_helper import load_external_data_for_model, set_external_data

from unmask_sdk.core.manifest import Artifact, ExternalData, Manifest, read_manifest
from unmask_sdk.errors import ExportError
from unmask_sdk.export import manifest

from .serialize import to_bytes

# Files of the format `trt` stay whole: TensorRT is given their content, without a folder.
FORMAT = "onnx"
# Smaller tensors stay in the file: to name a place elsewhere takes about 100 bytes.
SMALLEST = 1024
# Length of the number at the beginning of a safetensors file, which is that of its header.
_LENGTH = 8


def share_weights(folder: Path) -> tuple[Artifact, ...]:
    """Rewrites the ONNX files of a folder whose tensors also are in their weight file there.

    Each is proven first: with the tensors read back, it has the same bytes as before.

    Args:
        folder: Folder with a manifest.

    Returns:
        All entries of the new manifest.

    Raises:
        ArtifactError: If the manifest cannot be read, or a file is missing or was changed.
        ExportError: If a file read back differs, or the folder cannot be written to.
    """
    listed = read_manifest(folder)
    weights = {
        a.name: a for a in listed.artifacts if a.format == "safetensors" and a.package is None
    }
    entries, files = [], {}
    for artifact in listed.artifacts:
        entry = artifact
        if artifact.format == FORMAT and artifact.external is None and artifact.name in weights:
            content = _shared_content(listed, artifact, weights[artifact.name])
            if content is not None:
                files[artifact.file] = content
                entry = _with_external(artifact, content, weights[artifact.name])
        entries.append(entry)
    manifest.write(folder, entries, files)
    return tuple(entries)


def self_contained(path: Path) -> bytes:
    """Returns the content of an ONNX file, with external data read into it.

    Args:
        path: The file, its digest and that of its external data already checked.
    """
    return _embed(path.read_bytes(), path.parent)


def _shared_content(listed: Manifest, artifact: Artifact, weights: Artifact) -> bytes | None:
    """Returns the new content of a file; `None` if it holds no tensor of the weight file."""
    before = listed.path(artifact).read_bytes()
    content = _refer(before, listed.path(weights))
    if content is not None and _embed(content, listed.folder) != before:
        raise ExportError(
            f"{artifact.file} with the weights of {weights.file} is not what it was; check that "
            "the disk is free of errors, and report this with the version of onnx"
        )
    return content


def _with_external(artifact: Artifact, content: bytes, weights: Artifact) -> Artifact:
    return replace(
        artifact,
        sha256=hashlib.sha256(content).hexdigest(),
        bytes=len(content),
        external=ExternalData(weights.file, weights.sha256, weights.bytes),
    )


def _refer(content: bytes, weights: Path) -> bytes | None:
    """Returns an ONNX file that refers to a weight file for the tensors that are in both."""
    places = _places(weights.read_bytes())
    model = onnx.load_from_string(content)
    found = False
    for tensor in model.graph.initializer:
        data = tensor.raw_data
        if len(data) >= SMALLEST and data in places:
            set_external_data(tensor, weights.name, offset=places[data], length=len(data))
            tensor.ClearField("raw_data")
            found = True
    return to_bytes(model) if found else None


def _places(content: bytes) -> Mapping[bytes, int]:
    """Returns where in a safetensors file each tensor's bytes begin."""
    start = _LENGTH + int.from_bytes(content[:_LENGTH], "little")
    header = json.loads(content[_LENGTH:start])
    ranges = (entry["data_offsets"] for name, entry in header.items() if name != "__metadata__")
    return {content[start + first : start + end]: start + first for first, end in ranges}


def _embed(content: bytes, folder: Path) -> bytes:
    """Returns an ONNX file that holds all of its tensors."""
    model = onnx.load_from_string(content)
    load_external_data_for_model(model, str(folder))
    for tensor in model.graph.initializer:
        # onnx sets it to the default, which is written as a field of its own.
        tensor.ClearField("data_location")
    return to_bytes(model)
