"""`unmask synth`, `train`, `evaluate` and `cost` as a user runs them."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest
import skimage.data

from unmask_process import run_unmask as unmask

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def faces(tmp_path_factory):
    """Two pictures and a landmark file made by laying the mean face on the astronaut."""
    from unmask_sdk.faces.align import crop_matrix, transform_points
    from unmask_sdk.training.synthesis.mesh import mean_face

    folder = tmp_path_factory.mktemp("faces")
    eyes = np.array([[203.5, 102.2], [247.0, 104.6]])
    mesh = transform_points(cv2.invertAffineTransform(crop_matrix(eyes)), mean_face())
    for name in ("a.png", "b.png"):
        cv2.imwrite(str(folder / name), skimage.data.astronaut()[..., ::-1])
    np.savez(
        folder / "landmarks.npz",
        name=np.array(["a.png", "b.png"]),
        split=np.array(["train", "val"]),
        landmarks=np.stack([mesh, mesh]),
    )
    return folder


def test_synth_writes_a_set(faces, tmp_path):
    done = unmask("synth", faces, "-o", tmp_path, "--variants", 3, "--size", 96)
    assert done.returncode == 0, done.stderr
    records = [json.loads(line) for line in (tmp_path / "pairs.jsonl").read_text().splitlines()]
    assert len(records) == 6
    for record in records:
        masked, truth = (cv2.imread(str(tmp_path / record[k])) for k in ("image", "truth"))
        mask = cv2.imread(str(tmp_path / record["mask"]), cv2.IMREAD_UNCHANGED)
        assert masked.shape == truth.shape == (96, 96, 3)
        assert mask.shape == (96, 96)
        assert abs(mask.mean() / 255 - record["coverage"]) < 1e-3
    assert (tmp_path / "sheet.jpg").exists()
    # The set it wrote names its own meshes.
    assert (tmp_path / "landmarks.npz").exists()


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("synth", "nowhere", "-o", "out"), "not a folder"),
        (("synth", ".", "-o", "out"), "--mesh"),
        (("evaluate", "nowhere"), "not a folder"),
        (("train", "none.yaml", "--faces", ".", "--run", "r"), "cannot read configuration"),
        (("cost", "none.safetensors"), "no weight file"),
    ],
)
def test_mistakes_are_one_line(arguments, expected, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = unmask(*arguments)
    assert done.returncode == 1
    assert done.stderr.startswith("unmask: error:")
    assert expected in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize("chosen", [True, False])
def test_the_locator_takes_its_places_from_the_file(chosen, tmp_path):
    """Landmarks named in the config file take precedence over those next to the faces."""
    out = tmp_path / "out"
    named = tmp_path / "chosen.npz" if chosen else tmp_path / "landmarks.npz"
    (tmp_path / "c.yaml").write_text(
        f"faces: {tmp_path}\nout: {out}\n" + chosen * f"landmarks: {named}\n"
    )
    done = unmask("train-locator", tmp_path / "c.yaml")
    assert done.returncode == 1
    assert str(named) in done.stderr
    assert out.is_dir()


@pytest.mark.parametrize(
    ("device", "expected"),
    [
        ("cuda:7", "device cuda:7: PyTorch sees no such GPU"),
        ("tpu", "must be cpu, cuda or cuda:N; got 'tpu'"),
    ],
)
def test_a_device_that_is_not_there_is_said_before_any_work(faces, tmp_path, device, expected):
    (tmp_path / "c.yaml").write_text("name: x\nstages: [{size: 128, steps: 1}]\n")
    run = tmp_path / "run"
    arguments = ("--faces", faces, "--run", run, "--device", device)
    done = unmask("train", tmp_path / "c.yaml", *arguments)
    assert done.returncode == 1
    assert expected in done.stderr
    assert not run.exists()


def test_unknown_data_set_is_named(faces):
    done = unmask("evaluate", faces, "--corpus", "lfw")
    assert done.returncode == 1
    assert "no face in the data set 'lfw'" in done.stderr


def test_unknown_mask_type_is_named(faces, tmp_path):
    done = unmask("synth", faces, "-o", tmp_path / "out", "--types", "surgical,veil")
    assert done.returncode == 1
    assert "veil" in done.stderr
    assert not (tmp_path / "out").exists()


def test_cost_prints_the_budget():
    done = unmask("cost")
    assert done.returncode == 0
    assert "generator.blocks" in done.stdout


def test_cost_as_json_and_in_short():
    found = json.loads(unmask("cost", "--json").stdout)
    assert list(found) == ["weights", "size", "parameters", "flop", "parts", "layers"]
    assert found["layers"] is None
    assert sum(part["flop"] for part in found["parts"]) == found["flop"]
    layers = json.loads(unmask("cost", "--json", "--layers").stdout)["layers"]
    assert sum(layer["flop"] for layer in layers) == found["flop"]
    assert unmask("cost", "-q").stdout == (
        f"{found['parameters']:,} parameters, {found['flop'] / 1e6:.1f} MFLOP at 256x256\n"
    )
