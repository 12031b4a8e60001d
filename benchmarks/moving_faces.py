"""A clip with ground truth: synthetic faces that move, with masks and without.

The faces are those of `examples/`, each a blend of three generated portraits; the model removes
their masks, then each gets another, drawn mask. The masked and the bare clip have the same motion,
light and noise, so that the bare one changes from frame to frame as a perfect result would.

    python -m unmask_sdk.benchmarks.moving_faces -o CLIP

writes CLIP/masked.mp4 and CLIP/bare.mp4, with a beep each second.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Annotated

import av
import cv2
import numpy as np
import typer
from rich.progress import track

import unmask_sdk
from unmask_sdk.faces.align import crop_matrix, crop_to_photo
from unmask_sdk.training.synthesis.masked_face import synthesize
from unmask_sdk.training.synthesis.mesh import mean_face

EXAMPLES = Path("examples")
WIDTH, HEIGHT = 1280, 720
RATE = 25
SOUND = 48_000
# The photo, its new mask, and the seed of that mask.
FACES = (("dark.jpg", "surgical", 3), ("n95.jpg", "cloth", 8))


@dataclass(frozen=True, eq=False)
class Actor:
    """A face: uint8 `[H, W, 3]` bare and masked, coverage `[H, W]` of mask and of face, 0..1."""

    bare: np.ndarray
    masked: np.ndarray
    mask: np.ndarray
    shape: np.ndarray
    eyes: np.ndarray


@dataclass(frozen=True, eq=False)
class Moment:
    """A frame.

    Attributes:
        masked: uint8 `[720, 1280, 3]` RGB.
        bare: The same without masks: the truth.
        hole: bool `[720, 1280]`, where a mask covers.
        matrices: `[2, 3]` for each face, from the frame to its canonical crop.
    """

    masked: np.ndarray
    bare: np.ndarray
    hole: np.ndarray
    matrices: list[np.ndarray]


def cast(examples: Path) -> list[Actor]:
    """Makes the faces."""
    actors = []
    with unmask_sdk.load("onnx", threads=1) as model:
        for name, kind, seed in FACES:
            result = model(examples / name)
            (face,) = result.faces
            bare = result.image
            mesh = crop_to_photo(crop_matrix(face.eyes), mean_face())
            worn = synthesize(bare, mesh, kind=kind, seed=seed)
            height, width = bare.shape[:2]
            shape = np.zeros((height, width), np.float32)
            middle = (width // 2, int(0.52 * height))
            cv2.ellipse(shape, middle, (int(0.36 * width), int(0.44 * height)), 0, 0, 360, 1, -1)
            soft = np.asarray(cv2.GaussianBlur(shape, (0, 0), 0.02 * width), np.float32)
            actors.append(Actor(bare, worn.image, worn.mask / np.float32(255), soft, face.eyes))
    return actors


def moments(
    actors: list[Actor], seconds: float, *, noise: float = 2.0, seed: int = 0
) -> Iterator[Moment]:
    """Yields the frames.

    Args:
        actors: The faces.
        seconds: Length of the clip.
        noise: Standard deviation of the camera's noise, of 255.
        seed: Draws background and noise.
    """
    rng = np.random.default_rng(seed)
    small = rng.uniform(60, 170, (9, 16, 3)).astype(np.float32)
    scene = cv2.resize(small, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
    for index in range(round(seconds * RATE)):
        time = index / RATE
        pictures = [scene.copy(), scene.copy()]
        hole = np.zeros((HEIGHT, WIDTH), bool)
        matrices = []
        for number, actor in enumerate(actors):
            motion = _motion(actor, number, time, len(actors))
            matrices.append(crop_matrix(actor.eyes @ motion[:, :2].T + motion[:, 2]))
            shape = _warped(actor.shape, motion)[..., None]
            for picture, face in zip(pictures, (actor.masked, actor.bare), strict=True):
                picture += shape * (_warped(face.astype(np.float32), motion) - picture)
            hole |= (_warped(actor.mask, motion) > 0.5) & (shape[..., 0] > 0.99)
        light = 1 + 0.06 * np.sin(2 * np.pi * time / 7)
        grain = rng.normal(0, noise, (HEIGHT, WIDTH, 1)).astype(np.float32)
        masked, bare = (np.clip(p * light + grain, 0, 255).astype(np.uint8) for p in pictures)
        yield Moment(masked, bare, hole, matrices)


def _motion(actor: Actor, number: int, time: float, count: int) -> np.ndarray:
    """Returns the matrix from a face's image to the frame: swaying, nodding, rolling, nearing."""
    height, width = actor.bare.shape[:2]
    phase = 2.1 * number
    scale = (0.85 + 0.12 * np.sin(0.5 * time + phase)) * 500 / height
    # Still for a third of the time, like people.
    sway = np.sin(0.9 * time + phase) ** 3
    angle = np.deg2rad(9 * np.sin(0.7 * time + 2 * phase) ** 3)
    x = WIDTH * (number + 0.5) / count + 130 * sway
    y = HEIGHT * 0.52 + 35 * np.sin(1.7 * time + phase) ** 3
    turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    shift = np.array([x, y]) - turn @ np.array([width / 2, height / 2])
    return np.column_stack([turn, shift])


def _warped(picture: np.ndarray, motion: np.ndarray) -> np.ndarray:
    return cv2.warpAffine(picture, motion, (WIDTH, HEIGHT), flags=cv2.INTER_LINEAR)


class Clip:
    """A file being written: H.264, and a beep at the start of each second.

    Args:
        path: File to write.
    """

    def __init__(self, path: Path) -> None:
        self._file = av.open(str(path), "w")
        options = {"crf": "12", "preset": "veryfast"}
        self._video = self._file.add_stream("libx264", rate=RATE, options=options)
        self._video.width, self._video.height, self._video.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        self._sound = self._file.add_stream("aac", rate=SOUND, layout="mono")
        self._count = 0

    def write(self, frame: np.ndarray) -> None:
        """Writes a frame, and the sound that goes with it."""
        picture = av.VideoFrame.from_ndarray(frame)
        picture.pts, picture.time_base = self._count, Fraction(1, RATE)
        self._file.mux(self._video.encode(picture))
        length = SOUND // RATE
        time = (np.arange(length) + self._count * length) / SOUND
        wave = 0.3 * np.sin(2 * np.pi * 1000 * time) * (time % 1 < 0.1)
        samples = av.AudioFrame.from_ndarray(wave.astype(np.float32)[None], "fltp", "mono")
        samples.sample_rate, samples.pts = SOUND, self._count * length
        samples.time_base = Fraction(1, SOUND)
        self._file.mux(self._sound.encode(samples))
        self._count += 1

    def close(self) -> None:
        """Finishes the file."""
        self._file.mux(self._video.encode(None))
        self._file.mux(self._sound.encode(None))
        self._file.close()


def main(
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder to write into.")],
    seconds: Annotated[float, typer.Option(min=0.1)] = 20.0,
    noise: Annotated[float, typer.Option(min=0, help="Of the camera, of 255.")] = 2.0,
    examples: Annotated[Path, typer.Option(help="Folder of the pictures.")] = EXAMPLES,
) -> None:
    """Writes the two clips."""
    out.mkdir(parents=True, exist_ok=True)
    masked, bare = Clip(out / "masked.mp4"), Clip(out / "bare.mp4")
    frames = moments(cast(examples), seconds, noise=noise)
    for moment in track(frames, "drawing", total=round(seconds * RATE)):
        masked.write(moment.masked)
        bare.write(moment.bare)
    masked.close()
    bare.close()


if __name__ == "__main__":
    typer.run(main)
