"""`unmask train-locator`: trains the locator's two networks, detector and aligner."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor, nn
from torch.utils.data import DataLoader

from unmask_sdk.core.output_paths import make_folder
from unmask_sdk.errors import ConfigError
from unmask_sdk.training.common.device import open_device, to_channels_last
from unmask_sdk.training.common.mixed_precision import autocast
from unmask_sdk.training.common.resume_checkpoint import open_checkpoint, save_checkpoint
from unmask_sdk.training.common.yaml_config import (
    MIN_LEARNING_RATE,
    build_dataclass,
    check_range,
    read_yaml,
)
from unmask_sdk.training.datasets.image_files import write_image
from unmask_sdk.training.datasets.landmark_file import read_landmarks
from unmask_sdk.training.datasets.selection import check_splits
from unmask_sdk.training.nets.checkpoint import save_network

from .compose_images import Scene
from .faces import load_backgrounds, load_faces
from .tasks import AlignerTask, DetectorTask, TrainingTask

TASKS: dict[str, type[TrainingTask[Any]]] = {"detector": DetectorTask, "aligner": AlignerTask}
EMA_DECAY = 0.998
# Fraction of the steps in which the learning rate rises.
WARM_UP = 0.04


@dataclass(frozen=True)
class NetworkTrainConfig:
    """How long and how fast one network is trained.

    Attributes:
        steps: Number of batches.
        batch: Images in a batch.
        rate: Peak learning rate; it warms up, then falls along a cosine to 0.
    """

    steps: int
    batch: int
    rate: float = 2e-3

    def __post_init__(self) -> None:
        check_range(self, "steps batch", 1)
        check_range(self, "rate", MIN_LEARNING_RATE, 1)


@dataclass(frozen=True)
class LocatorTrainConfig:
    """The configuration of `unmask train-locator`.

    Attributes:
        faces: Folder of face images.
        out: Folder for checkpoints, metrics, samples and weights.
        landmarks: Landmark file with meshes and splits; None is `landmarks.npz` in `faces`.
        limit: Maximum number of training faces from each top-level folder of `faces`.
        val_limit: The same for validation.
        per_person: Maximum number of images of one person.
        backgrounds: Maximum number of backgrounds cut from the margins of faces.
        seed: Decides everything random.
        device: `cpu`, `cuda` or `cuda:N`.
        workers: Processes that draw images; 0 draws them in the training process.
        interval: Steps between checkpoints, metrics and samples.
        detector: How the detector is trained.
        aligner: How the aligner is trained.
    """

    faces: Path
    out: Path
    landmarks: Path | None = None
    limit: int = 6000
    val_limit: int = 150
    per_person: int = 6
    backgrounds: int = 2000
    seed: int = 1
    device: str = "cpu"
    workers: int = 0
    interval: int = 500
    detector: NetworkTrainConfig = field(default_factory=lambda: NetworkTrainConfig(6000, 16))
    aligner: NetworkTrainConfig = field(default_factory=lambda: NetworkTrainConfig(4000, 64))

    def __post_init__(self) -> None:
        check_range(self, "limit val_limit per_person interval", 1)
        check_range(self, "backgrounds workers", 0)
        check_range(self, "seed", 0, 2**63 - 1)
        open_device(self.device)


def read_config(path: Path, **overrides: Any) -> LocatorTrainConfig:
    """Reads a YAML configuration.

    Args:
        path: The file; `faces` and `out` may be in `overrides` instead.
        **overrides: Values that replace the file's; None keeps the file's.

    Raises:
        ConfigError: If the file is missing or not YAML, or a key is unknown, missing or invalid.
    """
    values = read_yaml(path)
    values |= {key: value for key, value in overrides.items() if value is not None}
    return build_dataclass(LocatorTrainConfig, values, path.name)


def train(config: LocatorTrainConfig, *, only: str | None = None) -> dict[str, Path]:
    """Trains detector and aligner, or one of them; resumes from checkpoints in `config.out`.

    Args:
        config: The configuration.
        only: `detector` or `aligner`; None trains both.

    Returns:
        Weight file by kind of network.

    Raises:
        ConfigError: If `only` is another name.
        InvalidInputError: If `config.out` cannot be written to.
        DataError: If faces, landmarks or a checkpoint cannot be read.
    """
    if only is not None and only not in TASKS:
        raise ConfigError(f"only must be {' or '.join(TASKS)}; got {only!r}")
    make_folder(config.out, "--out")
    landmarks = config.landmarks or config.faces / "landmarks.npz"
    check_splits(read_landmarks(landmarks), landmarks)
    train_scene = _load_scene(config, landmarks, "train", config.limit)
    val_scene = _load_scene(config, landmarks, "val", config.val_limit)
    weights = {}
    for kind in [only] if only else TASKS:
        task = TASKS[kind](train_scene, val_scene, config.seed)
        weights[kind] = _train_network(task, kind, config)
    return weights


def _load_scene(config: LocatorTrainConfig, landmarks: Path, split: str, limit: int) -> Scene:
    faces = load_faces(
        config.faces,
        landmarks,
        split=split,
        limit=limit,
        per_person=config.per_person,
        seed=config.seed,
    )
    backgrounds = load_backgrounds(faces, limit=config.backgrounds, seed=config.seed)
    return Scene(faces, backgrounds)


def _train_network(task: TrainingTask[Any], kind: str, config: LocatorTrainConfig) -> Path:
    settings: NetworkTrainConfig = getattr(config, kind)
    torch.manual_seed(config.seed)
    device = open_device(config.device)
    graph = to_channels_last(task.build(), device)
    optimizer = torch.optim.AdamW(graph.parameters(), lr=settings.rate, weight_decay=0.01)
    ema = {k: v.detach().clone() for k, v in graph.state_dict().items()}
    checkpoint = config.out / f"{kind}.pt"
    start = 0
    if checkpoint.exists():
        start = _resume(checkpoint, graph, optimizer, ema)
    loader = DataLoader(
        task.samples(),
        batch_size=settings.batch,
        sampler=range(start * settings.batch, settings.steps * settings.batch),
        num_workers=config.workers,
        collate_fn=task.collate,
    )
    console = Console()
    columns = (TextColumn(f"{kind} {{task.completed}}/{{task.total}}"), BarColumn())
    with (
        Progress(*columns, TextColumn("{task.fields[loss]}"), TimeRemainingColumn()) as bar,
        (config.out / f"{kind}.jsonl").open("a") as log,
    ):
        progress_task = bar.add_task(kind, total=settings.steps, completed=start, loss="")
        for step, batch in enumerate(loader, start + 1):
            for group in optimizer.param_groups:
                group["lr"] = settings.rate * _rate_factor(step / settings.steps)
            graph.train()
            terms = _step(task, graph, optimizer, [b.to(device) for b in batch])
            _update_ema(ema, graph, min(EMA_DECAY, step / (step + 20)))
            bar.update(
                progress_task, advance=1, loss=" ".join(f"{k} {v:.3f}" for k, v in terms.items())
            )
            if step % config.interval and step != settings.steps:
                continue
            state = {"graph": graph.state_dict(), "average": ema, "step": step}
            save_checkpoint(checkpoint, state | {"optimizer": optimizer.state_dict()})
            averaged = task.build().to(device).eval()
            averaged.load_state_dict(ema)
            metrics, sample_sheet = task.evaluate(averaged)
            record = {"step": step, **{k: round(float(v), 4) for k, v in terms.items()}, **metrics}
            log.write(json.dumps(record) + "\n")
            log.flush()
            console.print(json.dumps(record))
            write_image(config.out / f"{kind}.png", sample_sheet)
    weights = config.out / f"{kind}.safetensors"
    save_network(weights, kind, graph.config, ema)
    return weights


def _step(
    task: TrainingTask[Any], graph: nn.Module, optimizer: torch.optim.Optimizer, batch: list[Tensor]
) -> dict[str, Tensor]:
    with autocast(batch[0].device):
        terms = task.loss(graph, batch)
    total = torch.stack(list(terms.values())).sum()
    optimizer.zero_grad(set_to_none=True)
    torch.autograd.backward(total)
    nn.utils.clip_grad_norm_(graph.parameters(), 10.0)
    optimizer.step()
    return {key: value.detach() for key, value in terms.items()}


def _rate_factor(progress: float) -> float:
    """Returns the learning rate relative to its peak, at a fraction of the steps."""
    if progress < WARM_UP:
        return progress / WARM_UP
    return float(0.5 + 0.5 * np.cos(np.pi * (progress - WARM_UP) / (1 - WARM_UP)))


@torch.no_grad()
def _update_ema(ema: dict[str, Tensor], graph: nn.Module, decay: float) -> None:
    for key, value in graph.state_dict().items():
        if value.is_floating_point():
            ema[key].lerp_(value, 1 - decay)
        else:
            ema[key].copy_(value)


def _resume(
    path: Path, graph: nn.Module, optimizer: torch.optim.Optimizer, ema: dict[str, Tensor]
) -> int:
    with open_checkpoint(path) as state:
        graph.load_state_dict(state["graph"])
        optimizer.load_state_dict(state["optimizer"])
        for key, value in state["average"].items():
            ema[key].copy_(value)
        return int(state["step"])
