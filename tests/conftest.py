"""Tiny real models, made once a session: random weights, exported like the real ones."""

from __future__ import annotations

from pathlib import Path

import pytest

# Side of the tiny unmasker's crop.
TINY = 64


@pytest.fixture(scope="session")
def tiny_weights(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Random weights of a tiny unmasker, detector and aligner, as `unmask train` writes them."""
    torch = pytest.importorskip("torch")
    from unmask_sdk.training.checkpoint import save_network
    from unmask_sdk.training.locator_networks import (
        AlignerConfig,
        AlignerGraph,
        DetectorConfig,
        DetectorGraph,
    )
    from unmask_sdk.training.networks import UnmaskerConfig, build_unmasker

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
        graph.unmasker.segmenter.head[1].weight.mul_(60)
        graph.unmasker.segmenter.head[1].bias.sub_(2)
    folder = tmp_path_factory.mktemp("weights")
    made = []
    for kind, config, network in (
        ("unmasker", unmasker, graph),
        ("detector", detector, DetectorGraph(detector)),
        ("aligner", aligner, AlignerGraph(aligner)),
    ):
        made.append(folder / f"{kind}.safetensors")
        save_network(made[-1], kind, config, network.state_dict())
    return made


@pytest.fixture(scope="session")
def tiny_artifacts(tiny_weights: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the tiny networks exported, and its manifest. Do not change it.

    They are there as ONNX and, where its converter is installed, as TFLite.
    """
    for name in ("onnx", "onnxscript", "onnxruntime"):
        pytest.importorskip(name)
    from unmask_sdk.export.formats import EXPORTERS, export
    from unmask_sdk.packages import missing

    folder = tmp_path_factory.mktemp("artifacts")
    export("onnx", tiny_weights, folder)
    if not missing(EXPORTERS["tflite"].requires):
        export("tflite", tiny_weights, folder)
    return folder


@pytest.fixture
def own_artifacts(tiny_artifacts: Path, tmp_path: Path) -> Path:
    """A copy of `tiny_artifacts` that a test may damage."""
    import shutil

    return Path(shutil.copytree(tiny_artifacts, tmp_path / "artifacts"))
