"""The fixed networks behind some loss terms: VGG16, face recognition, the teacher."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from unmask_sdk.errors import ConfigError
from unmask_sdk.training.common.device import to_channels_last
from unmask_sdk.training.nets.checkpoint import load_unmasker
from unmask_sdk.training.nets.unmasker_networks import UnmaskerNet

from .config import LossWeights, TrainConfig
from .identity_loss import Identity, load_identity
from .perceptual_loss import Perceptual, load_perceptual

# Loss term -> the property of `FrozenNetworks` that it needs.
NETWORK_OF_TERM = {
    "perceptual": "perceptual",
    "adversarial": "perceptual",
    "identity": "identity",
    "distillation": "teacher",
}


class FrozenNetworks:
    """Loads each fixed network once, when it is first used.

    Args:
        config: Names the weight files.
        device: Where the networks run.
        compile_function: Compiles a function, or returns it as it is.
    """

    def __init__(
        self,
        config: TrainConfig,
        device: torch.device,
        compile_function: Callable[[Callable[..., Any]], Callable[..., Any]],
    ) -> None:
        self._config = config
        self._device = device
        self._compile = compile_function

    def preload(self, weights: LossWeights) -> None:
        """Loads every network that these loss weights use, so that a missing file shows early.

        Raises:
            ConfigError: If the teacher does not fit the network to train.
            DataError: If a weight file is missing or damaged.
        """
        for term, network in NETWORK_OF_TERM.items():
            if getattr(weights, term):
                getattr(self, network)

    @cached_property
    def perceptual(self) -> Perceptual:
        """VGG16, for the perceptual and adversarial terms."""
        network = load_perceptual(Path(str(self._config.perceptual_weights)))
        network.compile_features(self._compile)
        return to_channels_last(network, self._device)

    @cached_property
    def identity(self) -> Identity:
        """The face-recognition network, for the identity term."""
        network = load_identity(Path(str(self._config.identity_weights)))
        return to_channels_last(network, self._device)

    @cached_property
    def teacher(self) -> UnmaskerNet:
        """The larger unmasker, for the distillation term."""
        teacher = load_unmasker(str(self._config.teacher)).unmasker
        size = self._config.network.size
        if teacher.config.size != size or not teacher.config.segmentation:
            raise ConfigError(
                f"teacher: {self._config.teacher} must have segmentation and take crops of "
                f"{size} px, as the network to train does; it takes {teacher.config.size} px"
            )
        return to_channels_last(teacher, self._device)
