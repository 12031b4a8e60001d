"""`unmask train`: trains the unmasker, on CPU or CUDA, resuming where it stopped.

The run folder needs room for the packs of all stages, uncompressed: a face takes 131 kB at 128 px
and 524 kB at 256 px, and half of that again for each variant beyond the first, so 10,000 faces at
256 px with one variant take 5.2 GB (see `packs.py`). It is checked before any work.
"""

from __future__ import annotations

import json
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor

from unmask_sdk.errors import ConfigError, TrainingError
from unmask_sdk.folders import make_folder

from . import losses
from .batches import Batch, Batches
from .checkpoint import load_unmasker, save_network
from .config import LossWeights, Stage, TrainConfig
from .data import check_splits, read_landmarks
from .discriminator import PatchDiscriminator
from .networks import Unmasker, UnmaskerGraph
from .packs import Pack, PackPlan, check_room, open_pack
from .resuming import open_checkpoint, open_device, save_checkpoint
from .sheet import write_sheet
from .validate import validate

# Terms of the loss that are scaled against the reconstruction, see `Trainer._balanced`.
BALANCED = ("adversarial", "feature_matching", "perceptual", "identity", "distillation")
# Terms that a fixed network judges, loaded before any work.
FROZEN = ("perceptual", "identity", "distillation")


