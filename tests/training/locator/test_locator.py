"""The locator's training, on one public-domain face; and the shipped weights."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest
import skimage.data
import torch

from unmask_sdk.core.locator_sizes import ALIGN_SIZE
from unmask_sdk.errors import ConfigError, DataError
from unmask_sdk.faces.align import crop_matrix, transform_points
from unmask_sdk.faces.detector_postprocess import CELL, decode_boxes, iou
from unmask_sdk.training import weights_folder
from unmask_sdk.training.locator.compose_images import Scene
from unmask_sdk.training.locator.evaluate import evaluate
from unmask_sdk.training.locator.faces import load_backgrounds, load_faces, mesh_box
from unmask_sdk.training.locator.losses import aligner_loss, detector_loss, detector_targets
from unmask_sdk.training.locator.samples import draw_crop, draw_mosaic
from unmask_sdk.training.locator.train import read_config, train
from unmask_sdk.training.nets.checkpoint import load_network
from unmask_sdk.training.nets.locator_networks import (
    AlignerConfig,
    AlignerGraph,
    DetectorConfig,
    DetectorGraph,
)
from unmask_sdk.training.nets.torch_locator import load_locator
from unmask_sdk.training.synthesis.mask_shapes import MASK_TYPES
from unmask_sdk.training.synthesis.masked_face import synthesize
from unmask_sdk.training.synthesis.mesh import mean_face

pytestmark = pytest.mark.slow

# The astronaut's eye centers, by MediaPipe's mesh.
EYES = np.array([[203.5, 102.2], [247.0, 104.6]])
WEIGHTS = weights_folder()


def astronaut_mesh() -> np.ndarray:
    """Returns the mean face's mesh, placed on the astronaut by the eyes."""
    inverse = cv2.invertAffineTransform(crop_matrix(EYES))
    return transform_points(inverse, mean_face()).astype(np.float32)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder of faces with its landmark file, like a user's."""
    root = tmp_path_factory.mktemp("faces")
    mesh = astronaut_mesh()
    names, meshes = [], []
    for i, (x, y) in enumerate([(100, 0), (120, 20), (90, 10), (110, 5)]):
        name = f"set/person{i // 2}/{i}.png"
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        crop = skimage.data.astronaut()[y : y + 250, x : x + 250]
        cv2.imwrite(str(root / name), crop[..., ::-1])
        names.append(name)
        meshes.append(mesh - [x, y])
    np.savez(
        root / "landmarks.npz",
        name=np.array(names),
        split=np.array(["train", "train", "train", "val"]),
        landmarks=np.array(meshes, np.float16),
    )
    return root


@pytest.fixture(scope="module")
def scene(folder):
    faces = load_faces(
        folder, folder / "landmarks.npz", split="train", limit=9, per_person=9, seed=0
    )
    return Scene(faces, load_backgrounds(faces, limit=20, seed=0))


def test_faces_are_limited_by_person_and_data_set(folder):
    def count(**limits):
        table = folder / "landmarks.npz"
        return len(load_faces(folder, table, split="train", seed=0, **limits))

    assert count(limit=9, per_person=9) == 3
    assert count(limit=9, per_person=1) == 2
    assert count(limit=1, per_person=9) == 1


def test_folders_of_people_are_limited_together(folder, tmp_path):
    with np.load(folder / "landmarks.npz") as stored:
        arrays = dict(stored)
    for index, name in enumerate(arrays["name"]):
        arrays["name"][index] = name.removeprefix("set/")
    np.savez(tmp_path / "l.npz", **arrays)
    limits = {"split": "train", "seed": 0}
    place = folder / "set", tmp_path / "l.npz"
    assert len(load_faces(*place, limit=2, per_person=9, **limits)) == 2
    assert len(load_faces(*place, limit=9, per_person=1, **limits)) == 2


def test_training_needs_validation_faces(folder, tmp_path):
    with np.load(folder / "landmarks.npz") as stored:
        arrays = {**stored, "split": np.full(4, "train")}
    np.savez(tmp_path / "l.npz", **arrays)
    file = tmp_path / "c.yaml"
    file.write_text("limit: 3")
    settings = read_config(file, faces=folder, landmarks=tmp_path / "l.npz", out=tmp_path / "out")
    with pytest.raises(DataError, match="no faces in split 'val'"):
        train(settings)


