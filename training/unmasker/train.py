"""`unmask train`: trains the unmasker, on CPU or CUDA, resuming where it stopped.

The run folder needs disk space for the crop caches of all stages, uncompressed: a face takes 131 kB
at 128 px and 524 kB at 256 px, and half of that again for each variant beyond the first, so 10,000
faces at 256 px with two variants take 7.9 GB (see `crop_cache.py`). It is checked before any work.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from torch import Tensor

from unmask_sdk.core.output_paths import make_folder
from unmask_sdk.errors import TrainingError
from unmask_sdk.training.common.device import open_device
from unmask_sdk.training.datasets.crop_cache import check_disk_space
from unmask_sdk.training.datasets.landmark_file import read_landmarks
from unmask_sdk.training.datasets.render_cache import BackgroundRendering
from unmask_sdk.training.datasets.selection import check_splits

from .config import Stage, TrainConfig
from .sample_sheet import write_sample_sheet
from .stage_data import StageCrops, StageData
from .trainer import Trainer
from .validation import Realism, describe, is_best, open_features, validate


def _log(run: Path, entry: Mapping[str, float]) -> None:
    with (run / "metrics.jsonl").open("a") as file:
        file.write(json.dumps(entry) + "\n")


def _check_finite(entry: Mapping[str, float]) -> None:
    """Stops the run, before it saves, once values are infinite or NaN: they never recover."""
    diverged = [name for name, value in entry.items() if not np.isfinite(value)]
    if diverged:
        raise TrainingError(
            f"not finite at step {entry['step']}: {', '.join(diverged)}; the previous checkpoint "
            "is kept: lower the stage's rate in the configuration and run the same command again"
        )


def train(
    config: TrainConfig,
    *,
    faces: Path,
    landmarks: Path,
    run: Path,
    device: str = "cpu",
    workers: int = 1,
    minutes: float | None = None,
    wait_for_crops: bool = False,
) -> Path:
    """Trains to the end of the configuration, resuming from `run` if it holds a checkpoint.

    Args:
        config: From `config.read_config`.
        faces: Folder of the images that `landmarks` names.
        landmarks: Landmark file (see `landmark_file.read_landmarks`).
        run: Folder for crop caches, checkpoint, `metrics.jsonl`, sample sheets and weights. The
            crop caches take gigabytes, see above.
        device: `cpu`, `cuda` or `cuda:N`.
        workers: Processes that render the crop caches. With two or more, training begins once a
            part of a stage's crops is rendered. Its batches are the same as with all crops as long
            as rendering is ahead; where it is behind, as on a GPU, they are drawn from the crops
            that are there, and depend on timing.
        minutes: Time after which training stops and saves, counted from this call. What has to be
            rendered before training is not interrupted. `None` trains to the end.
        wait_for_crops: Whether to render all crops of a stage before it begins, so that a run can
            be repeated exactly.

    Returns:
        The weight file of the averaged network, fp16 safetensors. The discriminator, if a stage
        uses one, is written to `NAME-discriminator.safetensors` in the same folder. Where
        KID is measured, the weights that had the lowest are kept as `NAME-best.safetensors`.

    Raises:
        ConfigError: If the device does not exist, or `start` or `teacher` does not fit.
        DataError: If a face, the landmarks or the checkpoint cannot be read, or the disk is too
            full.
        TrainingError: If a loss or a score is infinite or NaN, or if a process that renders ended
            early.
    """
    deadline = math.inf if minutes is None else time.monotonic() + 60 * minutes
    torch_device = open_device(device)
    make_folder(run, "--run")
    trainer = Trainer(config, torch_device)
    checkpoint = run / "checkpoint.pt"
    if checkpoint.exists():
        trainer.resume(checkpoint)
    else:
        if config.start is not None:
            trainer.load_start_weights(Path(config.start))
        if config.start_discriminator is not None:
            trainer.load_start_discriminator(Path(config.start_discriminator))
    weights = run / f"{config.name}.safetensors"
    remaining = [s for s in config.stages if trainer.step < trainer.stage_start(s) + s.steps]
    if remaining:
        # A missing weight file is reported now, not after hours of earlier stages.
        for stage in remaining:
            trainer.frozen.preload(stage.losses)
        records = read_landmarks(landmarks)
        check_splits(records, landmarks)
        data = [StageData.plan(config, stage, records) for stage in remaining]
        check_disk_space(faces, [cache for planned in data for cache in planned.caches], run)
        features = open_features(trainer.device)
    for index, stage in enumerate(remaining):
        with data[index].open(
            faces,
            run / "packs",
            workers,
            trainer.device,
            step=trainer.step,
            wait_for_crops=wait_for_crops,
        ) as crops:
            realism = Realism(crops.val_crops, features) if features else None
            trainer.net.train()
            _run_stage(trainer, stage, crops, realism, run, weights, deadline)
        if time.monotonic() >= deadline:
            break
    if not weights.exists():  # Removed, or the configuration has a new name.
        trainer.save_weights(weights)
    return weights


class _RenderingProgress:
    """The progress bar of the crops that are rendered during a stage; none if all are there.

    Args:
        progress: Where it is shown.
        rendering: The rendering.
        label: What is rendered.
    """

    def __init__(self, progress: Progress, rendering: BackgroundRendering, label: str) -> None:
        self.progress = progress
        self.rendering = rendering
        self.task: TaskID | None = None
        if not rendering.is_complete:
            self.task = progress.add_task(label, total=len(rendering.cache), note="")

    def update(self) -> None:
        """Shows what is rendered, or raises the error that stopped the rendering."""
        self.rendering.check()
        if self.task is not None:
            self.progress.update(self.task, completed=int(self.rendering.cache.rendered.sum()))
            if self.rendering.is_complete:
                self.task = None


def _run_stage(
    trainer: Trainer,
    stage: Stage,
    crops: StageCrops,
    realism: Realism | None,
    run: Path,
    weights: Path,
    deadline: float,
) -> None:
    config = trainer.config
    end = trainer.stage_start(stage) + stage.steps
    sums: dict[str, Tensor] = {}
    first_step = trainer.step
    started = time.monotonic()
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
        rendered = _RenderingProgress(progress, crops.rendering, f"render {stage.size}")
        while not crops.rendering.is_ready:
            rendered.update()
            time.sleep(0.1)
        while trainer.step < end:
            rendered.update()
            step = trainer.step
            rng = np.random.default_rng((config.seed, step, 2))
            terms = trainer.train_step(stage, crops.batches[step], rng)
            sums = {k: sums.get(k, 0) + v for k, v in terms.items()}
            progress.advance(task)
            expired = time.monotonic() >= deadline
            if trainer.step % config.interval and trainer.step != end and not expired:
                continue
            count = trainer.step - first_step
            seconds = time.monotonic() - started
            # Nothing is evaluated once the time is over: that can take longer than there is left
            # of a rented machine.
            scores = (
                {} if expired else validate(trainer.ema, crops.val_crops, trainer.device, realism)
            )
            entry = {
                "step": trainer.step,
                "size": stage.size,
                "faces_per_second": round(count * crops.batches.size / seconds, 1),
                **{k: round(float(v) / count, 5) for k, v in sums.items()},
                **{k: round(v, 4) for k, v in scores.items()},
            }
            _log(run, entry)
            _check_finite(entry)
            trainer.save(run / "checkpoint.pt")
            trainer.save_weights(weights)
            if stage.losses.adversarial:
                trainer.save_discriminator(
                    weights.with_name(f"{config.name}-discriminator.safetensors")
                )
            if is_best(run / "metrics.jsonl", entry):
                trainer.save_weights(weights.with_name(f"{config.name}-best.safetensors"))
            if expired:
                progress.console.print(
                    f"time is up at step {trainer.step} of {config.steps}; run the same command "
                    "again to continue"
                )
                return
            write_sample_sheet(
                trainer.ema, crops.val_crops, run / f"sheet-{trainer.step:06d}.jpg", trainer.device
            )
            progress.update(task, note=describe(scores))
            sums, first_step, started = {}, trainer.step, time.monotonic()
