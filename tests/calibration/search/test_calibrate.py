"""`unmask calibrate`: from a folder of faces to a calibration set that export takes."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from unmask_sdk.errors import ConfigError, DataError

for _name in ("torch", "onnx", "onnxscript", "onnxruntime", "skimage", "matplotlib"):
    pytest.importorskip(_name)
from unmask_sdk.calibration.calibration_set import read_images  # noqa: E402
from unmask_sdk.calibration.plan import METHODS, from_json  # noqa: E402
from unmask_sdk.calibration.progress import no_progress  # noqa: E402
from unmask_sdk.calibration.search.calibrate import CalibrationResult, calibrate, choose_method  # noqa: E402
from unmask_sdk.calibration.search.faces import near_duplicates  # noqa: E402
from unmask_sdk.calibration.search.report import write_report  # noqa: E402
from unmask_sdk.calibration.search.scoring import LIMITS, Int8Evaluator, QualityDrop  # noqa: E402
from unmask_sdk.calibration.search.sensitivity import promote  # noqa: E402
from unmask_sdk.cli import main  # noqa: E402
from unmask_sdk.export.onnx.exporter import float_graph  # noqa: E402
from unmask_sdk.training.nets.checkpoint import load_network  # noqa: E402

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def calibrated(
    faces_folder: Path, tiny_weights: list[Path], tmp_path_factory: pytest.TempPathFactory
) -> tuple[CalibrationResult, Path]:
    """The result for eight training images and two held-out ones, and the set that was written."""
    out = tmp_path_factory.mktemp("set") / "calibration.npz"
    result = calibrate(
        faces_folder,
        faces_folder / "landmarks.npz",
        tiny_weights[0],
        out,
        float_graph,
        count=6,
        pairs=2,
    )
    return result, out


def test_set_holds_crops_and_their_plan(calibrated: tuple[CalibrationResult, Path]) -> None:
    result, out = calibrated
    stored = read_images(out)
    assert stored.images.shape == (6, 256, 256, 3)
    assert stored.sha256 == result.sha256 == result.plan.calibration_sha256
    assert from_json(stored.plan, "the set") == result.plan
    assert result.plan.quality["pairs"] == 1


def test_all_methods_and_counts_were_tried(calibrated: tuple[CalibrationResult, Path]) -> None:
    result, _ = calibrated
    assert set(result.methods) == {(m, c) for m in METHODS for c in (True, False)}
    assert list(result.counts) == [1, 4, 6]
    assert list(result.errors.values()) == sorted(result.errors.values(), reverse=True)
    assert len(result.promoted) >= len(result.plan.keep_float)
    assert result.promoted[-1].within(LIMITS)


def test_method_that_scores_above_float_is_not_preferred_to_a_faithful_one() -> None:
    def drop(hole: float, psnr: float) -> QualityDrop:
        return QualityDrop(hole_psnr_db=hole, ssim=0.001, mask_iou=0.997, psnr_db=psnr)

    clipped, faithful = ("percentile", True), ("minmax", True)
    methods = {clipped: drop(-0.3, 39.0), faithful: drop(0.04, 49.8), ("mse", True): drop(0.2, 55)}
    assert choose_method(methods) == faithful
    methods[faithful] = drop(0.4, 49.8)
    assert choose_method(methods) == clipped


def test_report_has_plots_and_plan(
    calibrated: tuple[CalibrationResult, Path], tmp_path: Path
) -> None:
    result, _ = calibrated
    write_report(result, tmp_path)
    plots = ["activations.png", "count.png", "coverage.png", "sensitivity.png"]
    assert sorted(file.name for file in tmp_path.iterdir()) == sorted(
        [*plots, "plan.json", "report.md"]
    )
    text = (tmp_path / "report.md").read_text()
    assert result.sha256 in text
    assert all(name in text for name in plots)
    assert all(f"`{name}`" in text for name in result.plan.kept(symmetric=True))


def test_layers_are_promoted_until_the_limit_holds(
    tiny_weights: list[Path], faces_folder: Path
) -> None:
    from unmask_sdk.calibration.ranges import find_ranges, observe
    from unmask_sdk.calibration.search.faces import held_out
    from unmask_sdk.calibration.search.sensitivity import quality_drop, sensitivity
    from unmask_sdk.training.datasets.landmark_file import read_landmarks

    graph = float_graph(load_network(tiny_weights[0]))
    faces = read_landmarks(faces_folder / "landmarks.npz")
    evaluator = Int8Evaluator(graph.file, held_out(faces_folder, faces, 2, 64, no_progress))
    assert evaluator.quality_drop(graph.file) == QualityDrop(0.0, 0.0, 1.0, 100.0)
    ranges = find_ranges(observe(graph.file, graph.tensors(), evaluator.pairs.masked), "minmax")
    # A layer whose input range is nearly empty has the largest error, and only it is promoted.
    spoiled = "unmasker.segmenter.down1.0"
    ranges[graph.convolutions[spoiled].input[0]] = (0.0, 1e-4)
    errors = sensitivity(graph, evaluator, ranges, no_progress)
    assert next(iter(errors)) == spoiled
    without = quality_drop(graph, evaluator, ranges, [spoiled])
    limits = QualityDrop(abs(without.hole_psnr_db), abs(without.ssim), without.mask_iou, 0.0)
    assert not quality_drop(graph, evaluator, ranges, []).within(limits)
    kept, drops = promote(graph, evaluator, ranges, errors, limits, no_progress)
    assert kept == [spoiled]
    assert len(drops) == 2
    with pytest.raises(DataError, match="quantization-aware training"):
        promote(
            graph,
            evaluator,
            ranges,
            dict(list(errors.items())[:2]),
            QualityDrop(-9, 0, 1, 0),
            no_progress,
        )


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
    with pytest.raises((ConfigError, DataError), match="does not hold an unmasker"):
        calibrate(
            faces_folder,
            faces_folder / "landmarks.npz",
            tiny_weights[1],
            tmp_path / "set.npz",
            float_graph,
        )
    assert not list(tmp_path.iterdir())
