"""The artifacts in the package: whole, right, and proved on pictures that prove something."""

from __future__ import annotations

import numpy as np
import pytest

from unmask_sdk.core.manifest import (
    MANIFEST_NAME,
    ROLES,
    ExternalData,
    Manifest,
    read_manifest,
    shipped_folder,
)
from unmask_sdk.golden_vectors import iter_checks

pytest.importorskip("onnxruntime")


@pytest.fixture(scope="module")
def shipped() -> Manifest:
    if not (shipped_folder() / MANIFEST_NAME).exists():
        pytest.skip("no artifacts are shipped yet")
    return read_manifest()


@pytest.mark.parametrize("format", ["safetensors", "onnx", "trt", "tflite"])
def test_every_role_is_there_for_what_starts_without_an_export(
    shipped: Manifest, format: str
) -> None:
    for role in ROLES:
        assert shipped.find(role=role, formats=(format,)), role


def test_unmaskers_are_there_in_int8_too(shipped: Manifest) -> None:
    for format in ("onnx", "trt", "tflite"):
        found = shipped.find(role="unmasker", formats=(format,))
        assert {a.name for a in found if a.precision == "int8"} == {a.name for a in found}


@pytest.mark.slow
def test_every_golden_vector_comes_out(shipped: Manifest) -> None:
    checks = list(iter_checks())
    assert {check.artifact for check in checks if check.ok} == {a.name for a in shipped.artifacts}
    # What the machine lacks, such as a GPU, is listed as not run.
    assert [check for check in checks if check.ok is False] == []


def test_golden_vectors_reach_into_the_mask_and_are_small(shipped: Manifest) -> None:
    artifact = shipped.find(role="unmasker", formats=("onnx",))[0]
    file = shipped.golden_path(artifact)
    assert file.stat().st_size < 1_000_000
    with np.load(file, allow_pickle=False) as data:
        coverage = (data["out_mask"] > 127).mean((1, 2, 3))
    assert coverage.max() > 0.02, "the network saw no mask: the comparison proves nothing"


def test_manifest_names_no_place_of_the_machine_that_made_it(shipped: Manifest) -> None:
    text = (shipped.folder / MANIFEST_NAME).read_text()
    assert not [word for word in ("/home/", "/root/", "/work/", "/tmp/") if word in text]


def test_fp32_files_take_their_weights_from_the_weight_files(shipped: Manifest) -> None:
    weights = {a.name: a for a in shipped.artifacts if a.format == "safetensors"}
    files = [a for a in shipped.artifacts if (a.format, a.precision) == ("onnx", "fp32")]
    assert {a.name for a in files} == set(weights)
    for artifact in files:
        own = weights[artifact.name]
        assert artifact.external == ExternalData(own.file, own.sha256, own.bytes)
        assert artifact.weights_sha256 == own.sha256
        assert artifact.bytes < 0.1 * own.bytes


def test_files_hold_their_metadata(shipped: Manifest) -> None:
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("flatbuffers")
    pytest.importorskip("ai_edge_litert.schema_py_generated")
    from unmask_sdk.export.metadata import WEIGHTS_LICENSE, metadata_of
    from unmask_sdk.export.tflite.metadata import read_metadata

    for artifact in shipped.artifacts:
        if artifact.format == "safetensors":
            continue
        content = shipped.path(artifact).read_bytes()
        if artifact.format == "tflite":
            found = read_metadata(content)
        else:
            found = {p.key: p.value for p in onnx.load_from_string(content).metadata_props}
        assert found == metadata_of(artifact).fields(), artifact.file
        assert found["license"] == WEIGHTS_LICENSE