class Trainer:
    """Holds what changes during training: networks, averages, optimisers, step."""

    def __init__(self, config: TrainConfig, device: torch.device) -> None:
        torch.manual_seed(config.seed)
        self.config = config
        self.device = device
        layout = torch.channels_last
        self.net = Unmasker(config.network).to(device, memory_format=layout)
        self.average = Unmasker(config.network).to(device, memory_format=layout).eval()
        self.average.load_state_dict(self.net.state_dict())
        self.critic = PatchDiscriminator().to(device, memory_format=layout)
        self.optimiser = torch.optim.AdamW(
            self.net.parameters(), betas=(0.9, 0.99), weight_decay=1e-4
        )
        self.critic_optimiser = torch.optim.AdamW(
            self.critic.parameters(), betas=(0.5, 0.99), weight_decay=1e-4
        )
        self.step = 0
        compiled = partial(torch.compile, dynamic=False) if config.compile else (lambda f: f)
        self.find = compiled(self.net.find)
        self.fill = compiled(self.net.fill)
        self.score = compiled(self.critic)
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
        """The fixed network of the perceptual, identity or distillation term."""
        if term not in self.frozen:
            network = self._load_frozen(term)
            self.frozen[term] = network.to(self.device, memory_format=torch.channels_last)
        return self.frozen[term]

    def _load_frozen(self, term: str) -> torch.nn.Module:
        if term == "perceptual":
            from .perceptual import load_perceptual

            return load_perceptual(Path(str(self.config.perceptual_weights)))
        if term == "identity":
            from .identity import load_identity

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
        with torch.no_grad(), torch.autocast(self.device.type, dtype=torch.bfloat16):
            fill: Tensor = teacher.fill(image, opening)
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
        # Without stage one, nothing is emptied: the generator sees the mask itself.
        opening = torch.zeros_like(batch.mask)
        if self.config.network.segmentation:
            with torch.autocast(self.device.type, dtype=torch.bfloat16):
                logits = self.find(batch.masked)
            logits = logits.float()
            terms["segmentation"] = losses.segmentation(logits, batch.mask)
            opening = self._opening(torch.sigmoid(logits.detach()), batch.mask, rng)
        with torch.autocast(self.device.type, dtype=torch.bfloat16):
            picture = self.fill(batch.masked, opening)
        picture = picture.float()

        # What the predicted mask missed must still count as hole.
        hole = torch.maximum(opening, batch.mask)
        weight = losses.region_weight(hole, batch.valid, seam=weights.seam, context=weights.context)
        terms["reconstruction"] = losses.reconstruction(picture, batch.truth, weight)
        if weights.distillation:
            wanted = self._teachers_fill(batch.masked, opening)
            terms["distillation"] = losses.reconstruction(picture, wanted, hole * batch.valid)
        filled = torch.lerp(batch.truth, picture, hole * batch.valid)
        if weights.adversarial or weights.feature_matching:
            terms |= self._adversarial_terms(batch, filled, hole)
        # Batches come in the order of the pack: every n-th picture, so that all its parts are seen.
        every = min(len(filled), round(1 / self.config.frozen_share))
        some = slice(self.step % every, None, every)
        region = hole * batch.valid
        for term in ("perceptual", "identity"):
            if getattr(weights, term):
                network = self.frozen_network(term)
                terms[term] = network(filled[some], batch.truth[some], region[some])
        for group in self.optimiser.param_groups:
            group["lr"] = self._rate(stage)
        self.optimiser.zero_grad(set_to_none=True)
        if self.config.network.segmentation:
            (weights.segmentation * terms["segmentation"]).backward()
        picture.backward(self._balanced(weights, terms, picture))
        torch.nn.utils.clip_grad_norm_(self.net.parameters(), 1.0)
        self.optimiser.step()
        if weights.adversarial or weights.feature_matching:
            terms["critic"] = self._critic_step(stage, batch, filled.detach(), hole)
        self._average()
        self.step += 1
        return {name: value.detach() for name, value in terms.items()}

    def _opening(self, predicted: Tensor, mask: Tensor, rng: np.random.Generator) -> Tensor:
        """The hole that the generator fills: some samples' predicted mask, the others' true one."""
        share = torch.from_numpy(rng.random(len(mask)) < self.config.predicted_share)
        share = share.to(mask.device).view(-1, 1, 1, 1)
        return self.net.opening(torch.where(share, predicted, mask))

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

    def _patch_weight(self, batch: Batch, hole: Tensor) -> Tensor:
        return torch.nn.functional.avg_pool2d(hole * batch.valid, 8)

    def _adversarial_terms(self, batch: Batch, filled: Tensor, hole: Tensor) -> dict[str, Tensor]:
        self.critic.requires_grad_(False)
        with torch.autocast(self.device.type, dtype=torch.bfloat16):
            fake, fake_features = self.score(filled, hole)
            with torch.no_grad():
                _, real_features = self.score(batch.truth, hole)
        return {
            "adversarial": losses.generator_hinge(fake.float(), self._patch_weight(batch, hole)),
            "feature_matching": losses.feature_matching(
                real_features, fake_features, hole * batch.valid
            ),
        }

    def _critic_step(self, stage: Stage, batch: Batch, filled: Tensor, hole: Tensor) -> Tensor:
        self.critic.requires_grad_(True)
        for group in self.critic_optimiser.param_groups:
            group["lr"] = 2 * self._rate(stage)
        with torch.autocast(self.device.type, dtype=torch.bfloat16):
            real, _ = self.score(batch.truth, hole)
            fake, _ = self.score(filled, hole)
        loss = losses.discriminator_hinge(
            real.float(), fake.float(), self._patch_weight(batch, hole)
        )
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


def _plans(config: TrainConfig, stage: Stage) -> tuple[PackPlan, PackPlan]:
    """What a stage trains on, and what it is validated with."""
    plan = PackPlan(stage.size, stage.variants, "train", config.per_person, config.limit)
    held_out = replace(plan, split="val", variants=1, per_person=None, limit=config.validation)
    return plan, held_out


def _log(run: Path, entry: dict[str, object]) -> None:
    with (run / "metrics.jsonl").open("a") as file:
        file.write(json.dumps(entry) + "\n")


def _check_finite(entry: dict[str, object]) -> None:
    """Refuses to go on, and to save, once weights hold no numbers: they never mend."""
    lost = [name for name, value in entry.items() if not np.isfinite(value)]
    if lost:
        raise TrainingError(
            f"{', '.join(lost)} at step {entry['step']} are no longer numbers; the checkpoint "
            "before is kept: lower the stage's rate in the configuration, and run the same again"
        )


