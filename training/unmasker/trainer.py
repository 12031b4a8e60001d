"""One run's state, and one step of it: networks, averages, optimisers, losses."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import cast

import numpy as np
import torch
from torch import Tensor

from unmask_sdk.errors import ConfigError
from unmask_sdk.training.common.mixed_precision import autocast
from unmask_sdk.training.common.resume_checkpoint import open_checkpoint, save_checkpoint
from unmask_sdk.training.datasets.batches import Batch
from unmask_sdk.training.nets.checkpoint import load_unmasker, save_network
from unmask_sdk.training.nets.discriminator import FeatureDiscriminator
from unmask_sdk.training.nets.graph import UnmaskerGraph
from unmask_sdk.training.nets.networks import UnmaskerNet

from . import losses
from .config import BALANCED, LossWeights, Stage, TrainConfig
from .perceptual_loss import WIDTHS, Perceptual, View, load_perceptual

# The fixed network behind each term that has one; loaded before any work.
FROZEN = {
    "perceptual": "perceptual",
    "adversarial": "perceptual",
    "identity": "identity",
    "distillation": "distillation",
}


class Trainer:
    """Holds what changes during training: networks, averages, optimisers, step."""

    def __init__(self, config: TrainConfig, device: torch.device) -> None:
        torch.manual_seed(config.seed)
        self.config = config
        self.device = device
        layout = torch.channels_last
        self.net = UnmaskerNet(config.network).to(device, memory_format=layout)
        self.average = UnmaskerNet(config.network).to(device, memory_format=layout).eval()
        self.average.load_state_dict(self.net.state_dict())
        self.critic = FeatureDiscriminator(WIDTHS).to(device, memory_format=layout)
        self.optimiser = torch.optim.AdamW(
            self.net.parameters(), betas=(0.9, 0.99), weight_decay=1e-4
        )
        self.critic_optimiser = torch.optim.AdamW(
            self.critic.parameters(), betas=(0.5, 0.99), weight_decay=1e-4
        )
        self.step = 0
        self.compiled = partial(torch.compile, dynamic=False) if config.compile else (lambda f: f)
        self.find = self.compiled(self.net.segment)
        self.fill = self.compiled(self.net.inpaint)
        self.score = self.compiled(self.critic)
        # Fixed networks that judge some terms, loaded once each.
        self.frozen: dict[str, torch.nn.Module] = {}

    def parts(self) -> dict[str, torch.nn.Module | torch.optim.Optimizer]:
        return {
            "net": self.net,
            "average": self.average,
            "critic": self.critic,
            "optimiser": self.optimiser,
            "critic_optimiser": self.critic_optimiser,
        }

    def save(self, path: Path) -> None:
        state = {name: part.state_dict() for name, part in self.parts().items()}
        save_checkpoint(path, {**state, "step": self.step})

    def resume(self, path: Path) -> None:
        with open_checkpoint(path) as state:
            for name, part in self.parts().items():
                part.load_state_dict(state[name])
            self.step = int(state["step"])

    def save_weights(self, path: Path) -> None:
        """Writes the averaged network."""
        graph = UnmaskerGraph(self.average)
        save_network(path, "unmasker", self.config.network, graph.state_dict())

    def begin_from(self, path: Path) -> None:
        """Takes over the weights of a file; optimisers and discriminator begin anew."""
        unmasker = load_unmasker(path).unmasker
        if unmasker.config != self.config.network:
            raise ConfigError(
                f"start: {path} does not hold the network of this configuration; "
                "take its network section from there, or leave start out"
            )
        for network in (self.net, self.average):
            network.load_state_dict(unmasker.state_dict())

    def frozen_network(self, term: str) -> torch.nn.Module:
        """The fixed network behind a term of `FROZEN`."""
        name = FROZEN[term]
        if name not in self.frozen:
            network = self._load_frozen(name)
            self.frozen[name] = network.to(self.device, memory_format=torch.channels_last)
        return self.frozen[name]

    def _load_frozen(self, name: str) -> torch.nn.Module:
        if name == "perceptual":
            network = load_perceptual(Path(str(self.config.perceptual_weights)))
            network.features = self.compiled(network.features)
            return network
        if name == "identity":
            from .identity_loss import load_identity

            return load_identity(Path(str(self.config.identity_weights)))
        teacher = load_unmasker(str(self.config.teacher)).unmasker
        if teacher.config.size != self.config.network.size or not teacher.config.segmentation:
            raise ConfigError(
                f"teacher: {self.config.teacher} must find masks, and work at this network's "
                f"{self.config.network.size} px; it works at {teacher.config.size} px"
            )
        return teacher

    def _teachers_fill(self, image: Tensor, opening: Tensor) -> Tensor:
        teacher = self.frozen_network("distillation")
        with torch.no_grad(), autocast(self.device):
            fill: Tensor = teacher.inpaint(image, opening)
        return fill.float()

    def _average(self) -> None:
        # Early weights are worth little: the average's memory grows with the steps.
        decay = min(self.config.ema, (1 + self.step) / (10 + self.step))
        with torch.no_grad():
            mine, live = self.average.state_dict(), self.net.state_dict()
            pairs = [(a, live[k]) for k, a in mine.items() if a.dtype.is_floating_point]
            torch._foreach_lerp_([a for a, _ in pairs], [b for _, b in pairs], 1 - decay)

    def train_step(self, stage: Stage, batch: Batch, rng: np.random.Generator) -> dict[str, Tensor]:
        """One optimiser step of the generator side, and of the discriminator if it is on."""
        weights = stage.losses
        terms: dict[str, Tensor] = {}
        for group in self.optimiser.param_groups:
            group["lr"] = self._rate(stage)
        self.optimiser.zero_grad(set_to_none=True)
        # Without stage one, nothing is emptied: the generator sees the mask itself.
        opening = torch.zeros_like(batch.mask)
        if self.config.network.segmentation:
            if stage.again_share:
                batch = self._unmask_some(batch, stage.again_share, rng)
            with autocast(self.device):
                logits = self.find(batch.masked)
            logits = logits.float()
            terms["segmentation"] = losses.segmentation(logits, batch.mask)
            opening = self._opening(torch.sigmoid(logits.detach()), batch.mask, rng)
            (weights.segmentation * terms["segmentation"]).backward()
        if weights.fills:
            terms |= self._fill_step(stage, batch, opening, rng)
        torch.nn.utils.clip_grad_norm_(self.net.parameters(), 1.0)
        self.optimiser.step()
        self._average()
        self.step += 1
        return {name: value.detach() for name, value in terms.items()}

    def _fill_step(
        self, stage: Stage, batch: Batch, opening: Tensor, rng: np.random.Generator
    ) -> dict[str, Tensor]:
        """Fills the hole, gives the generator its gradients, and trains the discriminator."""
        weights = stage.losses
        terms: dict[str, Tensor] = {}
        with autocast(self.device):
            picture = self.fill(batch.masked, opening)
        picture = picture.float()

        # What the predicted mask missed must still count as hole.
        hole = torch.maximum(opening, batch.mask)
        weight = losses.region_weight(hole, batch.valid, seam=weights.seam, context=weights.context)
        terms["reconstruction"] = losses.reconstruction(picture, batch.truth, weight)
        wanted = batch.truth
        if weights.distillation:
            fill = self._teachers_fill(batch.masked, opening)
            terms["distillation"] = losses.reconstruction(picture, fill, hole * batch.valid)
            # One masked picture has many true ones, and one by the teacher: its detail can be
            # learnt, where that of the truth averages out in a small network.
            wanted = torch.lerp(batch.truth, fill, hole * batch.valid)
        filled = torch.lerp(batch.truth, picture, hole * batch.valid)
        # Batches come in the order of the pack: every n-th picture, so that all its parts are seen.
        every = min(len(filled), round(1 / self.config.frozen_share))
        some = slice(self.step % every, None, every)
        judged = filled[some], wanted[some], (hole * batch.valid)[some]
        if weights.identity:
            terms["identity"] = self.frozen_network("identity")(*judged)
        view = None
        if weights.perceptual or weights.adversarial:
            view = cast(Perceptual, self.frozen_network("perceptual")).look(*judged, rng)
        if weights.perceptual and view:
            terms["perceptual"] = view.distance()
        if weights.adversarial and view:
            self.critic.requires_grad_(False)
            terms["adversarial"] = losses.generator_hinge(self._scores(view.mine), view.hole)
        picture.backward(self._balanced(weights, terms, picture))
        if weights.adversarial and view:
            terms["critic"] = self._critic_step(stage, view)
        return terms

    def _unmask_some(self, batch: Batch, share: float, rng: np.random.Generator) -> Batch:
        """Takes the mask off some samples, as the averaged network does it.

        A segmenter that knows masks of the skin's own colour takes soft painted skin for one.
        """
        some = torch.from_numpy(rng.random(len(batch.mask)) < share).to(self.device)
        if not some.any():
            return batch
        masked, mask = batch.masked.clone(), batch.mask.clone()
        with torch.no_grad(), autocast(self.device):
            picture, shown, _ = self.average(masked[some])
        masked[some] = torch.lerp(masked[some], picture.float().clamp(-1, 1), shown.float())
        mask[some] *= 1 - shown.float()
        return replace(batch, masked=masked, mask=mask)

    def _opening(self, predicted: Tensor, mask: Tensor, rng: np.random.Generator) -> Tensor:
        """The hole that the generator fills: some samples' predicted mask, the others' true one."""
        share = torch.from_numpy(rng.random(len(mask)) < self.config.predicted_share)
        share = share.to(mask.device).view(-1, 1, 1, 1)
        return self.net.hole_mask(torch.where(share, predicted, mask))

    def _balanced(self, weights: LossWeights, terms: dict[str, Tensor], picture: Tensor) -> Tensor:
        """The gradient at the picture, each term scaled against the reconstruction's.

        Terms differ in scale by orders of magnitude and drift as the discriminator learns; scaled
        by gradient norm, a weight of 0.3 means 0.3 times the reconstruction's pull, always. The
        norms are taken over the pictures that the term looked at.
        """
        (base,) = torch.autograd.grad(terms["reconstruction"], picture, retain_graph=True)
        total = weights.reconstruction * base
        for name in BALANCED:
            weight = getattr(weights, name)
            if not weight:
                continue
            (pull,) = torch.autograd.grad(terms[name], picture, retain_graph=True)
            seen = pull.abs().amax((1, 2, 3)) > 0
            scale = base[seen].norm() / pull.norm().clamp(min=1e-12)
            total = total + weight * scale * pull
        return total

    def _scores(self, features: list[Tensor]) -> list[Tensor]:
        with autocast(self.device):
            scores: list[Tensor] = self.score(features)
        return scores

    def _critic_step(self, stage: Stage, view: View) -> Tensor:
        self.critic.requires_grad_(True)
        for group in self.critic_optimiser.param_groups:
            group["lr"] = 2 * self._rate(stage)
        real = self._scores(view.theirs)
        fake = self._scores([features.detach() for features in view.mine])
        loss = losses.discriminator_hinge(real, fake, view.hole)
        self.critic_optimiser.zero_grad(set_to_none=True)
        loss.backward()
        self.critic_optimiser.step()
        return loss

    def _rate(self, stage: Stage) -> float:
        done = self.step - self.stage_start(stage)
        warm = min(1.0, (done + 1) / 200)
        cosine = 0.5 * (1 + np.cos(np.pi * min(1.0, done / stage.steps)))
        return float(warm * (stage.final_rate + (stage.rate - stage.final_rate) * cosine))

    def stage_start(self, stage: Stage) -> int:
        """Steps before a stage begins."""
        index = next(i for i, other in enumerate(self.config.stages) if other is stage)
        return sum(other.steps for other in self.config.stages[:index])
