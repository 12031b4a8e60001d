"""`unmask calibrate`, from a folder of faces to a set that export takes."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from unmask_sdk.errors import ConfigError, DataError

for _name in ("torch", "onnx", "onnxscript", "onnxruntime", "skimage", "matplotlib"):
    pytest.importorskip(_name)
from unmask_sdk.calibration.images import read_images  # noqa: E402
from unmask_sdk.calibration.plan import METHODS, from_json  # noqa: E402
from unmask_sdk.calibration.search.calibrate import Outcome, calibrate, nearest  # noqa: E402
from unmask_sdk.calibration.search.faces import near_duplicates  # noqa: E402
from unmask_sdk.calibration.search.report import write_report  # noqa: E402
from unmask_sdk.calibration.search.scoring import LIMITS, Judge, Loss  # noqa: E402
from unmask_sdk.calibration.search.sensitivity import promote  # noqa: E402
from unmask_sdk.cli import main  # noqa: E402
from unmask_sdk.export.onnx.quantize import FloatGraph  # noqa: E402

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def outcome(
    faces_folder: Path, tiny_weights: list[Path], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Outcome, Path]:
    """What comes of eight training pictures and two held out, and the set written."""
    out = tmp_path_factory.mktemp("set") / "calibration.npz"
    found = calibrate(
        faces_folder, faces_folder / "landmarks.npz", tiny_weights[0], out, count=6, pairs=2
    )
    return found, out


def test_the_set_holds_crops_and_their_plan(outcome: tuple[Outcome, Path]) -> None:
    found, out = outcome
    stored = read_images(out)
    assert stored.images.shape == (6, 256, 256, 3)
    assert stored.sha256 == found.sha256 == found.plan.calibration_sha256
    assert from_json(stored.plan, "the set") == found.plan
    assert found.plan.quality["pairs"] == 1


def test_all_methods_and_counts_were_tried(outcome: tuple[Outcome, Path]) -> None:
    found, _ = outcome
    assert set(found.methods) == {(m, c) for m in METHODS for c in (True, False)}
    assert list(found.counts) == [1, 4, 6]
    assert list(found.errors.values()) == sorted(found.errors.values(), reverse=True)
    assert len(found.promoted) >= len(found.plan.keep_float)
    assert found.promoted[-1].within(LIMITS)


def test_a_method_that_scores_above_float_is_no_better_than_a_faithful_one() -> None:
    def loss(hole: float, psnr: float) -> Loss:
        return Loss(hole_psnr_db=hole, ssim=0.001, mask_iou=0.997, psnr_db=psnr)

    clipped, faithful = ("percentile", True), ("minmax", True)
    methods = {clipped: loss(-0.3, 39.0), faithful: loss(0.04, 49.8), ("mse", True): loss(0.2, 55)}
    assert nearest(methods) == faithful
    methods[faithful] = loss(0.4, 49.8)
    assert nearest(methods) == clipped


def test_the_report_shows_it(outcome: tuple[Outcome, Path], tmp_path: Path) -> None:
    found, _ = outcome
    write_report(found, tmp_path)
    plots = ["activations.png", "count.png", "coverage.png", "sensitivity.png"]
    assert sorted(file.name for file in tmp_path.iterdir()) == sorted(
        [*plots, "plan.json", "report.md"]
    )
    text = (tmp_path / "report.md").read_text()
    assert found.sha256 in text
    assert all(name in text for name in plots)


def test_layers_are_promoted_until_the_limit_holds(
    tiny_artifacts: Path, faces_folder: Path
) -> None:
    from unmask_sdk.calibration.ranges import observe, ranges
    from unmask_sdk.calibration.search.faces import held_out, plain
    from unmask_sdk.calibration.search.sensitivity import loss_of, sensitivity
    from unmask_sdk.training.datasets.landmark_file import read_landmarks

    graph = FloatGraph((tiny_artifacts / "unmasker-fp32.onnx").read_bytes())
    faces = read_landmarks(faces_folder / "landmarks.npz")
    judge = Judge(graph.file, held_out(faces_folder, faces, 2, 64, plain))
    assert judge.loss(graph.file) == Loss(0.0, 0.0, 1.0, 100.0)
    found = ranges(observe(graph.file, graph.tensors(), judge.pairs.masked), "minmax")
    # A layer whose input has lost nearly all its range is the worst, and the only one to promote.
    spoilt = "unmasker.segmenter.down1.0"
    found[graph.convolutions[spoilt].input[0]] = (0.0, 1e-4)
    errors = sensitivity(graph, judge, found, plain)
    assert next(iter(errors)) == spoilt
    without = loss_of(graph, judge, found, [spoilt])
    limits = Loss(abs(without.hole_psnr_db), abs(without.ssim), without.mask_iou, 0.0)
    assert not loss_of(graph, judge, found, []).within(limits)
    kept, losses = promote(graph, judge, found, errors, limits, plain)
    assert kept == [spoilt]
    assert len(losses) == 2
    with pytest.raises(DataError, match="quantisation-aware training"):
        promote(graph, judge, found, dict(list(errors.items())[:2]), Loss(-9, 0, 1, 0), plain)


def test_near_duplicates_are_found() -> None:
    images = read_images().images[:6]
    assert near_duplicates(images) == []
    assert near_duplicates([*images, (images[2] * 0.9).astype("uint8")]) == [(2, 6)]


@pytest.mark.parametrize(
    ("out", "words"),
    [("set.bin", "is an npz file"), ("file/set.npz", "is a file, not a folder")],
)
def test_bad_targets_are_refused_before_any_work(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    out: str,
    words: str,
) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setattr(sys, "argv", ["unmask", "calibrate", "none", "-o", str(tmp_path / out)])
    with pytest.raises(SystemExit):
        main()
    assert words in capsys.readouterr().err


def test_a_locator_has_no_plan(
    faces_folder: Path, tiny_weights: list[Path], tmp_path: Path
) -> None:
    with pytest.raises((ConfigError, DataError), match="no unmasker"):
        calibrate(
            faces_folder, faces_folder / "landmarks.npz", tiny_weights[1], tmp_path / "set.npz"
        )
    assert not list(tmp_path.iterdir())
