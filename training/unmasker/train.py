"""`unmask train`: trains the unmasker, on CPU or CUDA, resuming where it stopped.

The run folder needs room for the packs of all stages, uncompressed: a face takes 131 kB at 128 px
and 524 kB at 256 px, and half of that again for each variant beyond the first, so 10,000 faces at
256 px with one variant take 5.2 GB (see `packs.py`). It is checked before any work.
"""

from __future__ import annotations

import json
import time
from pathlib import Path

import numpy as np
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor

from unmask_sdk.core.output_paths import make_folder
from unmask_sdk.errors import TrainingError
from unmask_sdk.training.common.device import open_device
from unmask_sdk.training.datasets.batches import Batches
from unmask_sdk.training.datasets.crop_cache import (
    CropCache,
    CropCacheConfig,
    check_disk_space,
    open_crop_cache,
)
from unmask_sdk.training.datasets.landmark_file import read_landmarks
from unmask_sdk.training.datasets.selection import check_splits, largest_yaw_rows

from .config import Stage, TrainConfig
from .sample_sheet import write_sample_sheet
from .trainer import FROZEN, Trainer
from .validation import validate


def _plans(config: TrainConfig, stage: Stage) -> tuple[CropCacheConfig, CropCacheConfig]:
    """What a stage trains on, and what it is validated with."""
    plan = CropCacheConfig(
        stage.size,
        stage.variants,
        "train",
        config.per_person,
        config.limit,
        hard_share=stage.hard_share,
    )
    held_out = CropCacheConfig(stage.size, 1, "val", None, config.validation)
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
        check_disk_space(faces, known, [p for stage in left for p in _plans(config, stage)], run)
    for stage in left:
        plans = _plans(config, stage)
        pack, held_out = (open_crop_cache(faces, known, p, run / "packs", workers) for p in plans)
        oversampled_rows = largest_yaw_rows(plans[0].choose(known)) if stage.turned_share else None
        batches = Batches(
            pack,
            stage.batch,
            config.seed,
            config.empty_share,
            trainer.device,
            oversampled_rows=oversampled_rows,
            oversampled_fraction=stage.turned_share,
        )
        trainer.net.train()
        _run_stage(trainer, stage, batches, held_out, run, weights)
    if not weights.exists():  # Taken away, or the configuration has a new name.
        trainer.save_weights(weights)
    return weights


def _run_stage(
    trainer: Trainer, stage: Stage, batches: Batches, held_out: CropCache, run: Path, weights: Path
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
            write_sample_sheet(
                trainer.average, held_out, run / f"sheet-{trainer.step:06d}.jpg", trainer.device
            )
            progress.update(task, note=f"hole {scores['hole_psnr']:.2f} dB")
            trainer.save(run / "checkpoint.pt")
            trainer.save_weights(weights)
            sums, since, clock = {}, trainer.step, time.monotonic()
