"""From a photo to the photo without masks: read, locate, align, run, paste."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from unmask_sdk.core.arrays import Float64Array, UInt8Array

from .compositing.blend import paste
from .core.closable import Closing
from .errors import InvalidInputError, RuntimeUnavailableError
from .faces.align import CROP_SIZE, crop_matrix, transform_points, warp_crop
from .faces.locator import MAX_FACES, Location, Locator
from .imaging.decode import Channels, Photo, Source, read
from .result import Face, Result
from .runtimes.base import as_array

if TYPE_CHECKING:
    from threading import Event

    from .loading.load import Candidate
    from .runtimes.base import Runtime, RuntimeInfo, Tensor
    from .video.file import Progress, VideoReport
    from .video.stream import Stream


# A face is masked from this share of its crop up; the smallest real mask covers ten times that.
MIN_MASK_SHARE = 0.01
# A box that the caller gave holds a face from this aligner's score up. Measured with the shipped
# locator: 600 synthetically masked validation faces (LFW, UTKFace) score at least 0.92, be the box
# exact, off by a tenth (standard deviation) on each side, or a square a third too large, or the
# face rolled by 15, 30 or 45 degrees; 101 really masked ones at least 0.75. Of 1500 random boxes
# on scikit-image's photos without faces, 93 % score less than this.
MIN_BOX_SCORE = 0.7
# Faces that go through the network at once.
CHUNK = 8
# A crop whose colours differ by no more than this is black and white, and so is its fill.
GREY_SPREAD = 2
# The face in the canonical crop, where only the eyes are known: forehead to chin.
FACE_BOX = (66.0, 61.0, 190.0, 219.0)


class Unmasker(Closing):
    """Takes the masks off photos. `unmask_sdk.load()` makes one.

    Threads: one model may be called by many threads at once.

    Args:
        runtime: An opened unmasker.
        locator: Finds the faces.
        selection: Why this runtime was taken.
    """

    def __init__(
        self, runtime: Runtime[Any], locator: Locator, selection: Sequence[Candidate] = ()
    ) -> None:
        self._runtime = runtime
        self._locator: Locator | None = locator
        self._size = _size(runtime)
        self.selection = tuple(selection)

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

    def __call__(
        self,
        image: Source,
        *,
        channels: Channels = "rgb",
        boxes: npt.ArrayLike | None = None,
        eyes: npt.ArrayLike | None = None,
        only: Callable[[Location], bool] | None = None,
    ) -> Result:
        """Takes the masks off all faces of a photo.

        Faces whose mask covers less than `MIN_MASK_SHARE` of the crop count as not masked: they
        are left as they are, bit for bit; so are boxes given in which there seems to be no face
        (`MIN_BOX_SCORE`).

        Args:
            image: Path, the bytes of a file (bytes, bytearray, memoryview), an open binary file,
                Pillow image, or uint8 array `[H, W]`, `[H, W, 1]`, `[H, W, 3]` or `[H, W, 4]` of
                any size. It is not changed; an open file is read to its end.
            channels: Order of an array's colours: `rgb`, or `bgr` as OpenCV has them.
            boxes: `[F, 4]`, (x0, y0, x1, y1) in pixels round each face from forehead to chin, to
                use instead of looking for faces. For faces rolled by up to 45 degrees; give the
                eyes of others.
            eyes: `[F, 2, 2]`, (x, y) in pixels of the eye centres of each face, to use instead of
                looking for faces. The order says which way up the face is: the one that is left
                in the picture when the head is upright comes first. Swapped, the face is taken to
                be upside down.
            only: Says for each face, by its place (`box`, `eyes`, `confidence`), whether to look
                at it: `only=lambda face: face.confidence > 0.7`. Others are left as they are, cost
                nothing, and are not among the result's faces.

        Returns:
            The result. Where no face was found it has no faces, and the photo unchanged.

        Raises:
            ImageReadError: If a file is not a whole picture of at most 144 million pixels.
            InvalidInputError: If an argument does not fit.
            RuntimeUnavailableError: If the model is closed, or its engine fails.
        """
        if only is not None and not callable(only):
            raise InvalidInputError(
                "only is a function of a face's place, such as "
                f"only=lambda face: face.confidence > 0.7; got {only!r}"
            )
        locator = self.locator
        watch = Watch()
        photo = read(image, channels)
        watch.lap("decode")
        places = _places(photo, locator, boxes, eyes)
        notes = photo.notes
        if boxes is None and eyes is None and len(places) == MAX_FACES:
            notes += (f"only the {MAX_FACES} surest faces were looked at",)
        if only is not None:
            places = [place for place in places if only(place)]
        watch.lap("locate")
        matrices = [crop_matrix(place.eyes, self._size) for place in places]
        shape = (len(places), self._size, self._size, 3)
        crops = np.empty(shape, np.uint8)
        for crop, matrix in zip(crops, matrices, strict=True):
            crop[...] = warp_crop(photo.pixels, matrix, self._size)
        watch.lap("align")
        unmasked, masks = self.crops(crops)
        watch.lap("run")
        least = 0.0 if boxes is None else MIN_BOX_SCORE
        faces = tuple(
            face_of(place, least, matrix, *pictures)
            for place, matrix, *pictures in zip(
                places, matrices, crops, unmasked, masks[..., 0], strict=True
            )
        )
        picture = photo.pixels if photo.owned else photo.pixels.copy()
        for face in faces:
            if face.masked:
                paste(picture, face.crop, face.mask, face.matrix)
        watch.lap("paste")
        return Result(picture, faces, watch.laps, photo.extras, notes)

    def crops(self, images: UInt8Array | Tensor) -> tuple[UInt8Array, UInt8Array]:
        """Takes the masks off faces that are aligned already.

        Args:
            images: uint8 `[N, 256, 256, 3]` RGB canonical crops (`align.py`), of NumPy or anything
                on the CPU with `__dlpack__`, such as a tensor of PyTorch; N may be 0.

        Returns:
            The unmasked crops, uint8 `[N, 256, 256, 3]`, and the masks, uint8 `[N, 256, 256, 1]`
            (128 to 255 is mask, 1 to 127 the seam round it, 0 as it was). NumPy arrays, which
            `torch.from_dlpack` and its like take without a copy.

        Raises:
            InvalidInputError: If `images` has another type or shape, or lies on a GPU.
            RuntimeUnavailableError: If the model is closed, or its engine fails.
        """
        images = as_array("images", images)
        if images.ndim != 4 or len(images) <= CHUNK:
            unmasked, masks = self._runtime.run(images)
            return unmasked, masks
        parts = [self._runtime.run(images[i : i + CHUNK]) for i in range(0, len(images), CHUNK)]
        return np.concatenate([p[0] for p in parts]), np.concatenate([p[1] for p in parts])

    def video(
        self,
        source: str | PathLike[str],
        target: str | PathLike[str],
        *,
        codec: str | None = None,
        crf: int | None = None,
        smooth: bool = True,
        progress: Callable[[Progress], object] | None = None,
        stop: Event | None = None,
    ) -> VideoReport:
        """Takes the masks off a video file; needs the extra `video`.

        Args:
            source: A video file.
            target: File to write: .mp4, .m4v, .mov, .mkv or .webm, in a folder that exists.
            codec: FFmpeg's name of a video encoder; by default H.264 (H.265 for more than 8
                bits), in WebM VP9 (AV1).
            crf: Constant rate factor, from 0 (best) to the encoder's 51 or 63; 18 by default for
                H.264.
            smooth: Whether crops and fills are held still between frames (`Session`).
            progress: Called after each batch of frames, the last included.
            stop: Set it, from any thread, to end early; the file holds what was done, and plays.

        Returns:
            What was done.

        Raises:
            VideoReadError: If `source` is no video that can be read.
            VideoWriteError: If `target` cannot be written, or cannot hold what the source holds.
            InvalidInputError: If an argument does not fit.
            RuntimeUnavailableError: If the model is closed, or its engine fails.
            MissingDependencyError: If PyAV is not installed.
            VideoInterrupted: After Ctrl-C, once the file is finished; it is a `KeyboardInterrupt`.
        """
        from .video.file import unmask_video

        return unmask_video(
            self,
            source,
            target,
            codec=codec,
            crf=crf,
            smooth=smooth,
            progress=progress,
            stop=stop,
        )

    def stream(
        self,
        frames: Iterable[Any],
        *,
        channels: Channels = "rgb",
        queue: int = 1,
        timeout: float | None = 10.0,
        smooth: bool = True,
    ) -> Stream:
        """Takes the masks off live frames: an iterator of results that is never late.

        Frames that come while another is worked on are dropped, but for the latest. For the
        frames of a file use `video`, or `unmask_sdk.Session`, which drop none.

        Args:
            frames: Any iterable of uint8 `[H, W, 3]` arrays, such as `unmask_sdk.Camera(0)`.
            channels: Order of the frames' colours: `rgb`, or `bgr` as OpenCV has them.
            queue: Frames that may wait; 1 gives the least delay.
            timeout: Seconds to wait for a frame before `SourceError`; None waits for ever.
            smooth: Whether crops and fills are held still between frames (`Session`).

        Returns:
            The stream: iterate over it, read its `counters`, `close` it from any thread.

        Raises:
            InvalidInputError: If an argument does not fit.
            RuntimeUnavailableError: If the model is closed.
        """
        from .video.stream import Stream

        return Stream(self, frames, channels=channels, queue=queue, timeout=timeout, smooth=smooth)

    def close(self) -> None:
        """Lets go of the networks. May be called twice, and by any thread."""
        self._locator = None
        self._runtime.close()

    def __repr__(self) -> str:
        info = self._runtime.info
        return f"Unmasker({info.runtime}, {info.precision}, {info.device}: {info.provider})"


class Watch:
    """Milliseconds from lap to lap."""

    def __init__(self) -> None:
        self.laps: dict[str, float] = {}
        self.start()

    def start(self) -> None:
        self._last = time.perf_counter()

    def lap(self, name: str) -> None:
        now = time.perf_counter()
        self.laps[name] = 1000 * (now - self._last)
        self._last = now


def _size(runtime: Runtime[Any]) -> int:
    size = runtime.artifact.inputs[0].shape[1]
    return CROP_SIZE if size is None else size


def _places(
    photo: Photo, locator: Locator, boxes: npt.ArrayLike | None, eyes: npt.ArrayLike | None
) -> list[Location]:
    if boxes is not None and eyes is not None:
        raise InvalidInputError("give boxes or eyes, not both")
    if boxes is not None:
        rows = _rows("boxes", boxes, (4,))
        for box in rows:
            _check_inside("boxes", photo, box)
        return [locator.align(photo.pixels, box) for box in rows]
    if eyes is not None:
        return [_from_eyes(photo, pair) for pair in _rows("eyes", eyes, (2, 2))]
    return locator(photo.pixels)


def _rows(name: str, given: npt.ArrayLike, shape: tuple[int, ...]) -> Float64Array:
    """Reads one row for each face; a single face may come without its outer brackets."""
    wanted = f"[F, {', '.join(map(str, shape))}]"
    try:
        rows = np.asarray(given, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InvalidInputError(f"{name} must be numbers of shape {wanted}: {error}") from error
    if rows.shape == shape:
        rows = rows[None]
    if rows.size == 0:
        rows = rows.reshape(0, *shape)
    if rows.shape[1:] != shape:
        raise InvalidInputError(f"{name} must have the shape {wanted}, got {list(rows.shape)}")
    return rows


def _from_eyes(photo: Photo, eyes: Float64Array) -> Location:
    matrix = crop_matrix(eyes)
    _check_inside("eyes", photo, eyes)
    to_photo = np.linalg.inv(np.vstack([matrix, [0, 0, 1]]))[:2]
    x0, y0, x1, y1 = FACE_BOX
    corners = transform_points(to_photo, [[x0, y0], [x1, y0], [x1, y1], [x0, y1]])
    low, high = corners.min(0).tolist(), corners.max(0).tolist()
    # Nose and mouth are not known, and nothing here needs them.
    points = np.vstack([eyes, np.full((3, 2), np.nan)])
    return Location((low[0], low[1], high[0], high[1]), points, 1.0)


def _check_inside(name: str, photo: Photo, given: Float64Array) -> None:
    """Refuses two points, or a box by its corners, that lie outside on one side of the picture."""
    points = given.reshape(2, 2)
    height, width = photo.pixels.shape[:2]
    if ((points < -0.5).all(0) | (points > np.array([width, height]) - 0.5).all(0)).any():
        raise InvalidInputError(
            f"{name} must not lie outside the {width}x{height} picture; got {given.tolist()}"
        )


def face_of(
    place: Location,
    least: float,
    matrix: Float64Array,
    original: UInt8Array,
    unmasked: UInt8Array,
    mask: UInt8Array,
) -> Face:
    """Judges whether a face wears a mask, and puts together what is told of it."""
    share = np.count_nonzero(mask >= 128) / mask.size
    masked = bool(place.score >= least and share >= MIN_MASK_SHARE)
    if not masked:
        unmasked, mask = original, np.zeros_like(mask)
    elif _is_grey(original):
        unmasked = _grey(original, unmasked, mask)
    return Face(place.box, place.eyes, place.score, masked, mask, unmasked, original, matrix)


def _is_grey(crop: UInt8Array) -> bool:
    # Most are not, and a few pixels tell.
    return _spread(crop[::16, ::16]) <= GREY_SPREAD and _spread(crop) <= GREY_SPREAD


def _spread(crop: UInt8Array) -> int:
    red, green, blue = (crop[..., i].astype(np.int16) for i in range(3))
    return max(int(np.abs(red - green).max()), int(np.abs(green - blue).max()))


def _grey(original: UInt8Array, unmasked: UInt8Array, mask: UInt8Array) -> UInt8Array:
    """Takes the colour out of a fill."""
    grey = np.rint(unmasked @ np.array([0.299, 0.587, 0.114])).astype(np.uint8)[..., None]
    return np.where(mask[..., None] > 0, grey, original)
