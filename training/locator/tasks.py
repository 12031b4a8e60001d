"""What the training loop needs of each network: samples, losses, metrics, a sample sheet."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeAlias, TypeVar

import cv2
import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

from unmask_sdk.core.arrays import Float64Array, UInt8Array
from unmask_sdk.core.locator_sizes import ALIGN_SIZE
from unmask_sdk.faces.align import CROP_EYE_DISTANCE
from unmask_sdk.faces.detector_postprocess import CELL, decode_boxes, iou, nms
from unmask_sdk.training.datasets.image_files import image_grid
from unmask_sdk.training.nets.locator_networks import (
    AlignerConfig,
    AlignerGraph,
    DetectorConfig,
    DetectorGraph,
)

from .compose_images import Scene
from .losses import aligner_loss, detector_loss, detector_targets
from .samples import draw_crop, draw_mosaic

MOSAIC_SIZE = 256
VAL_SAMPLES = 256
# Fixed, so that all runs are validated on the same images.
VAL_SEED = 7919
# Images in a row of the sample sheet.
SHEET_COLUMNS = 8
SHEET_ROWS = 4

# Arrays and numbers.
Sample: TypeAlias = tuple[Any, ...]
Graph = TypeVar("Graph", bound=nn.Module)


class RandomSamples(Dataset[Sample]):
    """Draws samples on demand, without end; the same index always gives the same sample.

    Args:
        draw: Draws a sample.
        seed: Decides all samples.
    """

    def __init__(self, draw: Callable[[np.random.Generator], Sample], seed: int) -> None:
        self._draw = draw
        self._seed = seed

    def __getitem__(self, index: int) -> Sample:
        return self._draw(np.random.default_rng([self._seed, index]))


class TrainingTask(ABC, Generic[Graph]):
    """One network to train.

    Args:
        scene: Faces to train on.
        val_scene: Faces to validate with.
        seed: Decides the training samples.
    """

    def __init__(self, scene: Scene, val_scene: Scene, seed: int) -> None:
        self._scene = scene
        self._seed = seed
        self._val = [
            self._draw(val_scene, np.random.default_rng([VAL_SEED, i])) for i in range(VAL_SAMPLES)
        ]

    def samples(self) -> RandomSamples:
        """Returns the training samples."""
        return RandomSamples(lambda rng: self._target(*self._draw(self._scene, rng)), self._seed)

    def collate(self, samples: Sequence[Sample]) -> list[Tensor]:
        """Stacks samples into a batch."""
        return [torch.from_numpy(np.stack(column)) for column in zip(*samples, strict=True)]

    @abstractmethod
    def build(self) -> Graph:
        """Returns the network with random weights."""

    @abstractmethod
    def loss(self, graph: Graph, batch: Sequence[Tensor]) -> dict[str, Tensor]:
        """Returns the loss terms of a batch by name."""

    @abstractmethod
    def evaluate(self, graph: Graph) -> tuple[dict[str, float], UInt8Array]:
        """Returns metrics on the validation samples, and a sheet of these with the predictions."""

    @abstractmethod
    def _draw(self, scene: Scene, rng: np.random.Generator) -> Sample:
        """Draws an image and its labels."""

    @abstractmethod
    def _target(self, *sample: Any) -> Sample:
        """Converts the labels of an image to the targets of the loss."""


class DetectorTask(TrainingTask[DetectorGraph]):
    """The detector: faces in mosaics."""

    def build(self) -> DetectorGraph:
        """Returns the detector with random weights."""
        return DetectorGraph(DetectorConfig())

    def loss(self, graph: DetectorGraph, batch: Sequence[Tensor]) -> dict[str, Tensor]:
        """Returns the terms `heat` and `box`."""
        image, *targets = batch
        return detector_loss(graph.maps(image), *targets)

    def evaluate(self, graph: DetectorGraph) -> tuple[dict[str, float], UInt8Array]:
        """Returns recall, false alarms in an image, and mean IoU; and a sheet of boxes."""
        device = next(graph.parameters()).device
        hits = faces = alarms = 0
        overlaps = []
        tiles: list[UInt8Array] = []
        for image, truth in self._val:
            with torch.inference_mode():
                outputs = graph(torch.from_numpy(image)[None].to(device))
            heat, box = (x[0].cpu().numpy() for x in outputs)
            boxes, scores = decode_boxes(heat, box)
            boxes = boxes[nms(boxes, scores, 0.4)]
            best = [iou(t, boxes).max(initial=0) for t in truth.astype(np.float64)]
            found = sum(b > 0.5 for b in best)
            hits, faces, alarms = hits + found, faces + len(truth), alarms + len(boxes) - found
            overlaps += [b for b in best if b > 0.5]
            if len(tiles) < SHEET_COLUMNS * SHEET_ROWS:
                tiles.append(_with_boxes(image, boxes))
        metrics = {
            "recall": round(hits / max(1, faces), 4),
            "false_per_picture": round(max(0, alarms) / len(self._val), 4),
            "overlap": round(float(np.mean(overlaps)), 4) if overlaps else 0.0,
        }
        return metrics, _sheet(tiles)

    def _draw(self, scene: Scene, rng: np.random.Generator) -> Sample:
        return draw_mosaic(scene, MOSAIC_SIZE, rng)

    def _target(self, *sample: Any) -> Sample:
        image, boxes = sample
        return image, *detector_targets(boxes, MOSAIC_SIZE // CELL)


class AlignerTask(TrainingTask[AlignerGraph]):
    """The aligner: points in crops."""

    def build(self) -> AlignerGraph:
        """Returns the aligner with random weights."""
        return AlignerGraph(AlignerConfig())

    def loss(self, graph: AlignerGraph, batch: Sequence[Tensor]) -> dict[str, Tensor]:
        """Returns the terms `points` and `score`."""
        image, points, is_face = batch
        return aligner_loss(graph.values(image), points, is_face)

    def evaluate(self, graph: AlignerGraph) -> tuple[dict[str, float], UInt8Array]:
        """Returns errors of the eyes in pixels and the accuracy; and a sheet of points."""
        device = next(graph.parameters()).device
        images, truth, is_face = (np.stack(column) for column in zip(*self._val, strict=True))
        with torch.inference_mode():
            points, score = graph(torch.from_numpy(images).to(device))
        points, score = points.cpu().numpy(), score.cpu().numpy()
        eyes, real = points[is_face, :2], truth[is_face, :2]
        # In pixels of the canonical crop, where the eyes are 60 px apart.
        eye_distance = np.linalg.norm(real[:, 1] - real[:, 0], axis=-1)[:, None]
        error = np.linalg.norm(eyes - real, axis=-1) / eye_distance * CROP_EYE_DISTANCE
        metrics = {
            "eyes_median": round(float(np.median(error)), 3),
            "eyes_p95": round(float(np.percentile(error, 95)), 3),
            "accuracy": round(float(np.mean((score > 0.5) == is_face)), 4),
        }
        shown = zip(images[: SHEET_COLUMNS * SHEET_ROWS], points, strict=False)
        return metrics, _sheet([_with_points(image, p * ALIGN_SIZE - 0.5) for image, p in shown])

    def _draw(self, scene: Scene, rng: np.random.Generator) -> Sample:
        return draw_crop(scene, rng)

    def _target(self, *sample: Any) -> Sample:
        image, points, is_face = sample
        return image, points, np.float32(is_face)


def _sheet(tiles: list[UInt8Array]) -> UInt8Array:
    """Tiles images of one size in full rows."""
    full = len(tiles) // SHEET_COLUMNS * SHEET_COLUMNS
    return image_grid([tiles[i : i + SHEET_COLUMNS] for i in range(0, full, SHEET_COLUMNS)])


def _with_boxes(image: UInt8Array, boxes: Float64Array) -> UInt8Array:
    out: UInt8Array = image.copy()
    for box in np.round(boxes).astype(int).tolist():
        cv2.rectangle(out, box[:2], box[2:], (0, 255, 0), 1)
    return out


def _with_points(image: UInt8Array, points: Float64Array) -> UInt8Array:
    out: UInt8Array = image.copy()
    for x, y in np.round(points).astype(int).tolist():
        cv2.circle(out, (x, y), 1, (0, 255, 0), -1)
    return out
