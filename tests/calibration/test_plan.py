"""Plans: for whom they hold, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from unmask_sdk.calibration import plan as plan_module
from unmask_sdk.calibration.images import pack_images, read_images
from unmask_sdk.calibration.plan import (
    Plan,
    config_of,
    convolutions,
    from_json,
    plan_for,
    read_plan,
    rule_of_thumb,
)
from unmask_sdk.errors import ConfigError, DataError

pytest.importorskip("torch")
from unmask_sdk.training import shipped_weights
from unmask_sdk.training.nets.checkpoint import load_network
from unmask_sdk.training.nets.graph import build_unmasker
from unmask_sdk.training.nets.networks import UnmaskerConfig


def test_a_plan_survives_the_disk(tmp_path: Path) -> None:
    plan = Plan(("a.b", "c"), "mse", False, {"size": 64}, "f00", "ba4", {"ssim": 0.001})
    file = tmp_path / "plan.json"
    file.write_text(plan.to_json())
    assert read_plan(file) == plan


def test_the_shipped_plan_is_for_the_shipped_network() -> None:
    network = load_network(shipped_weights("unmask-256"))
    plan = read_plan("unmask-256")
    assert plan_for(network) == plan
    assert set(plan.keep_float) <= set(convolutions(network))


def test_other_weights_of_the_architecture_have_the_same_plan() -> None:
    assert plan_for(build_unmasker(UnmaskerConfig())) == read_plan("unmask-256")


def test_a_plan_outlives_new_settings_left_at_their_defaults(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    network = build_unmasker(UnmaskerConfig())
    config = {k: v for k, v in config_of(network).items() if k != "sharpener_channels"}
    older = Plan((), "mse", config=config)
    monkeypatch.setattr(plan_module, "_shipped", lambda: {"older": older})
    assert plan_for(network) == older
    finer = build_unmasker(UnmaskerConfig(sharpener_channels=16))
    assert plan_for(finer) == rule_of_thumb(finer)


def test_another_architecture_has_the_rule_of_thumb(tiny_weights: list[Path]) -> None:
    network = load_network(tiny_weights[0])
    plan = plan_for(network)
    assert plan == rule_of_thumb(network)
    assert "unmasker.generator.head.1" in plan.keep_float
    assert "unmasker.generator.down1.0" not in plan.keep_float


def test_the_plan_in_a_set_comes_first(tiny_weights: list[Path], tmp_path: Path) -> None:
    network = load_network(tiny_weights[0])
    own = replace(rule_of_thumb(network), keep_float=(), method="mse")
    file = tmp_path / "set.npz"
    crops = read_images().images[:1]
    file.write_bytes(pack_images(crops, own.to_json()))
    assert plan_for(network, file) == own
    file.write_bytes(pack_images(crops))
    assert plan_for(network, file) == rule_of_thumb(network)
    file.write_bytes(pack_images(crops, replace(own, config={"size": 8}).to_json()))
    with pytest.raises(ConfigError, match="another configuration; make one for these weights"):
        plan_for(network, file)


@pytest.mark.parametrize(
    "text", ["", "{}", "[]", '{"schema": 1, "keep_float": [], "more": 1}', '{"schema": 9}']
)
def test_what_is_no_plan_is_refused(text: str) -> None:
    with pytest.raises(DataError, match=r"here is .*; make it again with"):
        from_json(text, "here")


def test_unknown_names_and_methods_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no plan 'mine'; known are unmask-256"):
        read_plan("mine")
    with pytest.raises(DataError, match="cannot read the plan"):
        read_plan(tmp_path / "none.json")
    with pytest.raises(DataError, match="minmax, entropy, percentile, mse, not 'luck'"):
        Plan((), "luck")
