"""Training while its crops are rendered: begins early, goes on, stops on errors."""

from __future__ import annotations

import json
import multiprocessing
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch

from unmask_sdk.errors import DataError
from unmask_sdk.training.datasets.corpora import Corpus, even_mixture
from unmask_sdk.training.datasets.draws import Draws
from unmask_sdk.training.datasets.landmark_file import read_landmarks
from unmask_sdk.training.nets.checkpoint import load_network
from unmask_sdk.training.nets.unmasker_networks import UnmaskerConfig
from unmask_sdk.training.unmasker.config import LossWeights, Stage, TrainConfig
from unmask_sdk.training.unmasker.stage_data import StageData
from unmask_sdk.training.unmasker.train import train

pytestmark = pytest.mark.slow

TINY = UnmaskerConfig(
    size=64, channels=(8, 16, 16, 16), blocks=(0, 1, 1), segmentation_channels=(8, 8, 8, 8)
)
CPU = torch.device("cpu")


def config(steps: int, **changes: object) -> TrainConfig:
    stage = Stage(size=64, steps=steps, batch=2, losses=LossWeights())
    settings = TrainConfig(
        "tiny", (stage,), network=TINY, interval=1000, validation=2, compile=False, per_person=None
    )
    return replace(settings, **changes)


@pytest.fixture
def many(faces_folder, tmp_path):
    """Landmarks that name each face 300 times: far more than one run here can render."""
    with np.load(faces_folder / "landmarks.npz") as stored:
        arrays = {name: np.repeat(array, 300, 0) for name, array in stored.items()}
    np.savez(tmp_path / "many.npz", **arrays)
    return tmp_path / "many.npz"


def metrics(run):
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


def test_training_begins_before_all_crops_are_rendered(faces_folder, many, tmp_path):
    run = tmp_path / "run"

    def go_on(steps):
        weights = train(config(steps), faces=faces_folder, landmarks=many, run=run, workers=2)
        assert multiprocessing.active_children() == []
        (packs,) = (run / "packs").glob("train-*")
        assert not (packs / "pack.json").exists()
        bits = bytes.fromhex(json.loads((packs / "rendered.json").read_text())["rendered"])
        return weights, int(np.unpackbits(np.frombuffer(bits, np.uint8)).sum())

    weights, first = go_on(2)
    assert load_network(weights)
    assert 2400 // 16 <= first < 2400
    assert len(list((run / "packs").glob("val-*/pack.json"))) == 1
    # It goes on where it stopped, with the crops too.
    assert go_on(4)[1] >= first
    assert [line["step"] for line in metrics(run)] == [2, 4]


def test_its_batches_have_the_shares_of_the_corpora(faces_folder, many, tmp_path):
    corpora = (Corpus(0.5, prefix="set/person0/"), Corpus(0.5, prefix="set/"))
    settings = config(1000, corpora=corpora)
    data = StageData.plan(settings, settings.stages[0], read_landmarks(many))
    with data.open(faces_folder, tmp_path / "packs", 2, CPU, step=500) as crops:
        while not crops.rendering.is_ready:
            crops.rendering.check()
        for step in range(500, 540):
            rows = crops.batches.rows(step)
            assert crops.rendering.cache.rendered[rows].all()
            assert "person0" in " ".join(crops.rendering.cache.names[row] for row in rows)
        assert not crops.rendering.is_complete
        # The first batches are those of the complete cache.
        complete = np.ones(len(crops.rendering.cache), bool)
        for step in range(500, 508):
            expected = crops.batches._draws.rows(step, complete)
            assert (crops.batches.rows(step) == expected).all()


def test_an_image_that_cannot_be_read_stops_the_training(faces_folder, many, tmp_path):
    folder = shutil.copytree(faces_folder, tmp_path / "faces")
    with np.load(many) as stored:
        arrays = dict(stored)
    arrays["name"] = arrays["name"].astype("<U40")
    soon_after_the_first = Draws(even_mixture(2400, 2), config(1).seed).first_use(0)[160]
    arrays["name"][soon_after_the_first] = "set/person1/broken.png"
    (folder / "set" / "person1" / "broken.png").write_bytes(b"no image")
    np.savez(many, **arrays)
    with pytest.raises(DataError, match=r"broken\.png.*landmark file"):
        train(config(10**6), faces=folder, landmarks=many, run=tmp_path / "run", workers=2)
    assert multiprocessing.active_children() == []
    assert len(list((tmp_path / "run" / "packs").glob("train-*/rendered.json"))) == 1


def test_runs_that_wait_for_their_crops_are_the_same(faces_folder, tmp_path):
    results = []
    for workers in (1, 2):
        weights = train(
            config(3),
            faces=faces_folder,
            landmarks=faces_folder / "landmarks.npz",
            run=tmp_path / str(workers),
            workers=workers,
            wait_for_crops=True,
        )
        assert len(list((tmp_path / str(workers) / "packs").glob("*/pack.json"))) == 2
        results.append(weights.read_bytes())
    assert results[0] == results[1]
