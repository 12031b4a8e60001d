"""`unmask export vectors`: what the package computes, for tests of code in other languages."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from typer.testing import CliRunner

from unmask_sdk.cli.app import app, register
from unmask_sdk.errors import ConfigError
from unmask_sdk.export.vectors import export_vectors

if TYPE_CHECKING:
    from click.testing import Result


def test_files_are_deterministic_and_begin_alike(tmp_path: Path) -> None:
    for folder, count in (("one", 12), ("again", 12), ("few", 3)):
        export_vectors(tmp_path / folder, count)
    one, again, few = (
        [(tmp_path / folder / name).read_bytes() for name in ("vectors.json", "vectors.bin")]
        for folder in ("one", "again", "few")
    )
    assert one == again
    assert one[1].startswith(few[1])
    vectors = json.loads(one[0])["vectors"]
    assert len(vectors) == 12
    assert vectors[:3] == json.loads(few[0])["vectors"]


def test_vectors_reach_every_branch(tmp_path: Path) -> None:
    file = export_vectors(tmp_path, 100)
    content = json.loads(file.read_text(encoding="utf-8"))
    binary = (tmp_path / "vectors.bin").read_bytes()
    spans, scales = [], []
    changed = matched = 0
    for vector in content["vectors"]:
        scales += [step["scale"] for step in vector["letterbox"]]
        matrix = np.reshape(vector["crop_matrix"], (2, 3))
        spans.append(1 / np.hypot(*matrix[:, 0]))
        photo, pasted, blended = (
            np.frombuffer(binary, np.uint8, int(np.prod(place["shape"])), place["offset"])
            for place in (vector[name] for name in ("photo", "pasted", "blended"))
        )
        changed += bool((photo != pasted).any())
        # Sharpness is matched in enlarged faces. Without skin no noise is.
        matched += bool((pasted != blended).any())
    assert sum(span >= 2 for span in spans) >= 3
    assert sum(span < 1 for span in spans) >= 30
    assert changed >= 90
    assert matched >= 5
    assert min(scales) < 0.5
    assert max(scales) == 1


def test_bad_counts(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--count must be at least 1; got 0"):
        export_vectors(tmp_path / "new", 0)
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["vectors", "--precision", "int8"], "vectors need no network"),
        (["onnx", "--count", "2"], "--count belongs to `unmask export vectors`"),
    ],
)
def test_options_that_do_not_fit(arguments: list[str], words: str, tmp_path: Path) -> None:
    result = run_export(*arguments, "-o", str(tmp_path))
    assert isinstance(result.exception, ConfigError)
    assert words in str(result.exception)


def test_command(tmp_path: Path) -> None:
    result = run_export("vectors", "--count", "2", "-o", str(tmp_path / "new"))
    assert result.exit_code == 0, result.output
    assert "vectors.json: 2 test vectors" in result.output
    assert len(json.loads((tmp_path / "new/vectors.json").read_text())["vectors"]) == 2


def run_export(*arguments: str) -> Result:
    register(["export"])
    return CliRunner().invoke(app, ["export", *arguments])
