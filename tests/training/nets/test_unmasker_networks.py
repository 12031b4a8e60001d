"""The unmasker graph: uint8 in and out, unchanged outside the mask, within its budget."""

from __future__ import annotations

import json
from dataclasses import asdict, replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from torch import nn

from unmask_sdk.errors import ConfigError, DataError
from unmask_sdk.training.nets.checkpoint import load_network, save_network
from unmask_sdk.training.nets.cost import layer_costs
from unmask_sdk.training.nets.unmasker_graph import UnmaskerGraph, build_unmasker, composite
from unmask_sdk.training.nets.unmasker_networks import (
    UnmaskerConfig,
    UnmaskerNet,
    binarize,
    soft_threshold,
)

SMALL = UnmaskerConfig(
    size=64, channels=(8, 8, 8, 8), blocks=(1, 1, 1), segmentation_channels=(8, 8, 8, 8)
)


class FakeUnmasker(nn.Module):
    """Replaces the networks, with a known image and a known mask."""

    def __init__(self, generated: torch.Tensor, probability: torch.Tensor) -> None:
        super().__init__()
        self.generated, self.probability = generated, probability

    def forward(self, image: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        opacity = soft_threshold(self.probability)
        return self.generated.expand_as(image), opacity, binarize(self.probability)


def test_a_tiny_change_of_opacity_changes_a_pixel_by_1_at_most():
    # Where an opacity quantized to 127 steps would round up or down, and next to it.
    steps = (torch.arange(127, dtype=torch.float64) + 0.5) / 127
    offsets = torch.tensor([-1e-4, -1e-6, 0.0, 1e-6, 1e-4], dtype=torch.float64)
    opacity = (steps[:, None] + offsets).float().reshape(1, 1, 127, 5)
    pixels = torch.tensor([0.0, 77.0, 255.0]).reshape(1, 3, 1, 1).expand(1, 3, 127, 5)
    generated = torch.tensor([1.0, -0.3, -1.0]).reshape(1, 3, 1, 1).expand(1, 3, 127, 5)
    blended, mask = composite(pixels, generated, opacity, torch.zeros_like(opacity))
    assert (mask.amax(3) - mask.amin(3) == 1).all()
    assert (blended.amax(3) - blended.amin(3) <= 1).all()
    untouched = (mask == 0).expand_as(pixels)
    assert untouched.any()
    assert torch.equal(blended[untouched], pixels[untouched])


def test_default_network_is_within_the_budget():
    graph = build_unmasker(UnmaskerConfig())
    costs = layer_costs(graph, torch.zeros(1, 256, 256, 3, dtype=torch.uint8))
    assert sum(p.numel() for p in graph.parameters()) <= 5e6
    assert sum(cost.flop for cost in costs) <= 10e9


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**31), count=st.integers(1, 3))
def test_pixels_outside_the_mask_are_unchanged(seed, count):
    rng = np.random.default_rng(seed)
    image = torch.from_numpy(rng.integers(0, 256, (count, 64, 64, 3), np.uint8))
    probability = torch.from_numpy(rng.random((count, 1, 64, 64)).astype(np.float32))
    generated = torch.from_numpy(rng.normal(0, 1, (1, 3, 64, 64)).astype(np.float32))
    unmasked, mask = UnmaskerGraph(FakeUnmasker(generated, probability))(image)
    assert unmasked.dtype == mask.dtype == torch.uint8
    assert unmasked.shape == image.shape
    assert mask.shape == (count, 64, 64, 1)
    outside = (mask == 0).expand_as(image)
    assert (unmasked[outside] == image[outside]).all()
    expected = ((generated + 1) * 127.5).clamp(0, 255).add(0.5).floor().byte().permute(0, 2, 3, 1)
    inside = (mask >= 128).expand_as(image)
    assert (inside[..., 0] == (probability > 0.401)[:, 0]).float().mean() > 0.99
    assert (unmasked[inside] == expected.expand_as(image)[inside]).all()


