"""The face mesher reports what is wrong with its model file."""

from __future__ import annotations

import re
import sys

import pytest

from unmask_sdk.core.optional_deps import install_command
from unmask_sdk.errors import DataError, MissingDependencyError
from unmask_sdk.training.synthesis.find_mesh import FaceMesher


def test_the_mesh_model_must_be_mediapipes(tmp_path):
    with pytest.raises(DataError, match="mediapipe"):
        FaceMesher(tmp_path / "none.tflite")
    (tmp_path / "bad.tflite").write_bytes(b"not a model")
    with pytest.raises(DataError, match="not a TFLite model"):
        FaceMesher(tmp_path / "bad.tflite")


def test_missing_litert_names_the_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ai_edge_litert.interpreter", None)
    with pytest.raises(MissingDependencyError, match=re.escape(install_command("train"))):
        FaceMesher(tmp_path / "x.tflite")
