"""Configuration files are checked before any work; errors name the key that is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from unmask_sdk import training
from unmask_sdk.errors import ConfigError
from unmask_sdk.training.common.device import open_device
from unmask_sdk.training.locator import train as locator_train
from unmask_sdk.training.unmasker import config

CONFIGS = Path(training.__path__[0]) / "configs"


def train_config(text, folder):
    """Reads a training configuration of one stage, with more lines."""
    file = folder / "c.yaml"
    file.write_text(f"name: x\nstages: [{{size: 128, steps: 1}}]\n{text}\n")
    return config.read_config(file)


def locator_config(text, folder):
    """Reads a locator configuration, with more lines."""
    file = folder / "c.yaml"
    file.write_text(f"faces: f\nlandmarks: l\nout: o\n{text}\n")
    return locator_train.read_config(file)


def test_numbers_are_converted_however_yaml_reads_them(tmp_path):
    file = tmp_path / "c.yaml"
    file.write_text("name: x\nstages: [{size: 128, steps: 1e3, rate: 3e-4, losses: {seam: 2}}]")
    (stage,) = config.read_config(file).stages
    assert (stage.steps, stage.rate, stage.losses.seam) == (1000, 3e-4, 2.0)
    assert type(stage.steps) is int
    assert type(stage.losses.seam) is float
    assert locator_config("detector: {steps: 5, batch: 2, rate: 2e-3}", tmp_path).detector.rate == (
        2e-3
    )


@pytest.mark.parametrize(
    ("stage", "expected"),
    [
        ("steps: 10.5", r"stages\[0\]\.steps: expected a whole number, got 10\.5"),
        ("rate: fast", r"stages\[0\]\.rate: expected a number, got 'fast'"),
        ("rate: .nan", r"stages\[0\]\.rate: expected a number"),
        ("rate: yes", r"stages\[0\]\.rate: expected a number, got True"),
        ("rate: 0", r"stages\[0\]: rate must be"),
        ("rate: -1", r"stages\[0\]: rate must be"),
        ("final_rate: -1", r"stages\[0\]: final_rate must be"),
        ("steps: 0", "positive steps"),
        ("losses: {seam: -1}", r"stages\[0\]\.losses: seam must be at least 0; got -1\.0"),
        ("losses: 3", r"stages\[0\]\.losses: expected a mapping"),
    ],
)
def test_mistakes_in_a_stage_are_reported(tmp_path, stage, expected):
    file = tmp_path / "c.yaml"
    rest = "" if "steps" in stage else ", steps: 1"
    file.write_text(f"name: x\nstages: [{{size: 128{rest}, {stage}}}]")
    with pytest.raises(ConfigError, match=r"c\.yaml.*" + expected):
        config.read_config(file)


@pytest.mark.parametrize(
    "line",
    [
        "interval: 0",
        "seed: -1",
        "ema: 1.5",
        "empty_share: -0.1",
        "predicted_share: 2",
        "validation: 0",
        "per_person: 0",
        "limit: 0",
        "compile: 1",
        "start: 5",
        "limit: many",
        "seed: null",
    ],
)
def test_values_out_of_range_are_reported(tmp_path, line):
    with pytest.raises(ConfigError, match=line.partition(":")[0]):
        train_config(line, tmp_path)


def test_networks_and_names_are_checked(tmp_path):
    assert train_config("limit: null\nnetwork: {blocks: [0, 2, 1]}", tmp_path).limit is None
    for line, expected in {
        "network: {blocks: [0, 2]}": r"network\.blocks: expected a list of 3 values",
        "network: {blocks: 3}": r"network\.blocks: expected a list",
        "network: {blocks: [a, 2, 1]}": r"network\.blocks\[0\]: expected a whole number",
        "network: {size: 40}": "network: size must be a multiple",
    }.items():
        with pytest.raises(ConfigError, match=expected):
            train_config(line, tmp_path)
    for name in ("a/b", "''", "256"):
        (tmp_path / "n.yaml").write_text(f"name: {name}\nstages: [{{size: 128, steps: 1}}]")
        with pytest.raises(ConfigError, match="name"):
            config.read_config(tmp_path / "n.yaml")


@pytest.mark.parametrize(
    "line",
    [
        "interval: 0",
        "seed: -1",
        "limit: 0",
        "val_limit: 0",
        "per_person: 0",
        "backgrounds: -1",
        "workers: -1",
        "workers: two",
        "detector: {steps: 1.5, batch: 2}",
        "detector: 3",
        "aligner: {steps: 2, batch: 0}",
        "faces: 3",
        "device: tpu",
    ],
)
def test_values_of_the_locator_are_checked_too(tmp_path, line):
    with pytest.raises(ConfigError, match=line.partition(":")[0]):
        locator_config(line, tmp_path)


@pytest.mark.parametrize("read", [config.read_config, locator_train.read_config])
def test_files_that_are_not_text_are_refused(tmp_path, read):
    file = tmp_path / "c.yaml"
    file.write_bytes("name: Jörg".encode("latin-1"))
    with pytest.raises(ConfigError, match=r"c\.yaml is not UTF-8"):
        read(file)
    with pytest.raises(ConfigError, match=r"cannot read configuration .*No such file"):
        read(tmp_path / "none.yaml")


@pytest.mark.parametrize("file", sorted(CONFIGS.rglob("*.yaml")), ids=lambda path: path.stem)
def test_shipped_configurations_are_valid(file, tmp_path):
    if file.stem == "locator":
        locator_train.read_config(file, faces="f", landmarks="l", out="o")
    else:
        weights = {"perceptual_weights": "p", "identity_weights": "i", "teacher": "t"}
        weights["selfie_model"] = "s"
        assert config.read_config(file, **weights).steps > 0


@pytest.mark.parametrize("name", ["", "gpu", "cuda:", "cuda:x", "cuda:99", "cpu:1"])
def test_devices_that_do_not_exist_are_refused(name):
    with pytest.raises(ConfigError, match=f"device .*{name}"):
        open_device(name)
    assert open_device("cpu").type == "cpu"
