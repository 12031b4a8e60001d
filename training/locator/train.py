"""Trains the locator's two networks: `unmask train-locator`."""

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
from unmask_sdk.training.common.device import open_device
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

from .compositing import Scene
from .faces import load_backgrounds, load_faces
from .tasks import AlignerTask, DetectorTask, Task

TASKS: dict[str, type[Task]] = {"detector": DetectorTask, "aligner": AlignerTask}
EMA_DECAY = 0.998
WARM_UP = 0.04


@dataclass(frozen=True)
class FitConfig:
    """How long and how fast one network learns.

    Attributes:
        steps: Batches in all.
        batch: Pictures in a batch.
        rate: Highest learning rate; it warms up, then falls along a cosine to nothing.
    """

    steps: int
    batch: int
    rate: float = 2e-3

    def __post_init__(self) -> None:
        check_range(self, "steps batch", 1)
        check_range(self, "rate", MIN_LEARNING_RATE, 1)


@dataclass(frozen=True)
class LocatorTrainConfig:
    """What `unmask train-locator` needs.

    Attributes:
        faces: Folder of face pictures.
        out: Folder for checkpoints, metrics, samples and weights.
        landmarks: The npz with their meshes and splits; None is `landmarks.npz` in `faces`.
        limit: Most training faces from each top-level folder of `faces`.
        val_limit: The same for validation.
        per_person: Most pictures of one person.
        backgrounds: Most backgrounds cut from the margins of faces.
        seed: Decides everything random.
        device: `cpu` or `cuda`.
        workers: Processes that draw pictures; 0 draws them in the training process.
        interval: Steps between checkpoints, metrics and samples.
        detector: How the detector learns.
        aligner: How the aligner learns.
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
    detector: FitConfig = field(default_factory=lambda: FitConfig(6000, 16))
    aligner: FitConfig = field(default_factory=lambda: FitConfig(4000, 64))

    def __post_init__(self) -> None:
        check_range(self, "limit val_limit per_person interval", 1)
        check_range(self, "backgrounds workers", 0)
        check_range(self, "seed", 0, 2**63 - 1)
        open_device(self.device)


def read_config(path: Path, **changes: Any) -> LocatorTrainConfig:
    """Reads a YAML configuration.

    Args:
        path: The file; `faces` and `out` may be left to `changes`.
        **changes: Values that go before the file's; None leaves the file's.

    Raises:
        ConfigError: If the file is missing or not YAML, or a key is unknown, missing or invalid.
    """
    values = read_yaml(path)
    values |= {key: value for key, value in changes.items() if value is not None}
    return build_dataclass(LocatorTrainConfig, values, path.name)


def train(config: LocatorTrainConfig, *, only: str | None = None) -> dict[str, Path]:
    """Trains detector and aligner, or one of them; goes on from checkpoints in `config.out`.

    Args:
        config: The configuration.
        only: `detector` or `aligner`; None trains both.

    Returns:
        Kind of network to its weight file.

    Raises:
        ConfigError: If `only` is neither.
        InvalidInputError: If `config.out` cannot be written to.
        DataError: If faces, landmarks or a checkpoint cannot be read.
    """
    if only is not None and only not in TASKS:
        raise ConfigError(f"only takes {' or '.join(TASKS)}; got {only!r}")
    make_folder(config.out, "--out")
    landmarks = config.landmarks or config.faces / "landmarks.npz"
    check_splits(read_landmarks(landmarks), landmarks)
    scenes = []
    for split, limit in (("train", config.limit), ("val", config.val_limit)):
        faces = load_faces(
            config.faces,
            landmarks,
            split=split,
            limit=limit,
            per_person=config.per_person,
            seed=config.seed,
        )
        cut = load_backgrounds(faces, limit=config.backgrounds, seed=config.seed)
        scenes.append(Scene(faces, cut))
    kinds = [only] if only else list(TASKS)
    return {kind: _fit(TASKS[kind](*scenes, config.seed), kind, config) for kind in kinds}


def _fit(task: Task, kind: str, config: LocatorTrainConfig) -> Path:
    fit: FitConfig = getattr(config, kind)
    torch.manual_seed(config.seed)
    device = open_device(config.device)
    graph = task.build().to(device, memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(graph.parameters(), lr=fit.rate, weight_decay=0.01)
    average = {k: v.detach().clone() for k, v in graph.state_dict().items()}
    checkpoint = config.out / f"{kind}.pt"
    start = 0
    if checkpoint.exists():
        start = _resume(checkpoint, graph, optimizer, average)
    loader = DataLoader(
        task.data(),
        batch_size=fit.batch,
        sampler=range(start * fit.batch, fit.steps * fit.batch),
        num_workers=config.workers,
        collate_fn=task.collate,
    )
    console = Console()
    columns = (TextColumn(f"{kind} {{task.completed}}/{{task.total}}"), BarColumn())
    with (
        Progress(*columns, TextColumn("{task.fields[loss]}"), TimeRemainingColumn()) as bar,
        (config.out / f"{kind}.jsonl").open("a") as log,
    ):
        line = bar.add_task(kind, total=fit.steps, completed=start, loss="")
        for step, batch in enumerate(loader, start + 1):
            for group in optimizer.param_groups:
                group["lr"] = fit.rate * _rate(step / fit.steps)
            graph.train()
            terms = _step(task, graph, optimizer, [b.to(device) for b in batch])
            _follow(average, graph, min(EMA_DECAY, step / (step + 20)))
            bar.update(line, advance=1, loss=" ".join(f"{k} {v:.3f}" for k, v in terms.items()))
            if step % config.interval and step != fit.steps:
                continue
            state = {"graph": graph.state_dict(), "average": average, "step": step}
            save_checkpoint(checkpoint, state | {"optimizer": optimizer.state_dict()})
            tested = task.build().to(device).eval()
            tested.load_state_dict(average)
            metrics, sample = task.evaluate(tested)
            record = {"step": step, **{k: round(float(v), 4) for k, v in terms.items()}, **metrics}
            log.write(json.dumps(record) + "\n")
            log.flush()
            console.print(json.dumps(record))
            write_image(config.out / f"{kind}.png", sample)
    weights = config.out / f"{kind}.safetensors"
    save_network(weights, kind, graph.config, average)
    return weights


def _step(
    task: Task, graph: nn.Module, optimizer: torch.optim.Optimizer, batch: list[Tensor]
) -> dict[str, Tensor]:
    with autocast(batch[0].device):
        terms = task.loss(graph, batch)
    total = torch.stack(list(terms.values())).sum()
    optimizer.zero_grad(set_to_none=True)
    total.backward()
    nn.utils.clip_grad_norm_(graph.parameters(), 10.0)
    optimizer.step()
    return {key: value.detach() for key, value in terms.items()}


def _rate(progress: float) -> float:
    if progress < WARM_UP:
        return progress / WARM_UP
    return float(0.5 + 0.5 * np.cos(np.pi * (progress - WARM_UP) / (1 - WARM_UP)))


@torch.no_grad()
def _follow(average: dict[str, Tensor], graph: nn.Module, decay: float) -> None:
    for key, value in graph.state_dict().items():
        if value.is_floating_point():
            average[key].lerp_(value, 1 - decay)
        else:
            average[key].copy_(value)


def _resume(
    path: Path, graph: nn.Module, optimizer: torch.optim.Optimizer, average: dict[str, Tensor]
) -> int:
    with open_checkpoint(path) as state:
        graph.load_state_dict(state["graph"])
        optimizer.load_state_dict(state["optimizer"])
        for key, value in state["average"].items():
            average[key].copy_(value)
        return int(state["step"])
