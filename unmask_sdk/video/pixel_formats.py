"""Converts between the frames of a video file and RGB images.

A frame keeps its pixel format from decoder to encoder. Pixels are written to it only where a mask
was removed, so all others stay bit for bit: their colors are not converted twice, and 10 bits stay
10 bits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from unmask_sdk.core.arrays import AnyArray, UInt8Array
from unmask_sdk.pipeline import Patch

if TYPE_CHECKING:
    import av

Planes = list[AnyArray]

LIMITED, FULL = 1, 2
# From the color matrix of a frame (H.273) to the number of FFmpeg's scaler.
_MATRICES = {1: 1, 4: 4, 5: 5, 6: 5, 7: 7, 9: 9, 10: 9}
_BT601, _BT709 = 5, 1
# Pixels on each side of a changed one that the conversion of its chroma may read, at least.
_AROUND = 8


@dataclass(frozen=True)
class Turn:
    """How a stored frame becomes upright: first transposed, then mirrored."""

    transpose: bool = False
    mirror_x: bool = False
    mirror_y: bool = False

    def __call__(self, plane: AnyArray) -> AnyArray:
        """Returns a plane `[H, W]` upright, as a view."""
        turned = plane.T if self.transpose else plane
        return turned[:: -1 if self.mirror_y else 1, :: -1 if self.mirror_x else 1]


@dataclass(frozen=True)
class PixelFormat:
    """The format of the frames of a video, derived from its first frame.

    Attributes:
        name: FFmpeg's name of the pixel format to encode: planar YCbCr or gray.
        bits: Bits per sample, 8 or more.
        width: Width of the upright image, in pixels.
        height: Height of the upright image, in pixels.
        stored: (width, height) of the decoded frames, which may be odd.
        turn: From stored to upright.
        matrix: YCbCr to RGB, as numbered by FFmpeg's scaler.
        range: `LIMITED` or `FULL`.
    """

    name: str
    bits: int
    width: int
    height: int
    stored: tuple[int, int]
    turn: Turn
    matrix: int
    range: int

    @property
    def alpha(self) -> bool:
        """Whether frames have transparency."""
        return "a" in self.name.removeprefix("gray")

    def converts(self, frame: av.VideoFrame) -> bool:
        """Whether `prepare` calculates new colors for a frame, instead of only moving samples."""
        from av import VideoFormat

        old, new = frame.format, VideoFormat(self.name)
        return bool(
            old.is_rgb
            or old.has_palette
            or (old.chroma_width(8), old.chroma_height(8))
            != (new.chroma_width(8), new.chroma_height(8))
        )

    def prepare(self, frame: av.VideoFrame) -> av.VideoFrame:
        """Returns an upright, writable copy of a decoded frame in this format.

        If nothing is to be turned it keeps what else the frame says, such as its first field.
        """
        from av import VideoFrame

        stored = self.stored
        if (_plain(frame.format.name), frame.width, frame.height) != (self.name, *stored):
            frame = frame.reformat(
                *stored,
                format=self.name,
                src_colorspace=self.matrix,
                dst_colorspace=self.matrix,
                src_color_range=FULL if frame.format.is_rgb else self.range,
                dst_color_range=self.range,
                threads=1,
            )
        same = frame.format.name == self.name and stored == (self.width, self.height)
        if same and self.turn == Turn():
            frame.make_writable()
            frame.pict_type = 0  # Chosen by the encoder.
            return frame
        fresh = VideoFrame(self.width, self.height, self.name)
        for source, target in zip(planes(frame), planes(fresh), strict=True):
            upright = self.turn(source)
            more = [(0, new - old) for new, old in zip(target.shape, upright.shape, strict=True)]
            target[...] = np.pad(upright, more, "edge")
        fresh.pts, fresh.time_base, fresh.duration = frame.pts, frame.time_base, frame.duration
        return fresh

    def rgb(self, frame: av.VideoFrame) -> UInt8Array:
        """Returns a prepared frame as uint8 `[H, W, 3]` RGB, a copy."""
        converted = frame.reformat(
            format="rgb24",
            src_colorspace=self.matrix,
            dst_colorspace=self.matrix,
            src_color_range=self.range,
            dst_color_range=FULL,
            threads=1,  # By default one for each CPU, started again for every frame.
        )
        return np.asarray(converted.to_ndarray(), np.uint8)

    def write(self, frame: av.VideoFrame, image: UInt8Array, patches: Sequence[Patch]) -> None:
        """Writes the pixels that changed to a prepared frame.

        Args:
            frame: From `prepare`, changed in place.
            image: uint8 `[H, W, 3]` RGB, the frame now.
            patches: What it was before, wherever it may have changed.
        """
        for (x, y), before in patches:
            after = image[y : y + before.shape[0], x : x + before.shape[1]]
            changed = _difference(after, before)
            left, top, right, bottom = _extent(changed)
            if left < right:
                part = slice(top, bottom), slice(left, right)
                self._write_patch(frame, after[part], changed[part], (x + left, y + top))

    def _write_patch(
        self,
        frame: av.VideoFrame,
        after: UInt8Array,
        changed: UInt8Array,
        corner: tuple[int, int],
    ) -> None:
        """Writes the pixels of a part that changed, from its left upper corner (x, y) on."""
        import cv2
        from av import VideoFrame

        patch = VideoFrame.from_ndarray(np.ascontiguousarray(after), "rgb24").reformat(
            format=self.name,
            src_colorspace=self.matrix,
            dst_colorspace=self.matrix,
            src_color_range=FULL,
            dst_color_range=self.range,
            threads=1,
        )
        for target, source in zip(planes(frame), planes(patch), strict=True):
            # 1 or 2: the number of pixels per sample of this plane.
            high, wide = after.shape[0] // source.shape[0], after.shape[1] // source.shape[1]
            where = changed
            if high == 2:
                where = np.asarray(cv2.max(where[::2], where[1::2]), np.uint8)
            if wide == 2:
                where = np.maximum(where[:, ::2], where[:, 1::2])
            view = target[corner[1] // high :, corner[0] // wide :]
            cv2.copyTo(source, where, view[: source.shape[0], : source.shape[1]])


def pixel_format_of(
    frame: av.VideoFrame, *, playable: bool = False, alpha: bool = False
) -> PixelFormat:
    """Returns the format for a decoded frame.

    Formats that cannot be written to in place are replaced by the nearest that can: packed, palette
    and RGB formats and frames with odd sides by 4:4:4, 4:2:2 by 4:4:4 if the frame is rotated by 90
    degrees, other subsamplings by 4:2:0. Transparency is dropped, except with `alpha`.

    Args:
        frame: The first frame.
        playable: Whether it is for the players that most people have. They need 4:2:0, so RGB and
            palette formats become that, and odd sides are made even: the last column or row is
            there twice.
        alpha: Whether the transparency of 4:2:0 is kept, if no pixel changes its place.
    """
    form = frame.format
    turn = _turn(frame)
    colors = [part for part in form.components if not part.is_alpha]
    bits = 8 if form.has_palette else max(8, max(part.bits for part in colors))
    bits += bits % 2  # There is no encoder for 9 bits.
    depth = "" if bits == 8 else f"{bits}le"
    # Chroma samples per 8 luma samples, in each direction.
    sampling = (form.chroma_width(8), form.chroma_height(8))
    odd = bool(frame.width % 2 or frame.height % 2)
    rgb = bool(form.is_rgb or form.has_palette)
    if len(colors) == 1 and not form.has_palette:
        name = f"gray{depth}"
    elif alpha and form.name == "yuva420p" and turn == Turn() and not odd:
        name = form.name
    elif playable and (rgb or odd):
        name = f"yuv420p{depth}"
    elif rgb or odd or sampling in ((8, 8), (8, 4)):
        name = f"yuv444p{depth}"
    elif sampling == (4, 8):
        name = f"yuv444p{depth}" if turn.transpose else f"yuv422p{depth}"
    else:
        name = f"yuv420p{depth}"
    width, height = frame.width, frame.height
    if turn.transpose:
        width, height = height, width
    if playable:
        width, height = width + width % 2, height + height % 2
    # Without a color matrix, the same default as in video players.
    default_matrix = _BT709 if max(width, height) >= 1280 or min(width, height) > 576 else _BT601
    full = frame.color_range == FULL or form.name.startswith("yuvj")
    full = full and not (playable and rgb)  # Players expect limited range.
    return PixelFormat(
        name,
        bits,
        width,
        height,
        (frame.width, frame.height),
        turn,
        _MATRICES.get(int(frame.colorspace), default_matrix),
        FULL if full else LIMITED,
    )


def planes(frame: av.VideoFrame) -> Planes:
    """Returns views of the planes of a planar frame, `[H, W]` each, uint8 or uint16."""
    deep = any(part.bits > 8 for part in frame.format.components)
    kind = np.dtype(np.uint16 if deep else np.uint8)
    views = []
    for plane in frame.planes[: 1 if frame.format.name.startswith("gray") else 3]:
        rows = np.frombuffer(plane, kind).reshape(plane.height, plane.line_size // kind.itemsize)  # type: ignore[call-overload]
        views.append(rows[:, : plane.width])
    return views


def _difference(one: UInt8Array, other: UInt8Array) -> UInt8Array:
    """Returns uint8 `[H, W]`, the largest difference of each pixel's channels."""
    import cv2

    # Five times as fast as reductions by NumPy.
    red, green, blue = cv2.split(cv2.absdiff(one, other))
    return np.asarray(cv2.max(cv2.max(red, green), blue), np.uint8)