@pytest.mark.parametrize(
    "changes", [{"block": "residual"}, {"segmentation": False, "block": "residual"}]
)
def test_baselines_have_the_same_inputs_and_outputs(changes):
    graph = build_unmasker(replace(SMALL, **changes)).eval()
    image = torch.randint(0, 256, (2, 64, 64, 3), dtype=torch.uint8)
    unmasked, mask = graph(image)
    assert unmasked.shape == image.shape
    if not changes.get("segmentation", True):
        assert (mask == 255).all()


@pytest.mark.parametrize("segmentation", [True, False])
def test_full_size_starts_as_upsampled_half_size(segmentation):
    """What is learned at half size is used unchanged before the sharpeners are trained."""
    torch.manual_seed(0)
    net = build_unmasker(replace(SMALL, segmentation=segmentation)).unmasker.eval()
    small = torch.rand(2, 3, 32, 32) * 2 - 1
    large = small.repeat_interleave(2, 2).repeat_interleave(2, 3)
    with torch.inference_mode():
        for part, full in zip(net(small), net(large), strict=True):
            upsampled = part.repeat_interleave(2, 2).repeat_interleave(2, 3)
            torch.testing.assert_close(full, upsampled, rtol=1e-4, atol=1e-4)


def test_the_generated_image_does_not_depend_on_what_is_under_the_mask():
    torch.manual_seed(0)
    net = build_unmasker(SMALL).unmasker.eval()
    with torch.no_grad():
        for part in net.sharpener.parameters():
            part.normal_(0, 0.1)
    opacity = torch.zeros(1, 1, 64, 64)
    opacity[:, :, 31:51, 13:40] = 1
    image = torch.rand(1, 3, 64, 64)
    with torch.inference_mode():
        one = net.inpaint(image, opacity)
        other = net.inpaint(torch.where(opacity > 0, -image, image), opacity)
    torch.testing.assert_close(one, other)


def test_opacity_is_exactly_0_and_1_at_its_ends():
    opacity = soft_threshold(torch.tensor([0.0, 0.05, 0.125, 0.2, 0.97, 1.0]))
    assert opacity.tolist() == pytest.approx([0, 0, 0.5, 1, 1, 1], abs=1e-6)
    assert opacity[0] == 0
    assert opacity[-1] == 1


def test_the_hole_is_one_pixel_wider_than_the_mask_at_full_size():
    net = build_unmasker(SMALL).unmasker
    probability = torch.zeros(1, 1, 64, 64)
    probability[:, :, 20:40, 10:30] = 1
    hole = torch.zeros(1, 1, 64, 64)
    hole[:, :, 19:41, 9:31] = 1
    assert torch.equal(net.hole_mask(probability), hole)
    half = probability[:, :, ::2, ::2]
    assert torch.equal(net.hole_mask(half), half)
    assert torch.equal(binarize(probability), probability)


@pytest.mark.parametrize(
    "fields",
    [
        {"size": 48},
        {"channels": (8, 8)},
        {"channels": (8, 8, 8, 0)},
        {"blocks": (1, 1)},
        {"blocks": (1, -1, 1)},
        {"block": "transformer"},
        {"sharpener_blocks": 0},
        {"branch_ratio": 0.0},
        {"dilations": ()},
        {"dilations": (0,)},
    ],
)
def test_invalid_sizes_are_refused(fields):
    with pytest.raises(ConfigError):
        UnmaskerConfig(**fields)


def test_weights_are_restored_from_disk(tmp_path):
    torch.manual_seed(1)
    graph = build_unmasker(SMALL).eval()
    path = tmp_path / "w.safetensors"
    digest = save_network(path, "unmasker", SMALL, graph.state_dict())
    again = load_network(path, sha256=digest)
    for name, tensor in graph.state_dict().items():
        np.testing.assert_allclose(
            again.state_dict()[name].float(), tensor.float(), rtol=1e-3, atol=1e-6
        )
    assert save_network(path, "unmasker", SMALL, graph.state_dict()) == digest


