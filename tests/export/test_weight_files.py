"""Which weight files an export takes by default."""

from __future__ import annotations

import pytest

from unmask_sdk.core.manifest import read_manifest
from unmask_sdk.export.weight_files import packaged_weights


def test_packaged_weights_are_those_of_the_shipped_artifacts() -> None:
    """A clone also holds an unfinished run's: unmasker and discriminator."""
    pytest.importorskip("torch")
    shipped = {artifact.name for artifact in read_manifest().artifacts}
    assert {file.stem for file in packaged_weights()} == shipped
