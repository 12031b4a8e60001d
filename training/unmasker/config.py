"""What `unmask train` reads: one YAML file, checked before any work."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from unmask_sdk.errors import ConfigError
from unmask_sdk.training.common.yaml_config import (
    MIN_LEARNING_RATE,
    build_dataclass,
    check_range,
    read_yaml,
)
from unmask_sdk.training.nets.networks import UnmaskerConfig

# Terms whose pull on the picture is scaled against the reconstruction's, see `Trainer._balanced`.
BALANCED = ("adversarial", "perceptual", "identity", "distillation")


@dataclass(frozen=True)
class LossWeights:
    """Weight of each term; 0 switches a term off and saves its cost.

    `seam` and `context` weigh pixels of the reconstruction relative to the hole's 1. From
    `perceptual` on, a weight is the term's pull on the picture relative to the reconstruction's.
    With `distillation` the teacher's picture takes the truth's place in all of those.
    With all of these and `reconstruction` at 0, the segmentation alone is trained, and the
    generator stays as it is.
    """

    reconstruction: float = 1.0
    seam: float = 1.0
    context: float = 0.02
    segmentation: float = 1.0
    perceptual: float = 0.0
    identity: float = 0.0
    adversarial: float = 0.0
    distillation: float = 0.0

    def __post_init__(self) -> None:
        for term in fields(self):
            check_range(self, term.name, 0)

    @property
    def fills(self) -> bool:
        """Whether any term looks at the generator's picture."""
        return any(getattr(self, term) for term in ("reconstruction", *BALANCED))


@dataclass(frozen=True)
class Stage:
    """One leg of training.

    Attributes:
        size: Side of the crops in pixels; training at 128 first is four times cheaper.
        steps: Optimiser steps.
        batch: Pictures a step.
        rate: Learning rate at the start.
        final_rate: Learning rate at the end (cosine).
        variants: Different masks rendered for each face.
        hard_share: Share of masks that are hard to find (see `hard_masks`); validation has none.
        turned_share: Share of each batch drawn from the tenth of the faces that are turned most;
            there are few of them, and they are the hardest to fill.
        again_share: Share of samples whose mask the averaged network takes off first: what it left
            there is still mask, what it painted is not. For stages of segmentation alone.
        losses: Loss weights.
    """

    size: int
    steps: int
    batch: int = 32
    rate: float = 3e-4
    final_rate: float = 3e-5
    variants: int = 1
    hard_share: float = 0.0
    turned_share: float = 0.0
    again_share: float = 0.0
    losses: LossWeights = field(default_factory=LossWeights)

    def __post_init__(self) -> None:
        if min(self.size, self.steps, self.batch, self.variants) < 1:
            raise ConfigError(f"a stage needs positive steps, batch, variants and size; got {self}")
        check_range(self, "rate", MIN_LEARNING_RATE, 1)
        check_range(self, "final_rate hard_share turned_share again_share", 0, 1)
        if self.again_share and self.losses.fills:
            raise ConfigError(
                f"again_share is {self.again_share} in a stage that trains the generator too; set "
                "it to 0, or losses.reconstruction and the other terms but segmentation to 0"
            )


@dataclass(frozen=True)
class TrainConfig:
    """A whole training run.

    Attributes:
        name: Name of the weight file to write.
        stages: Run in order.
        network: Sizes of the unmasker.
        per_person: At most this many pictures of one person.
        limit: At most this many faces in all; None for no limit.
        empty_share: Share of samples without a mask, so that bare faces get an empty mask.
        predicted_share: Share of samples filled through the predicted instead of the true mask.
        frozen_share: Share of each batch that the perceptual, adversarial and identity terms look
            at; each costs more than the generator itself.
        ema: Decay of the weights' moving average, which is what is evaluated and shipped.
        interval: Steps between evaluations, sample sheets and checkpoints.
        validation: Number of validation faces.
        seed: For weights and batches.
        teacher: Weight file of a larger unmasker, whose fill the distillation term follows.
        start: Weight file of the same network to begin from, instead of at random.
        compile: Whether to compile the networks (slow start, about a third faster on CPU).
        perceptual_weights: VGG16 weight file (see `unmasker/perceptual_loss.py`).
        identity_weights: Folder of face-recognition weights (see `unmasker/identity_loss.py`).
    """

    name: str
    stages: tuple[Stage, ...]
    network: UnmaskerConfig = field(default_factory=UnmaskerConfig)
    per_person: int | None = 12
    limit: int | None = None
    empty_share: float = 0.06
    predicted_share: float = 0.5
    frozen_share: float = 0.125
    ema: float = 0.999
    interval: int = 500
    validation: int = 200
    seed: int = 0
    teacher: str | None = None
    start: str | None = None
    compile: bool = True
    perceptual_weights: str | None = None
    identity_weights: str | None = None

    def __post_init__(self) -> None:
        if not self.name or set(self.name) & set("/\\"):
            raise ConfigError(f"name must be a file name without folders; got {self.name!r}")
        check_range(self, "per_person limit interval validation", 1)
        check_range(self, "seed", 0, 2**63 - 1)
        check_range(self, "ema empty_share predicted_share", 0, 1)
        if not 0 < self.frozen_share <= 1:
            raise ConfigError(
                f"frozen_share must be above 0 and at most 1; got {self.frozen_share}"
            )
        if not self.stages:
            raise ConfigError("stages is empty; give at least one stage with size and steps")
        sizes = (self.network.size, self.network.size // 2)
        for stage in self.stages:
            if stage.size not in sizes:
                raise ConfigError(
                    f"a stage trains at the network's size or half of it, {sizes[0]} or "
                    f"{sizes[1]}; got size {stage.size}"
                )
            finds = self.network.segmentation and stage.losses.segmentation
            if not (finds or stage.losses.fills):
                raise ConfigError(
                    "a stage trains nothing: the weights of all losses that this network has are "
                    "0; give losses.reconstruction a weight, or leave the stage out"
                )
        taught = any(stage.losses.distillation for stage in self.stages)
        if taught and not self.network.segmentation:
            raise ConfigError(
                "a network without segmentation is not told the hole that a teacher fills; "
                "set the weight of distillation to 0, or segmentation to true"
            )
        for term, key in (
            ("perceptual", "perceptual_weights"),
            ("adversarial", "perceptual_weights"),
            ("identity", "identity_weights"),
            ("distillation", "teacher"),
        ):
            used = any(getattr(stage.losses, term) for stage in self.stages)
            if used and getattr(self, key) is None:
                raise ConfigError(
                    f"a stage uses the {term} loss but {key} is not set; set it, or pass "
                    f"--{key.replace('_', '-')}, or set the weight of {term} to 0"
                )

    @property
    def steps(self) -> int:
        return sum(stage.steps for stage in self.stages)


def read_config(path: Path, **overrides: Any) -> TrainConfig:
    """Reads and checks a training configuration.

    Args:
        path: YAML file.
        overrides: Top-level values that replace the file's; None leaves the file's.

    Raises:
        ConfigError: If the file is missing, is not YAML, or has unknown or impossible values.
    """
    value = read_yaml(path)
    value.update({k: v for k, v in overrides.items() if v is not None})
    return build_dataclass(TrainConfig, value, path.name)
