"""Runs the locator in torch, from its weight files."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from unmask_sdk.core.arrays import AnyArray
from unmask_sdk.faces.locator import Locator

from .checkpoint import load_network

# Kind of network -> names of its outputs, in order.
OUTPUTS = {"detector": ("heat", "box"), "aligner": ("points", "score")}


class GraphRunner:
    """A torch graph behind the interface that `Locator` expects.

    Args:
        graph: A module that takes uint8 `image`.
        outputs: Names of its outputs, in order.
    """

    def __init__(self, graph: nn.Module, outputs: tuple[str, ...]) -> None:
        self._graph = graph.eval()
        self._outputs = outputs

    def run_named(self, **inputs: AnyArray) -> dict[str, AnyArray]:
        """Runs the graph on `image` and returns its outputs by name."""
        with torch.inference_mode():
            outputs = self._graph(torch.from_numpy(inputs["image"]))
        return {k: a.numpy() for k, a in zip(self._outputs, outputs, strict=True)}


def load_locator(weights: Path) -> Locator:
    """Loads the locator from `detector.safetensors` and `aligner.safetensors` of a folder.

    Raises:
        DataError: If one of the two files is missing or damaged.
    """
    detector, aligner = (
        GraphRunner(load_network(weights / f"{kind}.safetensors"), names)
        for kind, names in OUTPUTS.items()
    )
    return Locator(detector, aligner)
