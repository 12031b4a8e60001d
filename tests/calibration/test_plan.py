"""Quantization plans: which networks they are valid for, and what is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from unmask_sdk.calibration import plan as plan_module
from unmask_sdk.calibration.calibration_set import CalibrationSet, pack_images, read_images
from unmask_sdk.calibration.plan import (
    Int8Plan,
    config_of,
    convolutions,
    default_plan,
    from_json,
    plan_for,
    read_plan,
)
from unmask_sdk.errors import ConfigError, DataError

pytest.importorskip("torch")
from unmask_sdk.training import shipped_weights
from unmask_sdk.training.nets.checkpoint import load_network
from unmask_sdk.training.nets.unmasker_graph import build_unmasker
from unmask_sdk.training.nets.unmasker_networks import UnmaskerConfig


def test_plan_reads_back_as_written(tmp_path: Path) -> None:
    plan = Int8Plan(
        ("a.b", "c"), "mse", False, {"size": 64}, "f00", "ba4", {"ssim": 0.001}, ("d.e",)
    )
    file = tmp_path / "plan.json"
    file.write_text(plan.to_json())
    assert read_plan(file) == plan


def test_packaged_plan_is_for_the_packaged_network() -> None:
    network = load_network(shipped_weights("unmask-256"))
    plan = read_plan("unmask-256")
    assert plan_for(network) == plan
    assert set(plan.kept(symmetric=True)) <= set(convolutions(network))
    assert plan.kept(symmetric=False) == plan.keep_float
    assert "unmasker.sharpener.answer.0" in plan.kept(symmetric=True)


def test_other_weights_of_the_configuration_have_the_same_plan() -> None:
    shipped = load_network(shipped_weights("unmask-256"))
    other = build_unmasker(shipped.unmasker.config)
    assert plan_for(other) == read_plan("unmask-256")


def test_older_plan_is_valid_for_defaults_of_newer_options(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    network = build_unmasker(UnmaskerConfig())
    config = {k: v for k, v in config_of(network).items() if k != "sharpener_channels"}
    older = Int8Plan((), "mse", config=config)
    monkeypatch.setattr(plan_module, "_packaged", lambda: {"older": older})
    assert plan_for(network) == older
    finer = build_unmasker(UnmaskerConfig(sharpener_channels=16))
    assert plan_for(finer) == default_plan(finer)


def test_other_configuration_has_the_default_plan(tiny_weights: list[Path]) -> None:
    network = load_network(tiny_weights[0])
    plan = plan_for(network)
    assert plan == default_plan(network)
    assert "unmasker.generator.head.1" in plan.keep_float
    assert "unmasker.generator.down1.0" not in plan.keep_float


@pytest.mark.parametrize("blocks", [1, 2, 3])
def test_default_plan_keeps_the_layers_that_output_images_and_masks(blocks: int) -> None:
    network = build_unmasker(UnmaskerConfig(sharpener_blocks=blocks))
    kept = {name for name in default_plan(network).keep_float if "sharpener" in name}
    assert kept == {
        f"unmasker.sharpener.body.{blocks + 1}",
        "unmasker.mask_sharpener.body.2",
    }


def test_plan_in_the_calibration_set_takes_precedence(
    tiny_weights: list[Path], tmp_path: Path
) -> None:
    network = load_network(tiny_weights[0])
    own = replace(default_plan(network), keep_float=(), method="mse")
    file = tmp_path / "set.npz"
    crops = read_images().images[:1]
    file.write_bytes(pack_images(crops, own.to_json()))
    assert plan_for(network, CalibrationSet(file)) == own
    file.write_bytes(pack_images(crops))
    assert plan_for(network, CalibrationSet(file)) == default_plan(network)
    file.write_bytes(pack_images(crops, replace(own, config={"size": 8}).to_json()))
    with pytest.raises(ConfigError, match="another configuration; make one for these weights"):
        plan_for(network, CalibrationSet(file))


def test_plan_without_newer_fields_is_read() -> None:
    plan = Int8Plan(("a",))
    fields = json.loads(plan.to_json())
    del fields["keep_float_symmetric"]
    assert from_json(json.dumps(fields), "here") == plan


@pytest.mark.parametrize(
    "text", ["", "{}", "[]", '{"schema": 1, "keep_float": [], "more": 1}', '{"schema": 9}']
)
def test_invalid_plans_are_refused(text: str) -> None:
    with pytest.raises(DataError, match=r"here is .*; make it again with"):
        from_json(text, "here")


def test_unknown_names_and_methods_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no plan 'mine'; known are unmask-256"):
        read_plan("mine")
    with pytest.raises(DataError, match="cannot read the plan"):
        read_plan(tmp_path / "none.json")
    with pytest.raises(DataError, match="minmax, entropy, percentile, mse, not 'luck'"):
        Int8Plan((), "luck")
