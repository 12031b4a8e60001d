"""Clips of one to four masked faces that a camera pans and zooms over, in any size.

The faces are the photos of `examples/`, each at the same share of the picture in every size.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np

from unmask_sdk.core.arrays import Float64Array, UInt8Array

PHOTOS = ("surgical.jpg", "cloth.jpg", "n95.jpg", "dark.jpg")
RATE = 30
# The side of a photo, as a share of the picture's height: faces are half as high.
_SIDE = 0.55
# Standard deviation of the camera's noise, of 255.
_NOISE = 2.0
# Noise is drawn once and shifted from frame to frame: drawing it takes longer than all the rest.
_NOISE_STEP = 37


def draw_frames(
    examples: Path, size: tuple[int, int], faces: int, frames: int
) -> Iterator[UInt8Array]:
    """Yields frames uint8 `[H, W, 3]` RGB; all faces are in view, and move, in every one.

    Args:
        examples: Folder of the photos.
        size: (width, height) of the frames.
        faces: Number of faces, 1 to 4.
        frames: Number of frames.
    """
    width, height = size
    rng = np.random.default_rng(0)
    scene = _scene(examples, size, faces, rng)
    noise = rng.normal(0, _NOISE, (height, width, 1)).astype(np.float32)
    for index in range(frames):
        time = index / RATE
        matrix = _camera(size, time)
        frame = cv2.warpAffine(scene, matrix, size, borderMode=cv2.BORDER_REFLECT_101)
        grain = np.roll(noise, index * _NOISE_STEP % height, axis=0)
        grain = np.roll(grain, index * _NOISE_STEP % width, axis=1)
        yield np.clip(frame + grain, 0, 255).astype(np.uint8)


def write_clip(path: Path, examples: Path, size: tuple[int, int], faces: int, frames: int) -> None:
    """Writes the frames as H.264, 30 a second, for the arguments of `draw_frames`."""
    with av.open(str(path), "w") as file:
        options = {"crf": "20", "preset": "veryfast", "threads": "1"}
        video = file.add_stream("libx264", rate=RATE, options=options)
        video.width, video.height = size
        video.pix_fmt = "yuv420p"
        for index, image in enumerate(draw_frames(examples, size, faces, frames)):
            frame = av.VideoFrame.from_ndarray(image)
            frame.pts, frame.time_base = index, Fraction(1, RATE)
            file.mux(video.encode(frame))
        file.mux(video.encode(None))


def _scene(
    examples: Path, size: tuple[int, int], faces: int, rng: np.random.Generator
) -> UInt8Array:
    width, height = size
    coarse = rng.uniform(60, 170, (9, 16, 3)).astype(np.float32)
    scene = cv2.resize(coarse, size, interpolation=cv2.INTER_CUBIC)
    across = min(faces, 4)
    side = round(min(_SIDE * height, 0.95 * width / across))
    for number in range(faces):
        photo = cv2.imread(str(examples / PHOTOS[number]))
        if photo is None:
            raise FileNotFoundError(f"{examples / PHOTOS[number]}: the photos are in a clone")
        shown = cv2.cvtColor(cv2.resize(photo, (side, side), interpolation=cv2.INTER_CUBIC), 4)
        left = round(width * (number + 0.5) / across - side / 2)
        top = (height - side) // 2
        scene[top : top + side, left : left + side] = shown
    return np.clip(scene, 0, 255).astype(np.uint8)


def _camera(size: tuple[int, int], time: float) -> Float64Array:
    """Returns the matrix of a slow zoom and pan at a time in seconds."""
    width, height = size
    zoom = 0.94 + 0.05 * np.sin(0.6 * time)
    x = width / 2 + 0.015 * width * np.sin(0.9 * time)
    y = height / 2 + 0.06 * height * np.sin(0.7 * time)
    return np.array([[zoom, 0, x - zoom * width / 2], [0, zoom, y - zoom * height / 2]])