def train(
    config: TrainConfig,
    *,
    faces: Path,
    landmarks: Path,
    run: Path,
    device: str = "cpu",
    workers: int = 1,
) -> Path:
    """Trains to the end of the configuration, resuming from `run` if it holds a checkpoint.

    Args:
        config: From `config.read_config`.
        faces: Folder of pictures that `landmarks` names.
        landmarks: Landmark file (see `data.read_landmarks`).
        run: Folder for packs, checkpoint, `metrics.jsonl`, sample sheets and weights. The packs
            take gigabytes, see above.
        device: `cpu` or `cuda`.
        workers: Processes that render the packs.

    Returns:
        The weight file of the averaged network, fp16 safetensors.

    Raises:
        ConfigError: If there is no such device, or `start` is of another network.
        DataError: If faces, landmarks, checkpoint or room on the disk are missing.
        TrainingError: If a loss or a score is no longer a number.
    """
    place = open_device(device)
    make_folder(run, "--run")
    trainer = Trainer(config, place)
    checkpoint = run / "checkpoint.pt"
    if checkpoint.exists():
        trainer.resume(checkpoint)
    elif config.start is not None:
        trainer.begin_from(Path(config.start))
    weights = run / f"{config.name}.safetensors"
    left = [s for s in config.stages if trainer.step < trainer.stage_start(s) + s.steps]
    if left:
        # Weights that are missing show now, not after hours of the stages before.
        for term in FROZEN:
            if any(getattr(stage.losses, term) for stage in left):
                trainer.frozen_network(term)
        known = read_landmarks(landmarks)
        check_splits(known, landmarks)
        check_room(faces, known, [p for stage in left for p in _plans(config, stage)], run)
    for stage in left:
        pack, held_out = (
            open_pack(faces, known, plan, run / "packs", workers) for plan in _plans(config, stage)
        )
        batches = Batches(pack, stage.batch, config.seed, config.empty_share, trainer.device)
        trainer.net.train()
        _run_stage(trainer, stage, batches, held_out, run, weights)
    if not weights.exists():  # Taken away, or the configuration has a new name.
        trainer.save_weights(weights)
    return weights


def _run_stage(
    trainer: Trainer, stage: Stage, batches: Batches, held_out: Pack, run: Path, weights: Path
) -> None:
    config = trainer.config
    end = trainer.stage_start(stage) + stage.steps
    sums: dict[str, Tensor] = {}
    since = trainer.step
    clock = time.monotonic()
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
    )
    with Progress(*columns) as progress:
        task = progress.add_task(
            f"train {stage.size}", total=config.steps, completed=trainer.step, note=""
        )
        while trainer.step < end:
            step = trainer.step
            rng = np.random.default_rng((config.seed, step, 2))
            terms = trainer.train_step(stage, batches[step], rng)
            sums = {k: sums.get(k, 0) + v for k, v in terms.items()}
            progress.advance(task)
            if trainer.step % config.interval and trainer.step != end:
                continue
            count = trainer.step - since
            seconds = time.monotonic() - clock
            scores = validate(trainer.average, held_out, trainer.device)
            entry = {
                "step": trainer.step,
                "size": stage.size,
                "faces_per_second": round(count * batches.size / seconds, 1),
                **{k: round(float(v) / count, 5) for k, v in sums.items()},
                **{k: round(v, 4) for k, v in scores.items()},
            }
            _log(run, entry)
            _check_finite(entry)
            write_sheet(
                trainer.average, held_out, run / f"sheet-{trainer.step:06d}.jpg", trainer.device
            )
            progress.update(task, note=f"hole {scores['hole_psnr']:.2f} dB")
            trainer.save(run / "checkpoint.pt")
            trainer.save_weights(weights)
            sums, since, clock = {}, trainer.step, time.monotonic()