def _extent(changed: UInt8Array) -> tuple[int, int, int, int]:
    """Returns what changed and the pixels that filters of chroma read around it.

    Args:
        changed: uint8 `[H, W]`, above 0 where a pixel changed; even sides, except at the border of
            an odd image.

    Returns:
        (x0, y0, x1, y1), the first two even; all 0 if nothing changed.
    """
    import cv2

    left, top, wide, high = cv2.boundingRect(changed)
    if not wide:
        return 0, 0, 0, 0
    x0, y0 = max(0, left - _AROUND), max(0, top - _AROUND)
    x1, y1 = left + wide + _AROUND, top + high + _AROUND
    height, width = changed.shape
    return x0 - x0 % 2, y0 - y0 % 2, min(x1 + x1 % 2, width), min(y1 + y1 % 2, height)


def _plain(name: str) -> str:
    """Returns the current name of a format; the old full-range names mean the same samples."""
    return name.replace("yuvj", "yuv")


def _turn(frame: av.VideoFrame) -> Turn:
    """Reads the display matrix of a frame."""
    data: Any = frame.side_data.get("DISPLAYMATRIX")
    if data is None:
        return Turn()
    a, b, _, c, d = np.frombuffer(bytes(data), np.int32)[:5].tolist()
    if abs(a) >= abs(b):
        return Turn(False, a < 0, d < 0)
    return Turn(True, c < 0, b < 0)
