"""The state of a training run, and one optimizer step of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from unmask_sdk.errors import ConfigError
from unmask_sdk.training.common.device import to_channels_last
from unmask_sdk.training.common.mixed_precision import autocast
from unmask_sdk.training.common.resume_checkpoint import open_checkpoint, save_checkpoint
from unmask_sdk.training.datasets.batches import Batch
from unmask_sdk.training.nets.checkpoint import (
    load_discriminator,
    load_unmasker,
    save_network,
)
from unmask_sdk.training.nets.discriminator import DiscriminatorConfig, FeatureDiscriminator
from unmask_sdk.training.nets.unmasker_graph import UnmaskerGraph
from unmask_sdk.training.nets.unmasker_networks import UnmaskerNet

from . import losses
from .color_augmentation import change_colors
from .config import BALANCED_TERMS, LossWeights, Stage, TrainConfig
from .frozen_networks import FrozenNetworks
from .perceptual_loss import WIDTHS, FeaturePair


def _no_compile(function: Callable[..., Any]) -> Callable[..., Any]:
    return function


class Trainer:
    """Networks, their moving average, optimizers, and the step.

    Args:
        config: The training run.
        device: Where it trains.

    Attributes:
        net: The network that is trained.
        ema: Exponential moving average of its weights; evaluated and shipped.
        discriminator: Trained against the generator.
        optimizer: Of `net`.
        discriminator_optimizer: Of `discriminator`.
        step: Optimizer steps done.
        frozen: Fixed networks behind some loss terms.
    """

    def __init__(self, config: TrainConfig, device: torch.device) -> None:
        torch.manual_seed(config.seed)
        self.config = config
        self.device = device
        self.net = to_channels_last(UnmaskerNet(config.network), device)
        self.net.remove_checkerboard()
        self.ema = to_channels_last(UnmaskerNet(config.network), device).eval()
        self.ema.load_state_dict(self.net.state_dict())
        self.discriminator = to_channels_last(
            FeatureDiscriminator(DiscriminatorConfig(WIDTHS)), device
        )
        optimizer = partial(torch.optim.AdamW, weight_decay=1e-4, fused=device.type == "cuda")
        self.optimizer = optimizer(self.net.parameters(), betas=(0.9, 0.99))
        self.discriminator_optimizer = optimizer(self.discriminator.parameters(), betas=(0.5, 0.99))
        self.step = 0
        compile_function = partial(torch.compile, dynamic=False) if config.compile else _no_compile
        self._segment = compile_function(self.net.segment)
        self._inpaint = compile_function(self.net.inpaint)
        self._discriminate = compile_function(self.discriminator)
        self.frozen = FrozenNetworks(config, device, compile_function)

    def _parts(self) -> dict[str, torch.nn.Module | torch.optim.Optimizer]:
        """Returns what a checkpoint holds, by the keys of the checkpoint format."""
        return {
            "net": self.net,
            "average": self.ema,
            "critic": self.discriminator,
            "optimiser": self.optimizer,  # codespell:ignore optimiser
            "critic_optimiser": self.discriminator_optimizer,
        }

    def save(self, path: Path) -> None:
        """Writes a checkpoint to resume from.

        Raises:
            DataError: If it cannot be written.
        """
        state = {name: part.state_dict() for name, part in self._parts().items()}
        save_checkpoint(path, {**state, "step": self.step})

    def resume(self, path: Path) -> None:
        """Loads a checkpoint that `save` wrote.

        Raises:
            DataError: If it is damaged, or of another network.
        """
        with open_checkpoint(path) as state:
            for name, part in self._parts().items():
                part.load_state_dict(state[name])
            self.step = int(state["step"])

    def save_weights(self, path: Path) -> None:
        """Writes the averaged network as a weight file."""
        graph = UnmaskerGraph(self.ema)
        save_network(path, "unmasker", self.config.network, graph.state_dict())

    def save_discriminator(self, path: Path) -> None:
        """Writes the discriminator as a weight file, for another run to start from."""
        network = self.discriminator
        save_network(path, "discriminator", network.config, network.state_dict())

    def load_start_discriminator(self, path: Path) -> None:
        """Loads the discriminator of another run.

        Raises:
            ConfigError: If the file holds a discriminator of other sizes.
            DataError: If the file is missing or damaged.
        """
        network = load_discriminator(path)
        if network.config != self.discriminator.config:
            raise ConfigError(
                f"start_discriminator: the discriminator in {path} has other sizes, "
                f"{network.config}, than this version's, {self.discriminator.config}; remove "
                "start_discriminator"
            )
        self.discriminator.load_state_dict(network.state_dict())

    def load_start_weights(self, path: Path) -> None:
        """Loads the weights of a weight file; optimizers and discriminator start fresh.

        Raises:
            ConfigError: If the file holds a network of other sizes.
            DataError: If the file is missing or damaged.
        """
        unmasker = load_unmasker(path).unmasker
        if unmasker.config != self.config.network:
            raise ConfigError(
                f"start: the network in {path} has other sizes than this configuration's; copy "
                "its network section here, or remove start"
            )
        for network in (self.net, self.ema):
            network.load_state_dict(unmasker.state_dict())

    def train_step(self, stage: Stage, batch: Batch, rng: np.random.Generator) -> dict[str, Tensor]:
        """Takes one optimizer step of the unmasker, and of the discriminator if it is used.

        Args:
            stage: The current stage.
            batch: The training samples; on the trainer's device.
            rng: Decides everything random in this step.

        Returns:
            The loss terms by name, detached scalars.
        """
        if self.step - self.stage_start(stage) < stage.discriminator_warm_up:
            return self._warm_up_step(stage, batch, rng)
        weights = stage.losses
        terms: dict[str, Tensor] = {}
        _set_learning_rate(self.optimizer, self._learning_rate(stage))
        self.optimizer.zero_grad(set_to_none=True)
        # Without segmentation the hole is empty: the generator sees the mask itself.
        hole_mask = torch.zeros_like(batch.mask)
        if self.config.network.segmentation:
            if stage.again_share:
                batch = self._remove_some_masks(batch, stage.again_share, rng)
            with autocast(self.device):
                logits = self._segment(batch.masked)
            logits = logits.float()
            terms["segmentation"] = losses.segmentation(logits, batch.mask)
            hole_mask = self._hole_mask(torch.sigmoid(logits.detach()), batch.mask, rng)
            torch.autograd.backward(weights.segmentation * terms["segmentation"])
        if weights.trains_generator:
            terms |= self._generator_step(stage, batch, hole_mask, rng)
        torch.nn.utils.clip_grad_norm_(self.net.parameters(), 1.0)
        self.optimizer.step()
        if weights.trains_generator:
            self.net.remove_checkerboard()
        self._update_ema()
        self.step += 1
        return {name: value.detach() for name, value in terms.items()}

    @torch.no_grad()
    def _warm_up_step(
        self, stage: Stage, batch: Batch, rng: np.random.Generator
    ) -> dict[str, Tensor]:
        """Trains the discriminator alone; the unmasker stays as it is."""
        hole_mask = torch.zeros_like(batch.mask)
        with autocast(self.device):
            if self.config.network.segmentation:
                probability = torch.sigmoid(self._segment(batch.masked).float())
                hole_mask = self._hole_mask(probability, batch.mask, rng)
            generated = self._inpaint(batch.masked, hole_mask).float()
        hole = torch.maximum(hole_mask, batch.mask) * batch.valid
        images, targets = change_colors(torch.lerp(batch.truth, generated, hole), batch.truth, rng)
        features = self.frozen.perceptual.compare(images, targets, hole, rng)
        features = replace(features, hole=features.hole * batch.sharp)
        loss = self._discriminator_step(stage, features)
        self.step += 1
        return {"critic": loss.detach()}

    def _generator_step(
        self, stage: Stage, batch: Batch, hole_mask: Tensor, rng: np.random.Generator
    ) -> dict[str, Tensor]:
        """Inpaints the hole, accumulates the generator's gradients, trains the discriminator."""
        weights = stage.losses
        terms: dict[str, Tensor] = {}
        with autocast(self.device):
            generated = self._inpaint(batch.masked, hole_mask)
        generated = generated.float()

        # Mask pixels that the prediction missed still count as hole.
        hole = torch.maximum(hole_mask, batch.mask)
        weight = losses.region_weight(hole, batch.valid, seam=weights.seam, context=weights.context)
        terms["reconstruction"] = losses.reconstruction(generated, batch.truth, weight)
        target = batch.truth
        if weights.distillation:
            taught = self._teacher_output(batch.masked, hole_mask)
            terms["distillation"] = losses.reconstruction(generated, taught, hole * batch.valid)
            # One masked image has many plausible truths, but only one output of the teacher: its
            # detail can be learned, where that of the truth averages out in a small network.
            target = torch.lerp(batch.truth, taught, hole * batch.valid)
        blended = torch.lerp(batch.truth, generated, hole * batch.valid)
        # Batches keep the order of the crop cache: every n-th image, so that all its parts are
        # used.
        every = min(len(blended), round(1 / self.config.frozen_share))
        some = slice(self.step % every, None, every)
        judged = blended[some], target[some], (hole * batch.valid)[some]
        if weights.identity:
            terms["identity"] = self.frozen.identity(*judged)
        features = None
        if weights.perceptual or weights.adversarial:
            images, targets, holes = judged
            if weights.adversarial:
                images, targets = change_colors(images, targets, rng)
            features = self.frozen.perceptual.compare(images, targets, holes, rng)
        if weights.perceptual and features:
            terms["perceptual"] = features.distance()
        if weights.adversarial and features:
            self.discriminator.requires_grad_(False)
            # Soft images would teach the discriminator that blur is real.
            features = replace(features, hole=features.hole * batch.sharp[some])
            scores = self._discriminator_scores(features.generated, features.scale)
            terms["adversarial"] = losses.generator_hinge(scores, features.hole)
        torch.autograd.backward(generated, self._balanced_gradient(weights, terms, generated))
        if weights.adversarial and features:
            terms["critic"] = self._discriminator_step(stage, features)
        return terms

    def _teacher_output(self, image: Tensor, hole_mask: Tensor) -> Tensor:
        with torch.no_grad(), autocast(self.device):
            output = self.frozen.teacher.inpaint(image, hole_mask)
        return output.float()

    def _remove_some_masks(self, batch: Batch, share: float, rng: np.random.Generator) -> Batch:
        """Removes the mask from some samples with the averaged network; its residue stays mask.

        A segmenter that has learned skin-colored masks takes soft inpainted skin for one.
        """
        some = torch.from_numpy(rng.random(len(batch.mask)) < share).to(self.device)
        if not some.any():
            return batch
        masked, mask = batch.masked.clone(), batch.mask.clone()
        with torch.no_grad(), autocast(self.device):
            generated, opacity, _ = self.ema(masked[some])
        generated, opacity = generated.float().clamp(-1, 1), opacity.float()
        masked[some] = torch.lerp(masked[some], generated, opacity)
        mask[some] *= 1 - opacity
        return replace(batch, masked=masked, mask=mask)

    def _hole_mask(self, predicted: Tensor, mask: Tensor, rng: np.random.Generator) -> Tensor:
        """Returns the hole to inpaint: from the predicted mask for some samples, else the true."""
        use_predicted = torch.from_numpy(rng.random(len(mask)) < self.config.predicted_share)
        use_predicted = use_predicted.to(mask.device).view(-1, 1, 1, 1)
        return self.net.hole_mask(torch.where(use_predicted, predicted, mask))

    def _balanced_gradient(
        self, weights: LossWeights, terms: dict[str, Tensor], generated: Tensor
    ) -> Tensor:
        """Returns the gradient at the generated image, each term scaled to the reconstruction's.

        Terms differ in scale by orders of magnitude and drift as the discriminator learns. Scaled
        by gradient norm, a weight of 0.3 always means 0.3 times the reconstruction's gradient. The
        norms are taken over the images that the term is computed on.
        """
        (base,) = torch.autograd.grad(terms["reconstruction"], generated, retain_graph=True)
        total = weights.reconstruction * base
        for name in BALANCED_TERMS:
            weight = getattr(weights, name)
            if not weight:
                continue
            (term_grad,) = torch.autograd.grad(terms[name], generated, retain_graph=True)
            # A product, not an index: how many images are used is known on the device alone.
            used = term_grad.abs().amax((1, 2, 3), keepdim=True) > 0
            scale = (base * used).norm() / term_grad.norm().clamp(min=1e-12)
            total = total + weight * scale * term_grad
        return total

    def _discriminator_scores(self, features: list[Tensor], scale: int) -> list[Tensor]:
        with autocast(self.device):
            scores: list[Tensor] = self._discriminate(features, scale)
        return scores

    @torch.enable_grad()
    def _discriminator_step(self, stage: Stage, features: FeaturePair) -> Tensor:
        self.discriminator.requires_grad_(True)
        _set_learning_rate(self.discriminator_optimizer, 2 * self._learning_rate(stage))
        real = self._discriminator_scores(features.target, features.scale)
        fake = self._discriminator_scores([x.detach() for x in features.generated], features.scale)
        loss = losses.discriminator_hinge(real, fake, features.hole)
        self.discriminator_optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        self.discriminator_optimizer.step()
        return loss

    def _update_ema(self) -> None:
        decay = self.config.ema
        if self.config.start is None:
            # Random weights are poor: the decay rises with the steps.
            decay = min(decay, (1 + self.step) / (10 + self.step))
        with torch.no_grad():
            averages, current = self.ema.state_dict(), self.net.state_dict()
            pairs = [(a, current[k]) for k, a in averages.items() if a.dtype.is_floating_point]
            torch._foreach_lerp_([a for a, _ in pairs], [b for _, b in pairs], 1 - decay)

    def _learning_rate(self, stage: Stage) -> float:
        done = self.step - self.stage_start(stage)
        # Counted from the unmasker's first step; the discriminator needs none before it.
        first = done - stage.discriminator_warm_up
        warm_up = 1.0 if first < 0 else min(1.0, (first + 1) / 200)
        cosine = 0.5 * (1 + np.cos(np.pi * min(1.0, done / stage.steps)))
        return float(warm_up * (stage.final_rate + (stage.rate - stage.final_rate) * cosine))

    def stage_start(self, stage: Stage) -> int:
        """Returns the number of steps before a stage begins."""
        index = next(i for i, other in enumerate(self.config.stages) if other is stage)
        return sum(other.steps for other in self.config.stages[:index])


def _set_learning_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    for group in optimizer.param_groups:
        group["lr"] = rate
