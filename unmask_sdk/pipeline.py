"""The one way of a face: crop, run the network, judge the mask, blend the fill into the photo.

Photos, sessions, streams and videos all take it; they differ in how faces are found before.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from .compositing.blend import Texture, blend_crop
from .compositing.grayscale import grayscale_fill, is_grayscale
from .core.arrays import Float64Array, UInt8Array
from .core.closable import Closable
from .errors import RuntimeUnavailableError
from .face import Face
from .faces.align import CROP_SIZE, bounding_rect, crop_matrix, crop_to_photo, warp_crop
from .faces.locator import Location, Locator
from .runtimes.base import Runtime, RuntimeInfo, Tensor, as_array

# A face is masked if the mask covers at least this fraction of its crop; the smallest real mask
# covers ten times as much.
MIN_MASK_SHARE = 0.01

# Takes the original crop, the unmasked crop and the mask of one frame; returns the last two,
# smoothed over time.
Smoother = Callable[[UInt8Array, UInt8Array, UInt8Array], tuple[UInt8Array, UInt8Array]]


@dataclass(frozen=True, eq=False)
class FaceTask:
    """A face to unmask.

    Attributes:
        location: Where it lies; its eyes place the crop.
        min_score: With a lower locator score it does not count as a face, and is left unchanged.
        smooth: Smooths the fill over time; None for a photo.
        texture: Measured in an earlier frame of a video, or to be measured for later ones.
        track: Number of the face in a video; None in a photo.
    """

    location: Location
    min_score: float = 0.0
    smooth: Smoother | None = None
    texture: Texture | None = None
    track: int | None = None


class Patch(NamedTuple):
    """A part of an image as it was before a face in it was unmasked.

    Attributes:
        corner: (x, y) of its first pixel, both even: samples of chroma begin there.
        pixels: uint8 `[h, w, 3]` RGB, a copy.
    """

    corner: tuple[int, int]
    pixels: UInt8Array


class StageTimer:
    """Measures the milliseconds of each stage."""

    def __init__(self) -> None:
        self.laps: dict[str, float] = {}
        self.start()

    def start(self) -> None:
        """Begins a stage without counting the time since the last one."""
        self._last = time.perf_counter()

    def lap(self, stage: str) -> None:
        """Ends a stage; the next one begins now."""
        now = time.perf_counter()
        self.laps[stage] = 1000 * (now - self._last)
        self._last = now


class OpenedModel(Closable):
    """The opened networks, which all ways of unmasking share.

    Threads: may be used by many threads at the same time.

    Args:
        runtime: An opened unmasker.
        locator: Finds the faces.
    """

    def __init__(self, runtime: Runtime[Any], locator: Locator) -> None:
        self._runtime = runtime
        self._locator: Locator | None = locator
        size = runtime.artifact.inputs[0].shape[1]
        self._size = CROP_SIZE if size is None else size

    @property
    def runtime(self) -> RuntimeInfo:
        """What the unmasker actually runs on."""
        return self._runtime.info

    @property
    def locator(self) -> Locator:
        """What finds the faces.

        Raises:
            RuntimeUnavailableError: If the model is closed.
        """
        if self._locator is None:
            raise RuntimeUnavailableError(
                "this model is closed; open another with unmask_sdk.load()"
            )
        return self._locator

    @property
    def crop_size(self) -> int:
        """Side of the crops that the network takes, in pixels."""
        return self._size

    def crops(self, images: UInt8Array | Tensor) -> tuple[UInt8Array, UInt8Array]:
        """Removes the masks from faces that are aligned already.

        Args:
            images: uint8 `[N, 256, 256, 3]` RGB canonical crops (`faces/align.py`), as a NumPy
                array or anything on the CPU with `__dlpack__`, such as a tensor of PyTorch; N may
                be 0.

        Returns:
            The unmasked crops, uint8 `[N, 256, 256, 3]`, and the masks, uint8 `[N, 256, 256, 1]`
            (128 to 255 is mask, 1 to 127 the seam around it, 0 unchanged). NumPy arrays, which
            `torch.from_dlpack` and others take without a copy.

        Raises:
            InvalidInputError: If `images` has another type or shape, or lies on a GPU.
            RuntimeUnavailableError: If the model is closed, or its engine fails.
        """
        images = as_array("images", images)
        most = self._runtime.crops_per_run
        if images.ndim != 4 or len(images) <= most:
            unmasked, masks = self._runtime.run(images)
            return unmasked, masks
        parts = [self._runtime.run(images[i : i + most]) for i in range(0, len(images), most)]
        return np.concatenate([p[0] for p in parts]), np.concatenate([p[1] for p in parts])

    def close(self) -> None:
        """Releases the networks. May be called twice, and by any thread."""
        self._locator = None
        self._runtime.close()


def unmask_faces(
    model: OpenedModel,
    images: Sequence[UInt8Array],
    tasks: Sequence[Sequence[FaceTask]],
    timers: Sequence[StageTimer],
    *,
    in_place: bool = False,
    patches: Sequence[list[Patch]] | None = None,
) -> list[tuple[UInt8Array, tuple[Face, ...]]]:
    """Removes the masks from the faces of one or more images, in one batch.

    Args:
        model: The opened networks.
        images: uint8 `[H, W, 3]` RGB each.
        tasks: The faces of each image, in the order in which they are to be returned.
        timers: One for each image; the stages `align`, `run` and `paste` are added. The time of
            `run` is shared equally among the images.
        in_place: Whether the images may be changed; otherwise they are copied.
        patches: A list for each image, to which a patch around each face that is masked is added:
            outside of these nothing changes.

    Returns:
        For each image the unmasked one and its faces.

    Raises:
        RuntimeUnavailableError: If the model is closed, or its engine fails.
    """
    size = model.crop_size
    matrices: list[list[Float64Array]] = []
    crops: list[UInt8Array] = []
    for image, faces, timer in zip(images, tasks, timers, strict=True):
        timer.start()
        matrices.append([crop_matrix(task.location.eyes, size) for task in faces])
        crops += [warp_crop(image, matrix, size) for matrix in matrices[-1]]
        timer.lap("align")
    run = StageTimer()
    batch = np.stack(crops) if crops else np.empty((0, size, size, 3), np.uint8)
    unmasked, masks = model.crops(batch)
    run.lap("run")
    outputs = iter(zip(batch, unmasked, masks[..., 0], strict=True))
    done = []
    for index, (image, faces) in enumerate(zip(images, tasks, strict=True)):
        placed, timer = matrices[index], timers[index]
        timer.laps["run"] = run.laps["run"] / len(images)
        timer.start()
        judged = tuple(
            judge_face(task, matrix, *next(outputs))
            for task, matrix in zip(faces, placed, strict=True)
        )
        result = image if in_place else image.copy()
        for task, face in zip(faces, judged, strict=True):
            if face.masked:
                if patches is not None:
                    patches[index].append(_patch(result, face.matrix, size))
                blend_crop(result, face.crop, face.mask, face.matrix, task.texture)
        timer.lap("paste")
        done.append((result, judged))
    return done


def _patch(image: UInt8Array, matrix: Float64Array, size: int) -> Patch:
    """Returns the part of an image from which a crop was taken."""
    corners = np.array([[0, 0], [size, 0], [size, size], [0, size]], np.float64)
    x0, y0, x1, y1 = bounding_rect(crop_to_photo(matrix, corners), image, 2)
    x0, y0, x1, y1 = x0 - x0 % 2, y0 - y0 % 2, x1 + x1 % 2, y1 + y1 % 2
    return Patch((x0, y0), image[y0:y1, x0:x1].copy())


def judge_face(
    task: FaceTask,
    matrix: Float64Array,
    original: UInt8Array,
    unmasked: UInt8Array,
    mask: UInt8Array,
) -> Face:
    """Decides whether a face wears a mask, and what of the network's answer is used.

    Args:
        task: The face.
        matrix: float64 `[2, 3]`, from the photo's pixels to the crop's.
        original: uint8 `[S, S, 3]` RGB, the crop before.
        unmasked: uint8 `[S, S, 3]` RGB, from the network.
        mask: uint8 `[S, S]`, from the network.
    """
    if task.smooth is not None:
        unmasked, mask = task.smooth(original, unmasked, mask)
    place = task.location
    share = np.count_nonzero(mask >= 128) / mask.size
    masked = bool(place.score >= task.min_score and share >= MIN_MASK_SHARE)
    if not masked:
        unmasked, mask = original, np.zeros_like(mask)
    elif is_grayscale(original):
        unmasked = grayscale_fill(original, unmasked, mask)
    return Face(
        place.box, place.eyes, place.score, masked, mask, unmasked, original, matrix, task.track
    )
