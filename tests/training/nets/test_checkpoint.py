"""Weight files with wrong metadata or tensors."""

from __future__ import annotations

import json
import signal
from dataclasses import asdict, replace

import pytest
from safetensors.torch import save_file

from unmask_sdk.errors import DataError
from unmask_sdk.training.nets.checkpoint import load_network, load_unmasker, save_network
from unmask_sdk.training.nets.unmasker_graph import build_unmasker
from unmask_sdk.training.nets.unmasker_networks import UnmaskerConfig

SMALL = UnmaskerConfig(
    size=64, channels=(8, 8, 8, 8), blocks=(1, 1, 1), segmentation_channels=(8, 8, 8, 8)
)


@pytest.mark.parametrize("config", ["{", "[1, 2]", "3", '"text"', ""])
def test_a_damaged_configuration_is_refused(tmp_path, config):
    save_file({}, tmp_path / "w.safetensors", {"kind": "unmasker", "config": config})
    with pytest.raises(DataError, match=r"w\.safetensors holds a damaged configuration"):
        load_network(tmp_path / "w.safetensors")


def test_a_configuration_of_wrong_types_is_refused(tmp_path):
    config = json.dumps({**asdict(SMALL), "channels": 3})
    save_file({}, tmp_path / "w.safetensors", {"kind": "unmasker", "config": config})
    with pytest.raises(DataError, match="another version"):
        load_network(tmp_path / "w.safetensors")


def test_tensors_of_other_shapes_are_refused(tmp_path):
    path = tmp_path / "w.safetensors"
    other = replace(SMALL, channels=(8, 8, 8, 16))
    save_network(path, "unmasker", other, build_unmasker(SMALL).state_dict())
    with pytest.raises(DataError, match="does not fit its own configuration"):
        load_network(path)


def test_a_failed_write_keeps_the_old_weights(tmp_path):
    """A limit on file sizes fails in the same way as a full disk."""
    resource = pytest.importorskip("resource")
    path = tmp_path / "w.safetensors"
    state = build_unmasker(SMALL).state_dict()
    digest = save_network(path, "unmasker", SMALL, state)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
        with pytest.raises(DataError, match=r"cannot write .*w\.safetensors.*free some space"):
            save_network(path, "unmasker", SMALL, state)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    load_network(path, sha256=digest)
    assert [p.name for p in tmp_path.iterdir()] == ["w.safetensors"]


def test_load_unmasker_refuses_another_network(tiny_weights):
    assert load_unmasker(tiny_weights[0]).unmasker.config.size == 64
    with pytest.raises(DataError, match=r"detector\.safetensors does not hold an unmasker"):
        load_unmasker(tiny_weights[1])


def test_a_folder_is_not_a_weight_file(tmp_path):
    with pytest.raises(DataError, match="not a safetensors file"):
        load_network(tmp_path)
