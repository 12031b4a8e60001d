"""Which crops a stage of training learns from, and which it is validated with."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch

from unmask_sdk.errors import DataError
from unmask_sdk.training.datasets.batches import Batches
from unmask_sdk.training.datasets.corpora import Mixture, choose_faces, mix
from unmask_sdk.training.datasets.crop_cache import CropCache, CropCacheConfig
from unmask_sdk.training.datasets.device_crops import crops_on_device
from unmask_sdk.training.datasets.draws import Draws
from unmask_sdk.training.datasets.landmark_file import FaceRecord
from unmask_sdk.training.datasets.render_cache import BackgroundRendering, open_crop_cache
from unmask_sdk.training.synthesis.cut_out import PersonCutter

from .config import Stage, TrainConfig

# Training begins once a sixteenth of the crops is rendered, or that of eight batches if it is more:
# fewer would be drawn again too soon where training is faster than rendering, as on a GPU.
FIRST_PART = 16
FIRST_BATCHES = 8


@dataclass(frozen=True, eq=False)
class StageCrops:
    """The opened crops of one stage.

    Attributes:
        batches: The training batches; to be drawn once `rendering.is_ready`.
        val_crops: The validation crops.
        rendering: What is still being rendered of the training crops.
    """

    batches: Batches
    val_crops: CropCache
    rendering: BackgroundRendering


def _selfie_model(config: TrainConfig) -> Path | None:
    return None if config.selfie_model is None else Path(config.selfie_model)


@dataclass(frozen=True, eq=False)
class StageData:
    """The faces of one stage; nothing is rendered or read before it is opened.

    Attributes:
        mixture: What the training batches are mixed of.
        caches: The faces and the configuration of the training crops, then of the validation crops.
    """

    config: TrainConfig
    stage: Stage
    mixture: Mixture
    caches: tuple[tuple[list[FaceRecord], CropCacheConfig], ...]

    @classmethod
    def plan(cls, config: TrainConfig, stage: Stage, faces: list[FaceRecord]) -> StageData:
        """Chooses a stage's faces from a set.

        Raises:
            DataError: If a corpus, or the validation, has no face, or if the model that cuts people
                out is missing or damaged.
        """
        corpora = config.corpora_of(stage)
        train_crops = CropCacheConfig(
            stage.size,
            stage.variants,
            "train",
            config.per_person,
            config.limit,
            hard_share=stage.hard_share,
            background_share=stage.background_share,
        )
        model = _selfie_model(config)
        if stage.background_share and model:
            PersonCutter(model)  # A damaged model is reported now.
        train_faces = choose_faces(faces, corpora) if corpora else faces
        names = [face.name for face in train_crops.choose(train_faces)]
        mixture = mix(faces, names, corpora, stage.batch)
        val_crops = CropCacheConfig(stage.size, 1, "val", None, config.validation)
        val_faces = [face for face in faces if face.name.startswith(config.validation_prefix)]
        if not val_crops.choose(val_faces):
            raise DataError(
                f"no validation face has a name that begins with {config.validation_prefix!r}; "
                "set validation_prefix to a folder that has faces of split val, or leave it out"
            )
        return cls(config, stage, mixture, ((train_faces, train_crops), (val_faces, val_crops)))

    @contextmanager
    def open(
        self,
        faces_folder: Path,
        root: Path,
        workers: int,
        device: torch.device,
        *,
        step: int = 0,
        wait_for_crops: bool = False,
    ) -> Iterator[StageCrops]:
        """Opens the crops of the stage, and renders them if needed.

        The validation crops are rendered first, in full. Then the training crops: with one worker,
        or if `wait_for_crops`, all of them too; otherwise in the background, in the order in which
        the batches draw them, until the context is left.

        Args:
            faces_folder: The folder that the faces' names are relative to.
            root: The folder of all crop caches.
            workers: Number of processes that render.
            device: Where the batches are put.
            step: The first step that will be taken.
            wait_for_crops: Whether to render all crops first, so that the batches do not depend on
                timing.
        """
        (train_faces, train_crops), (val_faces, val_crops) = self.caches
        selfie_model = _selfie_model(self.config)
        val = open_crop_cache(faces_folder, val_faces, val_crops, root, workers, selfie_model)
        if wait_for_crops or workers == 1:
            open_crop_cache(faces_folder, train_faces, train_crops, root, workers, selfie_model)
        order = Draws(self.mixture, self.config.seed).first_use(step)
        first = min(len(order), max(FIRST_BATCHES * self.stage.batch, len(order) // FIRST_PART))
        with BackgroundRendering(
            faces_folder, train_faces, train_crops, root, workers, selfie_model, order, first
        ) as rendering:
            batches = Batches(
                crops_on_device(rendering.cache, device),
                self.stage.batch,
                self.config.seed,
                self.config.empty_share,
                device,
                self.mixture,
                self.config.bearded_empty_share,
            )
            yield StageCrops(batches, val, rendering)