def test_a_sharpener_of_three_blocks_is_built_counted_and_restored(tmp_path):
    example = torch.randint(0, 256, (1, 64, 64, 3), dtype=torch.uint8)
    torch.manual_seed(2)
    config = replace(SMALL, sharpener_blocks=3)
    graph = build_unmasker(config).eval()
    names = [cost.name for cost in layer_costs(graph, example) if ".sharpener." in cost.name]
    one_block = layer_costs(build_unmasker(SMALL), example)
    # Two convolutions for each of the two blocks more.
    assert len(names) == len([c for c in one_block if ".sharpener." in c.name]) + 4
    # The last convolution starts at zero, so that the sharpener starts as plain enlargement.
    last = graph.unmasker.sharpener.body[-2]
    assert not last.weight.any()
    assert not last.bias.any()
    with torch.no_grad():
        last.weight.normal_(0, 0.01)
    save_network(tmp_path / "w.safetensors", "unmasker", config, graph.state_dict())
    loaded = load_network(tmp_path / "w.safetensors")
    assert loaded.unmasker.config == config
    assert loaded.state_dict().keys() == graph.state_dict().keys()
    stored = loaded.unmasker.sharpener.body[-2].weight
    np.testing.assert_allclose(stored.detach(), last.weight.detach(), rtol=1e-3, atol=1e-6)


def test_weights_written_before_sharpener_blocks_load(tmp_path):
    graph = build_unmasker(SMALL)
    path = tmp_path / "w.safetensors"
    save_network(path, "unmasker", SMALL, graph.state_dict())
    config = asdict(SMALL)
    del config["sharpener_blocks"]
    save_file(load_file(path), path, {"kind": "unmasker", "config": json.dumps(config)})
    loaded = load_network(path)
    assert loaded.unmasker.config == SMALL
    assert "unmasker.sharpener.body.2.weight" in loaded.state_dict()


def test_damaged_weights_are_refused(tmp_path):
    graph = build_unmasker(SMALL)
    path = tmp_path / "w.safetensors"
    digest = save_network(path, "unmasker", SMALL, graph.state_dict())
    with pytest.raises(DataError, match="no weight file"):
        load_network(tmp_path / "absent.safetensors")
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(DataError, match="SHA-256"):
        load_network(path, sha256=digest)
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(DataError, match="not a safetensors file"):
        load_network(path)
    save_file({}, path, {"kind": "unmasker", "config": '{"color": 3}'})
    with pytest.raises(DataError, match=r"another version.*color"):
        load_network(path)
    path.write_bytes(b"\x80\x04K\x01.")  # a pickle
    with pytest.raises(DataError, match="not a safetensors file"):
        load_network(path)


def test_no_checkerboard_is_left_in_the_generated_image():
    torch.manual_seed(0)
    network = UnmaskerNet(replace(SMALL, sharpener_blocks=1)).eval()
    torch.nn.init.normal_(network.sharpener.body[-2].weight)
    network.to(memory_format=torch.channels_last)  # As while training.
    size = network.config.size
    image, hole = torch.rand(1, 3, size, size) * 2 - 1, torch.ones(1, 1, size, size)

    def checkerboard(x):
        return (x[..., ::2, ::2] - x[..., 1::2, ::2] - x[..., ::2, 1::2] + x[..., 1::2, 1::2]).abs()

    with torch.inference_mode():
        before = network.inpaint(image, hole)
        network.remove_checkerboard()
        after = network.inpaint(image, hole)
        half = network.inpaint(image[..., ::2, ::2], hole[..., ::2, ::2])
        weight = network.sharpener.body[-2].weight.clone()
        network.remove_checkerboard()
    assert checkerboard(before).mean() > 0.1
    assert checkerboard(after).max() < 1e-4
    assert checkerboard(half).max() < 1e-4
    # The rest stays: block means, and what differs along rows or columns alone.
    means = torch.nn.functional.avg_pool2d
    assert means(after, 2).std() > 0.1
    torch.testing.assert_close(network.sharpener.body[-2].weight, weight)
