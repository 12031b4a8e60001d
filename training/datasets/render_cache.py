"""Renders crop caches: all of one before it is used, or in the background while it is used."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread
from types import TracebackType

from rich.progress import track

from unmask_sdk.core.arrays import Int64Array
from unmask_sdk.errors import DataError

from .background_exchange import BackgroundExchange
from .crop_cache import CropCache, CropCacheConfig, is_current, pack_index
from .landmark_file import FaceRecord
from .render_crops import RenderJob, render_here, render_in_processes
from .unfinished_cache import UnfinishedCropCache

# So much rendering is lost at most if the process is killed.
SAVE_SECONDS = 20.0


@dataclass(frozen=True, eq=False)
class _Found:
    """The crop cache of a configuration: which faces it holds, where it is, and what of it exists.

    Attributes:
        faces: The faces, one per row.
        folder: Its folder.
        index: What `pack.json` contains once it is complete.
        is_complete: Whether it is.
    """

    faces: list[FaceRecord]
    folder: Path
    index: dict[str, object]
    is_complete: bool

    @classmethod
    def under(
        cls, root: Path, faces_folder: Path, faces: list[FaceRecord], config: CropCacheConfig
    ) -> _Found:
        chosen = config.choose(faces)
        folder = config.folder(root, len(chosen))
        index = pack_index(faces_folder, chosen, config)
        return cls(chosen, folder, index, is_current(folder, config, index, len(chosen)))


class _Rendering:
    """The rendering of what is missing of a crop cache."""

    def __init__(
        self,
        faces_folder: Path,
        faces: list[FaceRecord],
        config: CropCacheConfig,
        out: Path,
        index: dict[str, object],
        workers: int,
        selfie_model: Path | None,
    ) -> None:
        if not faces:
            raise DataError(
                f"no faces in split {config.split!r}; check the array split of the landmark file"
            )
        share = config.background_share
        exchange = BackgroundExchange.plan(faces_folder, share, selfie_model, faces)
        self.cache = UnfinishedCropCache(out, config, index, [face.name for face in faces])
        self.stop = Event()
        self._faces = faces
        self._job = RenderJob(faces_folder, out, config, exchange)
        self._workers = workers

    def run(self, order: Iterable[int]) -> Generator[int, None, None]:
        """Renders the rows that are missing; yields each, once it can be read.

        What is rendered is saved in the end in any case.
        """
        missing = [int(row) for row in order if not self.cache.rendered[row]]
        faces = ((row, self._faces[row]) for row in missing)
        workers = min(self._workers, len(missing))
        rows = (
            render_here(self._job, faces)
            if self._workers == 1
            else render_in_processes(self._job, faces, workers, self.stop)
        )
        saved = time.monotonic()
        try:
            with closing(rows):
                for row, bearded in rows:
                    self.cache.add(row, bearded)
                    if time.monotonic() - saved >= SAVE_SECONDS:
                        self.cache.save()
                        saved = time.monotonic()
                    yield row
        finally:
            self.cache.save()

    def run_to_the_end(self) -> None:
        """Renders all rows that are missing, and shows the progress."""
        config, rendered = self.cache.config, self.cache.rendered
        missing = len(rendered) - int(rendered.sum())
        with closing(self.run(range(len(rendered)))) as rows:
            for _ in track(rows, f"rendering {config.split} {config.size}", total=missing):
                pass


def open_crop_cache(
    faces_folder: Path,
    faces: list[FaceRecord],
    config: CropCacheConfig,
    root: Path,
    workers: int = 1,
    selfie_model: Path | None = None,
) -> CropCache:
    """Opens the crop cache of a configuration under `root`, and renders it first if needed.

    A cache is used again if the configuration, the names and the landmarks are the same, and also
    the sizes and modification times of the images. What an interrupted run has rendered is kept;
    `pack.json` is written last, so that an incomplete cache is never taken for a complete one.

    Args:
        faces_folder: The folder that the faces' names are relative to.
        faces: The set; the configuration chooses from it.
        config: What the cache is made of.
        root: The folder that holds all caches.
        workers: Number of processes that render.
        selfie_model: MediaPipe's `selfie_segmentation.tflite`, if backgrounds are exchanged.

    Raises:
        MissingDependencyError: If backgrounds are exchanged and LiteRT is not installed.
        DataError: If there are no faces, if that model is missing, if an image cannot be read, or
            if the disk is full.
        TrainingError: If a process that renders ended early.
    """
    found = _Found.under(root, faces_folder, faces, config)
    if not found.is_complete:
        _Rendering(
            faces_folder, found.faces, config, found.folder, found.index, workers, selfie_model
        ).run_to_the_end()
    return CropCache(found.folder)


class BackgroundRendering:
    """Renders what is missing of a crop cache while its other rows are used; a context manager.

    Leaving it stops the rendering. What is rendered is kept for the next run.

    Args:
        faces_folder: The folder that the faces' names are relative to.
        faces: The set; the configuration chooses from it.
        config: What the cache is made of.
        root: The folder that holds all caches.
        workers: Number of processes that render.
        selfie_model: MediaPipe's `selfie_segmentation.tflite`, if backgrounds are exchanged.
        order: The rows of the cache in the order in which they are rendered.
        first: Number of rows, the first of that order, that have to be rendered before use.

    Attributes:
        cache: The crop cache; its rows become readable one by one (`cache.rendered`).

    Raises:
        DataError, MissingDependencyError: As `open_crop_cache`.
    """

    cache: CropCache

    def __init__(
        self,
        faces_folder: Path,
        faces: list[FaceRecord],
        config: CropCacheConfig,
        root: Path,
        workers: int,
        selfie_model: Path | None,
        order: Int64Array,
        first: int,
    ) -> None:
        found = _Found.under(root, faces_folder, faces, config)
        self._first = order[:first]
        self._order = order
        self._error: Exception | None = None
        self._rendering: _Rendering | None = None
        self._thread = Thread(target=self._run, name="rendering")
        if found.is_complete:
            self.cache = CropCache(found.folder)
        else:
            self._rendering = _Rendering(
                faces_folder, found.faces, config, found.folder, found.index, workers, selfie_model
            )
            self.cache = self._rendering.cache

    def __enter__(self) -> BackgroundRendering:
        if self._rendering is not None:
            self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._rendering is not None:
            self._rendering.stop.set()
            self._thread.join()

    def _run(self) -> None:
        assert self._rendering is not None
        try:
            for _ in self._rendering.run(self._order):
                pass
        except Exception as error:  # noqa: BLE001  # raised again by `check`, whatever it is
            self._error = error

    def check(self) -> None:
        """Raises the error that stopped the rendering, if one did.

        Raises:
            DataError: If an image cannot be read, or if the disk is full.
            TrainingError: If a process that renders ended early.
        """
        if self._error is not None:
            raise self._error

    @property
    def is_ready(self) -> bool:
        """Whether the rows that have to be rendered before use are."""
        return bool(self.cache.rendered[self._first].all())

    @property
    def is_complete(self) -> bool:
        """Whether all rows are rendered."""
        return bool(self.cache.rendered.all())
