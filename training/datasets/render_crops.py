"""Renders faces into the arrays of a crop cache: in this process, or in several others."""

from __future__ import annotations

import contextlib
import signal
from collections import deque
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from pathlib import Path
from threading import Event

import cv2
import numpy as np

from unmask_sdk.core.arrays import UInt8Array
from unmask_sdk.errors import DataError, TrainingError, UnmaskError
from unmask_sdk.training.synthesis.beard import THRESHOLD, beard_score
from unmask_sdk.training.synthesis.mask_shapes import MASK_TYPES

from .background_exchange import BackgroundExchange
from .crop_cache import CropCacheConfig
from .crops import cut_crop, seed_from_name
from .image_files import read_image
from .landmark_file import FaceRecord

# Faces that each process has in hand, so that none waits for the next. They are few because they
# are finished before the rendering stops.
AHEAD = 2


@dataclass(frozen=True)
class RenderJob:
    """How and where faces are rendered.

    Attributes:
        faces_folder: The folder that the faces' names are relative to.
        cache_folder: Folder of the crop cache, whose arrays exist.
        config: What the cache is made of.
        exchange: Exchanges backgrounds; `None` if none are exchanged.
    """

    faces_folder: Path
    cache_folder: Path
    config: CropCacheConfig
    exchange: BackgroundExchange | None


class CropWriter:
    """Renders faces into the arrays of a crop cache, which it keeps mapped.

    Args:
        job: How and where.
    """

    def __init__(self, job: RenderJob) -> None:
        self.job = job
        files = job.config.shapes(0)
        self.arrays: list[UInt8Array] = [
            np.load(job.cache_folder / file, mmap_mode="r+") for file in files
        ]

    def __call__(self, row: int, face: FaceRecord) -> bool:
        """Renders a face into a row; returns whether its lower part looks bearded.

        Raises:
            DataError: If it cannot be rendered; the message names the image.
        """
        try:
            images, bearded = self._render(row, face)
        except DataError:  # It names the image that cannot be read.
            raise
        except Exception as error:
            raise DataError(
                f"cannot render the crops of {self.job.faces_folder / face.name} "
                f"({type(error).__name__}: {error}); fix the image or its landmarks, or remove "
                "this name from the landmark file"
            ) from error
        for array, image in zip(self.arrays, images, strict=True):
            array[row] = image
        return bearded

    def _render(self, row: int, face: FaceRecord) -> tuple[list[UInt8Array], bool]:
        config = self.job.config
        image = read_image(self.job.faces_folder / face.name)
        if self.job.exchange:
            image = self.job.exchange.apply(face, image)
        crop = cut_crop(
            image,
            face.landmarks,
            config.size,
            jitter=config.jitter,
            seed=seed_from_name(face.name, 0),
        )
        arrays = [crop.truth, crop.valid]
        for variant in range(config.variants):
            # Mask types in equal parts, a different one for each variant of a face.
            kind = MASK_TYPES[(row + variant) % len(MASK_TYPES)]
            seed = seed_from_name(face.name, 1 + variant)
            hard = bool(np.random.default_rng((seed, 2)).random() < config.hard_share)
            masked, mask, _ = crop.masked(kind=kind, seed=seed, hard=hard)
            arrays += [masked, mask]
        return arrays, beard_score(image, face.landmarks) > THRESHOLD


def render_here(
    job: RenderJob, faces: Iterator[tuple[int, FaceRecord]]
) -> Generator[tuple[int, bool], None, None]:
    """Renders faces in this process.

    Args:
        job: How and where.
        faces: Rows and their faces.

    Yields:
        Each row, once it is written, and whether the face looks bearded.
    """
    write = CropWriter(job)
    for row, face in faces:
        yield row, write(row, face)


def render_in_processes(
    job: RenderJob, faces: Iterator[tuple[int, FaceRecord]], workers: int, stop: Event
) -> Generator[tuple[int, bool], None, None]:
    """Renders faces in several processes, about in their order.

    Args:
        job: How and where.
        faces: Rows and their faces.
        workers: Number of processes.
        stop: Once it is set, no other face is begun.

    Yields:
        Each row, once it is written, and whether the face looks bearded.

    Raises:
        UnmaskError: If a face cannot be rendered; the message names the image.
        TrainingError: If a process ended early.
    """
    started: list[_Worker] = []
    try:
        for _ in range(workers):
            started.append(_Worker(job))
        while True:
            for worker in started:
                while len(worker.faces) < AHEAD and not stop.is_set():
                    if (item := next(faces, None)) is None:
                        break
                    worker.send(*item)
            busy = {worker.connection: worker for worker in started if worker.faces}
            if not busy:
                return
            for connection in wait(list(busy)):
                yield busy[connection].receive()  # type: ignore[index]  # only of what it got
    finally:
        for worker in started:
            worker.close()


class _Worker:
    """A process that renders faces, and the faces that it was sent and has not answered."""

    def __init__(self, job: RenderJob) -> None:
        # Not forked: other threads may hold locks that the child would wait for.
        context = get_context("spawn")
        self.connection, theirs = context.Pipe()
        self.process = context.Process(target=_serve, args=(theirs, job), daemon=True)
        self.process.start()
        theirs.close()
        self.faces: deque[tuple[int, FaceRecord]] = deque()

    def send(self, row: int, face: FaceRecord) -> None:
        self.faces.append((row, face))
        with contextlib.suppress(OSError):  # It has ended, which `receive` reports.
            self.connection.send((row, face))

    def receive(self) -> tuple[int, bool]:
        row, face = self.faces[0]
        try:
            answer = self.connection.recv()
        except (EOFError, OSError):
            self.process.join()
            raise TrainingError(
                f"the process that rendered {face.name} ended with exit code "
                f"{self.process.exitcode}, as when memory runs out; use fewer --workers, or remove "
                "this name from the landmark file if it happens again"
            ) from None
        self.faces.popleft()
        if isinstance(answer, UnmaskError):
            raise answer
        return row, bool(answer)

    def close(self) -> None:
        """Ends the process after the face that it is rendering."""
        self.connection.close()
        self.process.join()


def _serve(connection: Connection, job: RenderJob) -> None:
    """Renders the faces that arrive, until the other end is closed or its process has ended."""
    # Ctrl-C reaches all processes of a terminal; the one that trains ends the others.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # The processes share the cores already.
    cv2.setNumThreads(1)
    write = CropWriter(job)
    try:
        while True:
            row, face = connection.recv()
            try:
                connection.send(write(row, face))
            except UnmaskError as error:
                connection.send(error)
    except (EOFError, OSError):
        return
