"""The networks of `tiny_weights`: real architectures, random weights, small enough for tests."""

from __future__ import annotations

from pathlib import Path

# Side of the tiny unmasker's crop.
TINY = 64


def save_tiny_networks(folder: Path) -> list[Path]:
    """Writes random weights of a tiny unmasker, detector and aligner; returns their files."""
    import torch

    from unmask_sdk.training.nets.checkpoint import save_network
    from unmask_sdk.training.nets.locator_networks import (
        AlignerConfig,
        AlignerGraph,
        DetectorConfig,
        DetectorGraph,
    )
    from unmask_sdk.training.nets.unmasker_graph import build_unmasker
    from unmask_sdk.training.nets.unmasker_networks import UnmaskerConfig

    torch.manual_seed(0)
    unmasker = UnmaskerConfig(
        size=TINY,
        channels=(8, 8, 8, 8),
        blocks=(0, 1, 0),
        segmentation_channels=(8, 8, 8, 8),
    )
    detector = DetectorConfig(channels=(8, 8, 8, 8, 8))
    aligner = AlignerConfig(channels=(8, 8, 8, 8), neck=8)
    graph = build_unmasker(unmasker)
    # Fresh weights are unsure everywhere; these find masks in some places and none in others.
    with torch.no_grad():
        graph.unmasker.segmenter.head[1].weight.mul_(120)
        graph.unmasker.segmenter.head[1].bias.sub_(8)
    files = []
    for kind, config, network in (
        ("unmasker", unmasker, graph),
        ("detector", detector, DetectorGraph(detector)),
        ("aligner", aligner, AlignerGraph(aligner)),
    ):
        files.append(folder / f"{kind}.safetensors")
        save_network(files[-1], kind, config, network.state_dict())
    return files
