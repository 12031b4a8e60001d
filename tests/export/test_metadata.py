"""What exported files record about themselves."""

from __future__ import annotations

from dataclasses import replace

import pytest

from unmask_sdk.core.manifest import ROLES, Artifact, read_manifest
from unmask_sdk.core.sdk_version import sdk_version
from unmask_sdk.export.metadata import OTHER_LICENSE, WEIGHTS_LICENSE, metadata_of

SHIPPED = read_manifest().artifacts


@pytest.mark.parametrize("role", ROLES)
def test_every_role_is_described(role: str) -> None:
    artifact = next(a for a in SHIPPED if a.role == role and a.format == "onnx")
    fields = metadata_of(artifact).fields()
    assert fields["name"] == artifact.name
    assert fields["version"] == sdk_version()
    assert fields["weights_sha256"] == artifact.weights_sha256
    assert fields["output_is_generated"] == ("yes" if role == "unmasker" else "no")
    ends = {f"input.{spec.name}" for spec in artifact.inputs}
    ends |= {f"output.{spec.name}" for spec in artifact.outputs}
    assert {key for key in fields if "." in key} == ends
    assert all(text and "\n" not in text for text in fields.values())


def test_license_is_that_of_the_weights() -> None:
    artifact = next(a for a in SHIPPED if a.role == "unmasker")
    assert metadata_of(artifact).license == WEIGHTS_LICENSE
    own: Artifact = replace(artifact, weights_sha256="0" * 64)
    assert metadata_of(own).license == OTHER_LICENSE


def test_open_dimensions_are_named() -> None:
    detector = next(a for a in SHIPPED if a.role == "detector" and a.format == "onnx")
    assert metadata_of(detector).inputs["image"].startswith("uint8 [N, any, any, 3]: RGB")
