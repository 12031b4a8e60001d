"""LiteRT on the CPU: the same answer as torch, in memory that a small board has."""

from __future__ import annotations

import dataclasses
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from tiny_networks import TINY
from torch_agreement import agree
from unmask_sdk import load
from unmask_sdk.core.manifest import Artifact, read_manifest
from unmask_sdk.core.sample_images import draw_masked_faces
from unmask_sdk.errors import ArtifactError, MissingDependencyError, RuntimeUnavailableError
from unmask_sdk.faces.tiled_detector import TILE
from unmask_sdk.golden_vectors import iter_checks
from unmask_sdk.loading.load import open_runtime
from unmask_sdk.runtimes.registry import find_runtime, why_unavailable

pytest.importorskip("ai_edge_litert")
pytest.importorskip("litert_torch")
from unmask_sdk.runtimes import tflite
from unmask_sdk.runtimes.tflite import TFLiteRuntime

pytestmark = pytest.mark.engine


def entry_of(folder: Path, role: str = "unmasker") -> Artifact:
    (entry,) = read_manifest(folder).find(role=role, formats=("tflite",))
    return entry


def test_agrees_with_torch(tiny_artifacts: Path) -> None:
    agree(tiny_artifacts, TINY, 32, "tflite")


def test_info_says_what_runs(tiny_artifacts: Path) -> None:
    with open_runtime(runtime="tflite", threads=2, artifacts=tiny_artifacts) as opened:
        info = opened.info
    assert (info.runtime, info.device, info.precision, info.threads) == ("tflite", "cpu", "fp32", 2)
    assert info.provider.startswith("LiteRT 2.")
    assert info.provider.endswith("XNNPACK")


def test_a_photo_goes_through_with_the_detector_tile_by_tile(tiny_artifacts: Path) -> None:
    photo = draw_masked_faces(1, 2 * TILE - 20, TILE + 90)[0]
    with load("tflite", threads=1, artifacts=tiny_artifacts) as model:
        result = model(photo)
    assert result.image.shape == photo.shape


def test_detector_takes_one_size(tiny_artifacts: Path) -> None:
    with open_runtime("detector", "tflite", artifacts=tiny_artifacts) as detector:
        maps = detector.run_named(image=draw_masked_faces(2, TILE, TILE))
    assert maps["heat"].shape == (2, TILE // 8, TILE // 8)
    assert maps["box"].shape == (2, TILE // 8, TILE // 8, 4)


def test_verify_covers_it(tiny_artifacts: Path) -> None:
    checks = {(c.role, c.format): c.ok for c in iter_checks(tiny_artifacts, "tflite", threads=1)}
    assert checks == dict.fromkeys(
        [(role, "tflite") for role in ("aligner", "detector", "unmasker")], True
    )


@pytest.mark.parametrize("part", [0.0, 0.01, 0.3, 0.9, None])
def test_damaged_file_is_a_clear_error(
    tiny_artifacts: Path, tmp_path: Path, part: float | None
) -> None:
    whole = (tiny_artifacts / entry_of(tiny_artifacts).file).read_bytes()
    path = tmp_path / "broken.tflite"
    path.write_bytes(b"no model" if part is None else whole[: int(part * len(whole))])
    with pytest.raises(RuntimeUnavailableError, match=r"does not open broken\.tflite"):
        TFLiteRuntime(path, entry_of(tiny_artifacts))


def test_file_of_another_network_is_refused(tiny_artifacts: Path) -> None:
    aligner = tiny_artifacts / entry_of(tiny_artifacts, "aligner").file
    with pytest.raises(ArtifactError, match=r"has outputs \['points', 'score'\], its entry says"):
        TFLiteRuntime(aligner, entry_of(tiny_artifacts))


def test_another_size_than_the_files_is_a_clear_error(tiny_artifacts: Path) -> None:
    entry = entry_of(tiny_artifacts)
    image = dataclasses.replace(entry.inputs[0], shape=(1, 32, 32, 3))
    path = tiny_artifacts / entry.file
    with (
        TFLiteRuntime(path, dataclasses.replace(entry, inputs=(image,))) as opened,
        pytest.raises(RuntimeUnavailableError, match=r"failed on inputs \[\[1, 32, 32, 3\]\]"),
    ):
        opened.run_named(image=draw_masked_faces(1, 32, 32))


def test_interpreters_are_made_where_runs_overlap_and_no_more_than_cores(
    tiny_artifacts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(4)), raising=False)
    entry = entry_of(tiny_artifacts)
    interpreters = tflite.Interpreters(tiny_artifacts / entry.file, entry, 1)
    with interpreters.lent() as first:
        pass
    with interpreters.lent() as again, interpreters.lent() as other:
        assert again is first
        assert other is not first
    meeting = threading.Barrier(4)

    def borrow(_: int) -> int:
        with interpreters.lent() as loaded:
            meeting.wait(30)
            return id(loaded)

    with ThreadPoolExecutor(12) as pool:
        assert len(set(pool.map(borrow, range(12)))) == 4


def test_a_file_replaced_later_changes_nothing(
    own_artifacts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # With one core the run would wait for the interpreter that is lent here.
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1}, raising=False)
    images = draw_masked_faces(1, TINY, TINY)
    with open_runtime(runtime="tflite", threads=1, artifacts=own_artifacts) as opened:
        expected = opened.run(images)[0]
        (own_artifacts / opened.artifact.file).write_bytes(b"another")
        with opened._handle.lent():
            np.testing.assert_array_equal(opened.run(images)[0], expected)


def test_either_package_will_do() -> None:
    entry = find_runtime("tflite")
    assert why_unavailable(entry) is None
    assert why_unavailable(dataclasses.replace(entry, requires=("no_such|ai_edge_litert",))) is None
    trouble = why_unavailable(dataclasses.replace(entry, requires=("no_such|nor_this",)))
    assert trouble is not None
    assert trouble.error is MissingDependencyError
    assert "needs no_such or nor_this, which is not installed" in trouble.reason