def test_the_masked_image_differs_below_the_eyes(scene):
    for face in scene.faces:
        changed = np.abs(face.masked.astype(int) - face.bare).max(-1) > 20
        x0, y0, x1, y1 = mesh_box(face.mesh).astype(int)
        assert changed[(y0 + y1) // 2 : y1, x0:x1].mean() > 0.4


@pytest.mark.parametrize("split", ["train", "nosuch"])
def test_missing_faces_are_reported(folder, tmp_path, split):
    table = folder / "landmarks.npz"
    with pytest.raises(DataError, match=r"nosuch|cannot read"):
        load_faces(tmp_path, table, split=split, limit=9, per_person=9, seed=0)


def test_mosaics_are_deterministic_and_contain_their_boxes(scene):
    for seed in range(12):
        image, boxes = draw_mosaic(scene, 256, np.random.default_rng(seed))
        again, _ = draw_mosaic(scene, 256, np.random.default_rng(seed))
        np.testing.assert_array_equal(image, again)
        assert image.shape == (256, 256, 3)
        assert image.dtype == np.uint8
        assert boxes.shape[1:] == (4,)
        centers = (boxes[:, :2] + boxes[:, 2:]) / 2
        assert ((centers > 0) & (centers < 256)).all()


def test_points_of_crops_are_ordered_left_to_right(scene):
    drawn = [draw_crop(scene, np.random.default_rng(seed)) for seed in range(60)]
    faces = [points for _, points, is_face in drawn if is_face]
    assert 0.6 * len(drawn) < len(faces) < len(drawn)
    eyes = np.array(faces)[:, :2]
    assert (eyes[:, 0, 0] < eyes[:, 1, 0]).all()
    assert np.abs(np.array(faces).mean(0)[0] - [0.33, 0.34]).max() < 0.08


def test_decoding_the_targets_returns_the_boxes():
    truth = np.array([[20, 30, 80, 100], [150, 140, 166, 160], [0, 120, 200, 380]], np.float32)
    heat, maps, weight = detector_targets(truth, 32)
    boxes, scores = decode_boxes(heat, maps)
    assert sorted(scores)[-3:] == [1, 1, 1]
    best = [iou(t, boxes[scores == 1]).max() for t in truth.astype(float)]
    np.testing.assert_allclose(best, 1, atol=1e-5)
    assert weight.sum() == pytest.approx(3, abs=0.01)


def test_perfect_outputs_have_almost_no_loss():
    heat, maps, weight = detector_targets(np.array([[20, 30, 80, 100]], np.float32), 8)
    targets = [torch.from_numpy(a)[None] for a in (heat, maps, weight)]
    logit = torch.where(targets[0] == 1, 12.0, -12.0)
    output = torch.cat([logit[:, None], targets[1].permute(0, 3, 1, 2)], 1)
    right = detector_loss(output, *targets)
    wrong = detector_loss(torch.zeros_like(output), *targets)
    assert all(right[k] < 1e-3 < 0.3 < wrong[k] for k in right)

    points = torch.rand(4, 5, 2)
    is_face = torch.tensor([1.0, 1, 0, 1])
    output = torch.cat([(points - 0.5).flatten(1), (is_face[:, None] - 0.5) * 40], 1)
    assert all(v < 1e-4 for v in aligner_loss(output, points, is_face).values())
    output[2, :10] += 1  # no face there: its points do not count
    assert all(v < 1e-4 for v in aligner_loss(output, points, is_face).values())


def test_outputs_have_the_documented_shapes_and_types():
    detector, aligner = DetectorGraph(DetectorConfig()), AlignerGraph(AlignerConfig())
    heat, box = detector.eval()(torch.randint(0, 256, (2, 96, 64, 3), dtype=torch.uint8))
    assert heat.shape == (2, 96 // CELL, 64 // CELL)
    assert box.shape == (2, 96 // CELL, 64 // CELL, 4)
    assert ((heat >= 0) & (heat <= 1)).all()
    crops = torch.randint(0, 256, (3, ALIGN_SIZE, ALIGN_SIZE, 3), dtype=torch.uint8)
    points, score = aligner.eval()(crops)
    assert points.shape == (3, 5, 2)
    assert score.shape == (3,)
    assert {t.dtype for t in (heat, box, points, score)} == {torch.float32}
    for graph in (detector, aligner):
        assert sum(p.numel() for p in graph.parameters()) <= 300_000


@pytest.mark.parametrize(("config", "value"), [(DetectorConfig, (1, 2)), (AlignerConfig, (0,) * 4)])
def test_wrong_sizes_are_refused(config, value):
    with pytest.raises(ConfigError, match="channels"):
        config(channels=value)


def test_training_resumes_and_writes_weights(folder, tmp_path):
    file = tmp_path / "tiny.yaml"
    file.write_text(
        "limit: 3\nval_limit: 1\ninterval: 2\n"
        "detector: {steps: 2, batch: 2}\naligner: {steps: 2, batch: 2}\n"
    )
    places = {"faces": folder, "landmarks": folder / "landmarks.npz", "out": tmp_path / "out"}
    weights = train(read_config(file, **places))
    for kind, path in weights.items():
        assert load_network(path).config == getattr(training_configs(), kind)
        assert cv2.imread(str(tmp_path / "out" / f"{kind}.png")) is not None
    file.write_text(file.read_text().replace("steps: 2", "steps: 4"))
    train(read_config(file, **places), only="detector")
    lines = (tmp_path / "out" / "detector.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines] == [2, 4]
    report = evaluate(tmp_path / "out", folder, folder / "landmarks.npz", photos=folder, limit=1)
    assert "of 4 photos" in report
    (tmp_path / "out" / "aligner.pt").write_bytes(b"not a checkpoint")
    with pytest.raises(DataError, match=r"aligner\.pt"):
        train(read_config(file, **places), only="aligner")


def training_configs():
    """Returns the sizes that training builds."""
    from types import SimpleNamespace

    return SimpleNamespace(detector=DetectorConfig(), aligner=AlignerConfig())


@pytest.mark.parametrize(
    ("text", "message"),
    [("[1, 2]", "mapping"), ("stpes: 3", "stpes"), ("{", "YAML"), ("limit: 3", "faces")],
)
def test_wrong_configurations_are_reported(tmp_path, text, message):
    file = tmp_path / "wrong.yaml"
    file.write_text(text)
    with pytest.raises(ConfigError, match=message):
        read_config(file)


@pytest.fixture(scope="module")
def locator():
    return load_locator(WEIGHTS)


def placed(image, size, height, roll, center=None):
    """Returns a gray photo with the astronaut at a face height and roll, and the eyes in it."""
    scale = height / 109
    middle = size / 2 if center is None else center
    matrix = cv2.getRotationMatrix2D((225.6, 122.6), roll, scale)
    matrix[:, 2] += middle - np.array([225.6, 122.6])
    source = image
    if scale < 0.5:
        source = cv2.GaussianBlur(image, (0, 0), 0.4 / scale)
    photo = cv2.warpAffine(source, matrix, (size, size), borderValue=(90, 110, 100))
    return photo, transform_points(matrix, EYES)


@pytest.mark.parametrize("kind", [None, *MASK_TYPES])
@pytest.mark.parametrize(
    ("size", "height", "roll"),
    [(640, 40, 0), (640, 80, 30), (640, 200, -20), (512, 480, 0), (256, 128, -40), (2000, 60, 10)],
)
def test_shipped_weights_find_the_astronaut(locator, kind, size, height, roll):
    image = skimage.data.astronaut()
    if kind is not None:
        image = synthesize(image, astronaut_mesh(), kind=kind, seed=3).image
    photo, eyes = placed(image, size, height, roll)
    faces = locator(photo)
    assert len(faces) >= 1
    distance = np.linalg.norm(eyes[1] - eyes[0])
    off = [np.linalg.norm(f.eyes - eyes, axis=1).max() / distance for f in faces]
    # 6 px of the canonical crop, or, for small faces, one pixel and a half of the photo.
    assert min(off) <= max(0.1, 1.5 / distance)


def test_shipped_weights_find_a_face_at_the_edge_of_the_photo(locator):
    photo, eyes = placed(skimage.data.astronaut(), 400, 200, 0, center=np.array([60.0, 200.0]))
    (face,) = locator(photo)
    assert np.linalg.norm(face.eyes - eyes, axis=1).max() < 8


@pytest.mark.parametrize("name", ["chelsea", "rocket", "coffee"])
def test_shipped_weights_find_no_face_in_photos_without_one(locator, name):
    assert locator(getattr(skimage.data, name)()) == []
