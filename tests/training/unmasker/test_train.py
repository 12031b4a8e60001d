"""Training end to end on a few faces: learns, resumes, writes every file it should."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from unmask_sdk.core.optional_deps import missing_packages
from unmask_sdk.errors import ConfigError, DataError, InvalidInputError, TrainingError
from unmask_sdk.training.common.mixed_precision import autocast
from unmask_sdk.training.datasets.batches import read_batch
from unmask_sdk.training.datasets.corpora import Corpus
from unmask_sdk.training.datasets.crop_cache import CropCache, CropCacheConfig, check_disk_space
from unmask_sdk.training.datasets.landmark_file import read_landmarks
from unmask_sdk.training.evaluation.efficientnet import PACKAGES
from unmask_sdk.training.nets.checkpoint import load_discriminator, load_network
from unmask_sdk.training.nets.unmasker_networks import UnmaskerConfig
from unmask_sdk.training.unmasker.config import LossWeights, Stage, TrainConfig, read_config
from unmask_sdk.training.unmasker.train import train
from unmask_sdk.training.unmasker.trainer import Trainer

pytestmark = pytest.mark.slow

TINY = UnmaskerConfig(
    size=64, channels=(8, 16, 16, 16), blocks=(0, 1, 1), segmentation_channels=(8, 8, 8, 8)
)


def config(steps: int = 6, **losses: float) -> TrainConfig:
    stage = Stage(size=64, steps=steps, batch=4, rate=3e-3, losses=LossWeights(**losses))
    return TrainConfig("tiny", (stage,), network=TINY, interval=3, validation=2, compile=False)


def run(settings: TrainConfig, folder, out):
    return train(settings, faces=folder, landmarks=folder / "landmarks.npz", run=out)


def test_training_resumes_and_writes_its_files(faces_folder, tmp_path):
    torch.set_num_threads(1)
    weights = run(config(), faces_folder, tmp_path)
    lines = [json.loads(x) for x in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [3, 6]
    assert {"hole_psnr", "psnr", "l1", "iou", "reconstruction", "segmentation"} <= set(lines[0])
    assert (tmp_path / "sheet-000006.jpg").stat().st_size > 1000
    if not missing_packages(PACKAGES):
        assert all(np.isfinite(line["kid"]) for line in lines)
        assert load_network(weights.with_name(f"{weights.stem}-best.safetensors"))
    graph = load_network(weights)
    image = torch.zeros(1, 64, 64, 3, dtype=torch.uint8)
    assert graph(image)[0].shape == (1, 64, 64, 3)
    # Running the same configuration again does nothing; with more steps it continues.
    run(config(), faces_folder, tmp_path)
    assert len((tmp_path / "metrics.jsonl").read_text().splitlines()) == 2
    run(config(steps=9), faces_folder, tmp_path)
    assert json.loads((tmp_path / "metrics.jsonl").read_text().splitlines()[-1])["step"] == 9


def test_removed_weights_of_a_finished_run_are_written_again(faces_folder, tmp_path):
    weights = run(config(3), faces_folder, tmp_path)
    first = weights.read_bytes()
    weights.unlink()
    assert run(config(3), faces_folder, tmp_path).read_bytes() == first
    renamed = run(replace(config(3), name="other"), faces_folder, tmp_path)
    assert renamed == tmp_path / "other.safetensors"
    assert renamed.read_bytes() == first


@pytest.mark.parametrize("damage", ["short", "empty", "text", "list", "other network"])
def test_a_checkpoint_that_does_not_fit_is_refused(faces_folder, tmp_path, damage):
    run(config(3), faces_folder, tmp_path)
    checkpoint = tmp_path / "checkpoint.pt"
    settings = config(6)
    if damage == "list":
        torch.save([1, 2], checkpoint)
    elif damage == "other network":
        settings = replace(settings, network=replace(TINY, channels=(8, 16, 16, 32)))
    else:
        content = checkpoint.read_bytes()
        checkpoint.write_bytes({"short": content[:9000], "empty": b"", "text": b"no"}[damage])
    with pytest.raises(DataError, match=r"checkpoint\.pt: not a checkpoint of this network"):
        run(settings, faces_folder, tmp_path)


def test_a_checkpoint_that_cannot_be_written_keeps_the_last_one(
    faces_folder, tmp_path, monkeypatch
):
    run(config(3), faces_folder, tmp_path)
    before = (tmp_path / "checkpoint.pt").read_bytes()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("torch.save", full)
    with pytest.raises(DataError, match=r"cannot write .*checkpoint\.pt.*free some disk space"):
        run(config(6), faces_folder, tmp_path)
    assert (tmp_path / "checkpoint.pt").read_bytes() == before
    assert not list(tmp_path.glob("*.part")) + list(tmp_path.glob(".*.part"))


def test_a_resumed_run_equals_an_uninterrupted_one(faces_folder, tmp_path):
    settings = config(3)
    twice = replace(settings, stages=(*settings.stages, replace(settings.stages[0], rate=1e-3)))
    uninterrupted = run(twice, faces_folder, tmp_path / "uninterrupted")
    run(settings, faces_folder, tmp_path / "parts")
    resumed = run(twice, faces_folder, tmp_path / "parts")
    assert resumed.read_bytes() == uninterrupted.read_bytes()


def test_a_run_stops_when_its_time_is_over_and_continues_elsewhere(faces_folder, tmp_path):
    uninterrupted = run(config(), faces_folder, tmp_path / "uninterrupted")
    out = tmp_path / "first"
    train(
        config(),
        faces=faces_folder,
        landmarks=faces_folder / "landmarks.npz",
        run=out,
        minutes=0,
    )
    (line,) = (json.loads(x) for x in (out / "metrics.jsonl").read_text().splitlines())
    assert line["step"] == 1
    assert "hole_psnr" not in line
    assert load_network(out / "tiny.safetensors")
    # Another machine needs the checkpoint alone.
    (tmp_path / "second").mkdir()
    (out / "checkpoint.pt").rename(tmp_path / "second" / "checkpoint.pt")
    continued = run(config(), faces_folder, tmp_path / "second")
    assert continued.read_bytes() == uninterrupted.read_bytes()


def test_no_crop_cache_is_written_without_validation_faces(faces_folder, tmp_path):
    with np.load(faces_folder / "landmarks.npz") as stored:
        arrays = {**stored, "split": np.full(10, "train")}
    np.savez(tmp_path / "l.npz", **arrays)
    with pytest.raises(DataError, match="no faces in split 'val'"):
        train(config(), faces=faces_folder, landmarks=tmp_path / "l.npz", run=tmp_path / "run")
    assert not (tmp_path / "run" / "packs").exists()
    # Without the array, some people are held out.
    del arrays["split"]
    np.savez(tmp_path / "l.npz", **arrays)
    weights = train(config(3), faces=faces_folder, landmarks=tmp_path / "l.npz", run=tmp_path / "r")
    assert load_network(weights)


def test_a_run_needs_a_folder_and_disk_space(faces_folder, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(InvalidInputError, match=r"--run .*is a file.*choose another folder"):
        run(config(), faces_folder, tmp_path / "file")
    faces = read_landmarks(faces_folder / "landmarks.npz")
    plan = CropCacheConfig(size=2**20, variants=1, split="train", per_person=None, limit=None)
    (tmp_path / "run").mkdir()
    with pytest.raises(DataError, match=r"GB of disk.*--limit"):
        check_disk_space(faces_folder, [(faces, plan)], tmp_path / "run")
    assert not (tmp_path / "run" / "packs").exists()


def test_corpora_decide_what_is_rendered_and_drawn(faces_folder, tmp_path):
    corpora = (Corpus(0.5, prefix="set/person1/", sharp=True), Corpus(0.5, "set/", per_person=1))
    settings = replace(config(3), corpora=corpora, validation=9, validation_prefix="set/person4")
    run(settings, faces_folder, tmp_path)
    counts = {p.name.split("-")[0]: len(CropCache(p)) for p in (tmp_path / "packs").iterdir()}
    assert counts == {"train": 5, "val": 2}
    for wrong, expected in (
        ({"corpora": (Corpus(1.0, prefix="lfw/"),)}, "prefix 'lfw/'"),
        ({"validation_prefix": "lfw/"}, "validation_prefix"),
    ):
        with pytest.raises(DataError, match=expected):
            run(replace(settings, **wrong), faces_folder, tmp_path / "wrong")
        assert not (tmp_path / "wrong" / "packs").exists()
    with pytest.raises(ConfigError, match="add up to 1"):
        replace(settings, corpora=corpora[:1])


def test_training_starts_from_given_weights(faces_folder, tmp_path):
    weights = run(config(3), faces_folder, tmp_path / "a")
    still = (replace(config(3).stages[0], rate=1e-9, final_rate=1e-9),)
    settings = replace(config(3), start=str(weights), stages=still)
    after = load_network(run(settings, faces_folder, tmp_path / "b")).state_dict()
    for name, tensor in load_network(weights).state_dict().items():
        if "running" not in name and "tracked" not in name:
            # What float16 brings back of the checkerboard is removed again.
            shuffled = "generator.head.1" in name or "unmasker.sharpener.body" in name
            atol = 3e-5 if shuffled else 2e-6
            torch.testing.assert_close(after[name], tensor, rtol=2e-3, atol=atol)
    other = replace(settings, network=replace(TINY, blocks=(0, 2, 1)))
    with pytest.raises(ConfigError, match=r"the network in .* has other sizes"):
        run(other, faces_folder, tmp_path / "c")


def test_the_average_of_given_weights_moves_slowly_from_the_first_step(faces_folder, tmp_path):
    start = run(config(1), faces_folder, tmp_path / "start")
    weights = run(replace(config(3), ema=1.0, start=str(start)), faces_folder, tmp_path / "run")
    assert weights.read_bytes() == start.read_bytes()


def test_a_diverged_run_stops_and_keeps_the_checkpoint(faces_folder, tmp_path):
    run(config(3), faces_folder, tmp_path)
    checkpoint = tmp_path / "checkpoint.pt"
    state = torch.load(checkpoint, weights_only=True)
    for network in ("net", "average"):
        state[network]["generator.head.1.bias"][0] = torch.nan
    torch.save(state, checkpoint)
    before = checkpoint.read_bytes()
    with pytest.raises(TrainingError, match=r"not finite at step 6: .*hole_psnr.*lower the"):
        run(config(6), faces_folder, tmp_path)
    assert checkpoint.read_bytes() == before


def test_a_small_network_is_distilled_from_a_large_one(faces_folder, tmp_path):
    teacher = run(config(2), faces_folder, tmp_path / "large")
    small = replace(TINY, channels=(8, 8, 8, 8), sharpener_channels=8)
    stage = replace(config(3).stages[0], losses=LossWeights(distillation=1.0))
    settings = replace(config(3), stages=(stage,), network=small, teacher=str(teacher))
    weights = run(settings, faces_folder, tmp_path / "small")
    line = json.loads((tmp_path / "small" / "metrics.jsonl").read_text().splitlines()[0])
    assert line["distillation"] > 0
    assert weights.stat().st_size < teacher.stat().st_size
    with pytest.raises(ConfigError, match="--teacher"):
        replace(settings, teacher=None)
    large = replace(stage, size=128)
    other = replace(settings, network=replace(small, size=128), stages=(large,))
    with pytest.raises(ConfigError, match=r"must have segmentation and take crops of 128 px"):
        run(other, faces_folder, tmp_path / "other")
    assert not (tmp_path / "other" / "packs").exists()
    with pytest.raises(ConfigError, match="network without segmentation"):
        replace(settings, network=replace(small, segmentation=False))


def test_distillation_brings_a_small_network_closer_to_its_teacher(faces_folder, tmp_path):
    """Without the reconstruction, only the teacher gives gradients."""
    torch.manual_seed(0)
    teacher = run(config(2), faces_folder, tmp_path / "large")
    losses = LossWeights(reconstruction=0.0, distillation=1.0)
    stage = replace(config(30).stages[0], losses=losses, rate=1e-2)
    small = replace(TINY, channels=(8, 8, 8, 8), sharpener_channels=8)
    settings = replace(config(3), stages=(stage,), network=small, teacher=str(teacher))
    run(settings, faces_folder, tmp_path / "small")
    lines = (tmp_path / "small" / "metrics.jsonl").read_text().splitlines()
    distances = [json.loads(line)["distillation"] for line in lines]
    assert distances[-1] < 0.8 * distances[0]


def test_training_the_segmentation_alone_keeps_the_generator(faces_folder, tmp_path):
    weights = run(config(3), faces_folder, tmp_path / "a")
    stage = replace(
        config(6).stages[0],
        losses=LossWeights(reconstruction=0.0),
        hard_share=0.5,
        again_share=0.5,
    )
    settings = replace(config(3), stages=(stage,), start=str(weights))
    again = run(settings, faces_folder, tmp_path / "b")
    before, after = (load_network(path).state_dict() for path in (weights, again))
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert any(name.startswith("unmasker.segmenter.") for name in changed)
    assert any(name.startswith("unmasker.mask_sharpener.") for name in changed)
    assert not any("unmasker.generator" in name or ".sharpener" in name for name in changed)
    line = json.loads((tmp_path / "b" / "metrics.jsonl").read_text().splitlines()[0])
    assert "segmentation" in line
    assert "reconstruction" not in line


def test_after_removing_a_mask_only_its_residue_is_labeled_mask(crop_cache):
    trainer = Trainer(config(), torch.device("cpu"))
    batch = read_batch(crop_cache, np.arange(4), 0, torch.device("cpu"))
    with torch.no_grad():
        # Untrained weights give probabilities near one half: make them confident.
        trainer.ema.segmenter.head[1].weight.mul_(120)
        trainer.ema.segmenter.head[1].bias.sub_(8)
        with autocast(torch.device("cpu")):
            _, opacity, _ = trainer.ema(batch.masked)
    again = trainer._remove_some_masks(batch, 1.0, np.random.default_rng(0))
    off, on = (opacity > 0.9), (opacity == 0)
    assert off.any()
    assert on.any()
    assert (again.mask[off] < 0.2).all()
    assert (again.mask[on] == batch.mask[on]).all()
    kept = on.expand_as(batch.masked)
    assert (again.masked[kept] == batch.masked[kept]).all()
    assert again.truth is batch.truth
    assert trainer._remove_some_masks(batch, 0.0, np.random.default_rng(0)) is batch


@pytest.mark.parametrize(
    ("term", "key"),
    [
        ("perceptual", "perceptual_weights"),
        ("adversarial", "perceptual_weights"),
        ("identity", "identity_weights"),
        ("distillation", "teacher"),
    ],
)
def test_missing_frozen_networks_are_reported_before_any_work(faces_folder, tmp_path, term, key):
    late = replace(config(3).stages[0], losses=LossWeights(**{term: 1.0}))
    settings = replace(config(3), stages=(config(3).stages[0], late), **{key: "nowhere"})
    with pytest.raises(DataError, match="nowhere"):
        run(settings, faces_folder, tmp_path)
    assert not list(tmp_path.glob("*.jsonl"))
    assert not (tmp_path / "packs").exists()


def test_the_baseline_without_segmentation_trains(faces_folder, tmp_path):
    network = replace(TINY, segmentation=False, block="residual")
    weights = run(replace(config(3), network=network), faces_folder, tmp_path)
    line = json.loads((tmp_path / "metrics.jsonl").read_text().splitlines()[0])
    assert "segmentation" not in line
    assert load_network(weights).unmasker.config == network


def test_perceptual_and_adversarial_terms_train(faces_folder, tmp_path, vgg):
    stage = replace(config(3).stages[0], losses=LossWeights(adversarial=1.0, perceptual=0.5))
    settings = replace(config(3), stages=(stage,), perceptual_weights=str(vgg))
    run(settings, faces_folder, tmp_path)
    line = json.loads((tmp_path / "metrics.jsonl").read_text().splitlines()[0])
    for term in ("adversarial", "perceptual", "critic"):
        assert np.isfinite(line[term])


def test_a_run_starts_from_the_discriminator_of_another(faces_folder, tmp_path, vgg):
    stage = replace(
        config(3).stages[0], rate=1e-9, final_rate=1e-9, losses=LossWeights(adversarial=1.0)
    )
    settings = replace(config(3), stages=(stage,), perceptual_weights=str(vgg))
    weights = run(settings, faces_folder, tmp_path / "a")
    first = weights.with_name("tiny-discriminator.safetensors")
    again = replace(settings, seed=1, start_discriminator=str(first))
    weights = run(again, faces_folder, tmp_path / "b")
    second = weights.with_name("tiny-discriminator.safetensors")
    for name, tensor in load_discriminator(first).state_dict().items():
        if name.endswith("original"):  # `_u` and `_v` are estimated anew at each step.
            torch.testing.assert_close(
                load_discriminator(second).state_dict()[name], tensor, rtol=2e-3, atol=1e-6
            )
    with pytest.raises(DataError, match="does not hold a discriminator"):
        run(replace(again, start_discriminator=str(weights)), faces_folder, tmp_path / "c")


def test_the_unmasker_stays_as_it_is_while_the_discriminator_warms_up(faces_folder, tmp_path, vgg):
    start = run(config(1), faces_folder, tmp_path / "start")
    both = LossWeights(adversarial=1.0, perceptual=0.5)
    stage = replace(config(3).stages[0], losses=both, discriminator_warm_up=3)
    # Without an average, a single step shows in float16.
    settings = replace(config(3), ema=0.0, start=str(start), perceptual_weights=str(vgg))
    settings = replace(settings, stages=(stage,))
    weights = run(settings, faces_folder, tmp_path / "warm-up")
    before, after = (load_network(path).state_dict() for path in (start, weights))
    for name, tensor in before.items():
        torch.testing.assert_close(after[name], tensor, rtol=2e-3, atol=3e-5)
    checkpoint = torch.load(tmp_path / "warm-up" / "checkpoint.pt", weights_only=True)
    assert checkpoint["critic_optimiser"]["state"]
    assert not checkpoint["optimiser"]["state"]  # codespell:ignore optimiser
    longer = replace(settings, stages=(replace(stage, steps=6, rate=3e-3),))
    weights = run(longer, faces_folder, tmp_path / "warm-up")
    name = "unmasker.generator.head.1.weight"
    assert not torch.equal(load_network(weights).state_dict()[name], after[name])


def test_configuration_mistakes_are_reported(tmp_path):
    file = tmp_path / "c.yaml"
    cases = {
        "name: x\nstages: []": "at least one stage",
        "name: x\nstages: [{size: 128, steps: 1, color: red}]": r"stages\[0\].*'color'",
        "name: x\nstages: [{size: 65, steps: 1}]": "size or half of it, 256 or 128; got size 65",
        "name: x\nstages: [{size: 128, steps: 1, losses: {identity: 1}}]": "identity_weights",
        "name: x\nstages: [{size: 128, steps: 1, hard_share: 1.5}]": "hard_share",
        "name: x\nstages: [{size: 128, steps: 1, again_share: 0.1}]": "trains the generator too",
        "name: x\nstages: [{size: 128, steps: 1, background_share: 0.1}]": "--selfie-model",
        "name: x\nstages: [{size: 128, steps: 1, discriminator_warm_up: 1}]": "losses.adversarial",
        "name: x\nnetwork: {segmentation: false}\n"
        "stages: [{size: 128, steps: 1, losses: {reconstruction: 0}}]": "trains nothing",
        "name: x\nstages: [{size: 128, steps: 1, losses: {reconstruction: 0, segmentation: 0}}]": (
            "trains nothing"
        ),
        "name: x\nfrozen_share: 0\nstages: [{size: 128, steps: 1}]": "frozen_share",
        "stages: [{size: 128, steps: 1}]": "name",
        "- 1": "expected a mapping",
        "a: [": "not valid YAML",
        "name: 2024-13-45": "not valid YAML",
    }
    for text, expected in cases.items():
        file.write_text(text)
        with pytest.raises(ConfigError, match=expected):
            read_config(file)
    with pytest.raises(ConfigError, match="cannot read"):
        read_config(tmp_path / "none.yaml")


def test_a_landmark_file_without_training_faces_is_refused(faces_folder, tmp_path):
    names = np.load(faces_folder / "landmarks.npz")
    np.savez(
        tmp_path / "l.npz",
        name=names["name"],
        landmarks=names["landmarks"],
        split=np.full(len(names["name"]), "test"),
    )
    with pytest.raises(DataError, match="no faces in split 'train'"):
        train(config(), faces=faces_folder, landmarks=tmp_path / "l.npz", run=tmp_path / "run")
