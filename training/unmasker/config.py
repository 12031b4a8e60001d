"""The configuration of `unmask train`: one YAML file, checked before any work."""

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
from unmask_sdk.training.datasets.corpora import Corpus, faces_per_batch
from unmask_sdk.training.nets.unmasker_networks import UnmaskerConfig

# Terms whose gradient is scaled to the reconstruction's, see `Trainer._balanced_gradient`.
BALANCED_TERMS = ("adversarial", "perceptual", "identity", "distillation")


@dataclass(frozen=True)
class LossWeights:
    """Weight of each loss term; 0 disables a term and saves its cost.

    If `reconstruction` and all terms from `perceptual` on are 0, only the segmentation is trained
    and the generator stays as it is.

    Attributes:
        reconstruction: Absolute error of the generated image.
        seam: Weight of pixels around the hole in the reconstruction, relative to the hole's 1.
        context: Weight of all other pixels in the reconstruction.
        segmentation: Cross-entropy and Dice of the predicted mask.
        perceptual: Distance of VGG16 features. For this term and those below, the weight is the
            norm of the term's gradient at the generated image, relative to the reconstruction's.
        identity: Distance of face-recognition descriptors.
        adversarial: Hinge loss of the discriminator.
        distillation: Absolute error to the teacher's output. The teacher's output then also
            replaces the truth in the three terms above.
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
    def trains_generator(self) -> bool:
        """Whether any term depends on the generated image."""
        return any(getattr(self, term) for term in ("reconstruction", *BALANCED_TERMS))


@dataclass(frozen=True)
class Stage:
    """One stage of training.

    Attributes:
        size: Side of the crops in pixels; training at 128 first is four times cheaper.
        steps: Optimizer steps.
        batch: Images in a batch.
        rate: Learning rate at the start.
        final_rate: Learning rate at the end (cosine).
        variants: Number of different masks rendered for each face.
        hard_share: Fraction of masks that are hard to find (see `hard_masks`); validation has none.
        background_share: Fraction of the training faces whose background is exchanged for white,
            gray, a gradient or a blurred picture, if the person can be cut out well; needs
            `selfie_model`.
        again_share: Fraction of samples whose mask the averaged network removes first: what it
            leaves of the mask is still labeled mask, what it inpaints is not. Only for stages that
            train the segmentation alone.
        discriminator_warm_up: Steps at the start in which the discriminator alone is trained. A
            new discriminator knows nothing: what it demands for the first thousands of faces takes
            as many more to unlearn, and without it the generator goes back to blur.
        losses: Loss weights.
        corpora: What this stage's batches are made of; None for the run's `corpora`.
    """

    size: int
    steps: int
    batch: int = 32
    rate: float = 3e-4
    final_rate: float = 3e-5
    variants: int = 1
    hard_share: float = 0.0
    background_share: float = 0.0
    again_share: float = 0.0
    discriminator_warm_up: int = 0
    losses: LossWeights = field(default_factory=LossWeights)
    corpora: tuple[Corpus, ...] | None = None

    def __post_init__(self) -> None:
        if min(self.size, self.steps, self.batch, self.variants) < 1:
            raise ConfigError(f"a stage needs positive steps, batch, variants and size; got {self}")
        check_range(self, "rate", MIN_LEARNING_RATE, 1)
        check_range(self, "final_rate hard_share background_share again_share", 0, 1)
        check_range(self, "discriminator_warm_up", 0, self.steps)
        if self.discriminator_warm_up and not self.losses.adversarial:
            raise ConfigError(
                f"discriminator_warm_up is {self.discriminator_warm_up} in a stage without a "
                "discriminator; set it to 0, or losses.adversarial above 0"
            )
        if self.again_share and self.losses.trains_generator:
            raise ConfigError(
                f"again_share is {self.again_share} in a stage that trains the generator too; set "
                "it to 0, or set losses.reconstruction and every other term but segmentation to 0"
            )


@dataclass(frozen=True)
class TrainConfig:
    """A training run.

    Attributes:
        name: Name of the weight file to write.
        stages: The stages, in order.
        network: Sizes of the unmasker.
        per_person: Maximum number of images of one person.
        limit: Maximum number of faces; None for no limit.
        corpora: What the batches are made of, each entry with its share; if empty, all faces are
            drawn evenly.
        empty_share: Fraction of samples without a mask, so that bare faces get an empty mask.
        bearded_empty_share: As `empty_share`, for faces that look bearded, if it is more: a beard
            is easily taken for a mask.
        predicted_share: Fraction of samples inpainted through the predicted mask instead of the
            true one.
        frozen_share: Fraction of each batch on which the perceptual, adversarial and identity
            terms are computed; each costs more than the generator itself.
        ema: Decay of the weights' moving average, which is evaluated and shipped.
        interval: Steps between evaluations, sample sheets and checkpoints.
        validation: Number of validation faces.
        validation_prefix: How the names of the validation faces begin, such as `sharp/`; empty for
            all faces.
        seed: Decides initial weights and batches.
        teacher: Weight file of a larger unmasker, whose output the distillation term compares with.
        start: Weight file of the same network to start from, instead of random weights.
        start_discriminator: Weight file of the discriminator to start from. A new one costs
            thousands of faces before the generator learns from it what it knew already.
        compile: Whether to compile the networks (a slow start, then about a third faster on CPU).
        perceptual_weights: VGG16 weight file (see `unmasker/perceptual_loss.py`).
        identity_weights: Folder of face-recognition weights (see `unmasker/identity_loss.py`).
        selfie_model: MediaPipe's `selfie_segmentation.tflite`, which cuts people out of their
            background (see `synthesis/cut_out.py`).
    """

    name: str
    stages: tuple[Stage, ...]
    network: UnmaskerConfig = field(default_factory=UnmaskerConfig)
    per_person: int | None = 12
    limit: int | None = None
    corpora: tuple[Corpus, ...] = ()
    empty_share: float = 0.06
    bearded_empty_share: float = 0.0
    predicted_share: float = 0.5
    frozen_share: float = 0.125
    ema: float = 0.999
    interval: int = 500
    validation: int = 200
    validation_prefix: str = ""
    seed: int = 0
    teacher: str | None = None
    start: str | None = None
    start_discriminator: str | None = None
    compile: bool = True
    perceptual_weights: str | None = None
    identity_weights: str | None = None
    selfie_model: str | None = None

    def __post_init__(self) -> None:
        if not self.name or set(self.name) & set("/\\"):
            raise ConfigError(f"name must be a file name without folders; got {self.name!r}")
        check_range(self, "per_person limit interval validation", 1)
        check_range(self, "seed", 0, 2**63 - 1)
        check_range(self, "ema empty_share bearded_empty_share predicted_share", 0, 1)
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
                    f"the size of a stage must be the network's size or half of it, {sizes[0]} or "
                    f"{sizes[1]}; got size {stage.size}"
                )
            if corpora := self.corpora_of(stage):
                faces_per_batch(corpora, stage.batch)
            trains_segmenter = self.network.segmentation and stage.losses.segmentation
            if not (trains_segmenter or stage.losses.trains_generator):
                raise ConfigError(
                    "a stage trains nothing: all loss weights that apply to this network are 0; "
                    "set losses.reconstruction above 0, or remove the stage"
                )
        self._check_selfie_model()
        has_teacher = any(stage.losses.distillation for stage in self.stages)
        if has_teacher and not self.network.segmentation:
            raise ConfigError(
                "distillation needs the hole that the teacher inpaints, and a network without "
                "segmentation has none; set losses.distillation to 0, or network.segmentation to "
                "true"
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

    def _check_selfie_model(self) -> None:
        if self.selfie_model is None and any(stage.background_share for stage in self.stages):
            raise ConfigError(
                "a stage exchanges backgrounds but selfie_model is not set; set it, or pass "
                "--selfie-model, or set background_share to 0"
            )

    def corpora_of(self, stage: Stage) -> tuple[Corpus, ...]:
        """Returns what a stage's batches are made of; empty if all faces are drawn evenly."""
        return self.corpora if stage.corpora is None else stage.corpora

    @property
    def steps(self) -> int:
        """Number of optimizer steps of all stages."""
        return sum(stage.steps for stage in self.stages)


def read_config(path: Path, **overrides: Any) -> TrainConfig:
    """Reads and checks a training configuration.

    Args:
        path: YAML file.
        **overrides: Top-level values that replace the file's; None keeps the file's.

    Raises:
        ConfigError: If the file is missing or not YAML, or has unknown or impossible values.
    """
    value = read_yaml(path)
    value.update({k: v for k, v in overrides.items() if v is not None})
    return build_dataclass(TrainConfig, value, path.name)
