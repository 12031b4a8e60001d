"""Scenes in which faces are easily lost or confused: crossing, a cut, leaving, turning away.

    python -m unmask_sdk.benchmarks.tracking_scenes -o SCENES

For each scene it prints how long a visible face stayed masked at most, how many numbers each person
got, and the largest area that was painted where no mask is, of the area of the masks. It writes a
contact sheet of each scene into SCENES: every 8th frame, before and after.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, TypeAlias

import cv2
import numpy as np
import typer
from rich.progress import track

import unmask_sdk
from unmask_sdk.core.arrays import UInt8Array
from unmask_sdk.core.output_paths import make_folder
from unmask_sdk.face import Face
from unmask_sdk.result import Result
from unmask_sdk.training.datasets.image_files import image_grid, write_image
from unmask_sdk.video.session import Session

from .moving_faces import EXAMPLES, HEIGHT, RATE, WIDTH, Actor, cast

SECONDS = 4.0
# Camera noise, of 255.
NOISE = 2.0
# A head turned further than this, in degrees, need not be found.
MAX_YAW = 45.0
# A face is hidden where less than this fraction of it is in front and within the frame.
MIN_VISIBLE = 0.7
# A pixel is painted if a channel of it changed by more than this, of 255.
PAINTED = 12
# Painting around a mask, up to this many eye distances, is its soft edge.
EDGE = 0.6


@dataclass(frozen=True)
class Pose:
    """Where a person is in a frame: center in pixels, height of its picture, yaw in degrees."""

    x: float
    y: float
    height: float = 480.0
    yaw: float = 0.0


# From the time in seconds to the persons in the frame, those in front last.
Scene: TypeAlias = Callable[[float], dict[int, Pose]]


@dataclass(frozen=True, eq=False)
class Shot:
    """A frame of a scene.

    Attributes:
        image: uint8 `[720, 1280, 3]` RGB.
        mask: bool `[720, 1280]`, where a mask is.
        eyes: float64 `[2, 2]` of each person that has to be found, (x, y) in pixels.
    """

    image: UInt8Array
    mask: np.ndarray
    eyes: dict[int, np.ndarray]


@dataclass
class Score:
    """What one scene showed.

    Attributes:
        missed: Longest time in seconds in which a visible face was not unmasked.
        numbers: Numbers that each person got.
        ghost: Largest painted area where no mask is, of the masks' area in that frame.
    """

    missed: float
    numbers: dict[int, set[int]]
    ghost: float


def crossing(time: float) -> dict[int, Pose]:
    """Two people pass each other, one in front."""
    share = time / SECONDS
    return {0: Pose(260 + 760 * share, 350, 400), 1: Pose(1020 - 760 * share, 390, 480)}


def cut(time: float) -> dict[int, Pose]:
    """Another person, at the same place, from one frame to the next."""
    return {int(time >= SECONDS / 2): Pose(640 + 20 * time, 370)}


def leaving(time: float) -> dict[int, Pose]:
    """A person leaves the frame and comes back."""
    return {0: Pose(700 + 1000 * np.sin(np.pi * time / SECONDS) ** 2, 370)}


def turning(time: float) -> dict[int, Pose]:
    """A person looks away to one side and back."""
    return {0: Pose(640, 370, yaw=75 * np.sin(np.pi * time / SECONDS) ** 2)}


SCENES: dict[str, Scene] = {
    "crossing": crossing,
    "cut": cut,
    "leaving": leaving,
    "turning": turning,
}


def shots(actors: Sequence[Actor], scene: Scene, seed: int = 0) -> Iterator[Shot]:
    """Yields the frames of a scene.

    Args:
        actors: The persons.
        scene: Where they are.
        seed: Draws background and noise.
    """
    rng = np.random.default_rng(seed)
    small = rng.uniform(60, 170, (2, 9, 16, 3)).astype(np.float32)
    backgrounds = [cv2.resize(x, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC) for x in small]
    for index in range(round(SECONDS * RATE)):
        # Two shots differ in their background too.
        second = scene is cut and index / RATE >= SECONDS / 2
        image = np.array(backgrounds[second], np.float32)
        mask = np.zeros((HEIGHT, WIDTH), np.float32)
        eyes, covers = {}, {}
        poses = scene(index / RATE)
        for number, pose in poses.items():
            actor = actors[number]
            place = _Placement(actor, pose)
            cover = place(actor.shape)
            image += cover[..., None] * (place(actor.masked.astype(np.float32)) - image)
            mask += cover * (place(actor.mask) - mask)
            eyes[number], covers[number] = place.points(actor.eyes), cover
            for other in set(covers) - {number}:
                covers[other] = covers[other] * (1 - cover)
        visible = {
            number: eyes[number]
            for number, pose in poses.items()
            if abs(pose.yaw) <= MAX_YAW
            and covers[number].sum() >= MIN_VISIBLE * _Placement.area(actors[number], pose)
        }
        image += rng.normal(0, NOISE, (HEIGHT, WIDTH, 1))
        yield Shot(np.clip(image, 0, 255).astype(np.uint8), mask > 0.5, visible)


class _Placement:
    """Maps pictures of a person into the frame; a head is turned as if it were a cylinder."""

    def __init__(self, actor: Actor, pose: Pose) -> None:
        height, width = actor.shape.shape
        self._middle = np.array([width / 2, height / 2])
        self._radius = 0.42 * width
        self._yaw = np.deg2rad(pose.yaw)
        self._scale = pose.height / height
        self._center = np.array([pose.x, pose.y])
        # A column of the frame shows one column of the picture, and a row one row.
        across = (np.arange(WIDTH) - pose.x) / self._scale / self._radius
        angle = np.arcsin(np.clip(across, -1, 1)) - self._yaw
        seen = (np.abs(across) < 1) & (np.abs(angle) < np.pi / 2)
        source = self._middle[0] + self._radius * np.sin(angle)
        columns = np.where(seen, source, -1e4).astype(np.float32)
        rows = ((np.arange(HEIGHT) - pose.y) / self._scale + self._middle[1]).astype(np.float32)
        self._x = np.tile(columns, (HEIGHT, 1))
        self._y = np.repeat(rows[:, None], WIDTH, axis=1)

    def __call__(self, picture: np.ndarray) -> np.ndarray:
        """Returns a picture, float32, in the frame."""
        return np.asarray(cv2.remap(picture, self._x, self._y, cv2.INTER_LINEAR))

    def points(self, points: np.ndarray) -> np.ndarray:
        """Returns points `[N, 2]` of the picture in the frame."""
        x, y = (points - self._middle).T
        angle = np.arcsin(np.clip(x / self._radius, -1, 1)) + self._yaw
        turned = np.column_stack([self._radius * np.sin(angle), y])
        return np.asarray(turned * self._scale + self._center)

    @staticmethod
    def area(actor: Actor, pose: Pose) -> float:
        """Returns the area of a person that nothing covers, in pixels of the frame."""
        scale = pose.height / len(actor.shape)
        return float(actor.shape.sum() * scale**2 * np.cos(np.deg2rad(pose.yaw)))


def measure(frames: Sequence[Shot], results: Sequence[Result]) -> Score:
    """Compares the results of a scene with what is in it."""
    numbers: dict[int, set[int]] = {}
    gaps: dict[int, int] = {}
    longest = 0
    ghost = 0.0
    for shot, result in zip(frames, results, strict=True):
        for person, eyes in shot.eyes.items():
            face = _face_at(result.faces, eyes)
            gaps[person] = 0 if face and face.masked else gaps.get(person, 0) + 1
            longest = max(longest, gaps[person])
            if face and face.track is not None:
                numbers.setdefault(person, set()).add(face.track)
        for person in set(gaps) - set(shot.eyes):
            gaps[person] = 0
        ghost = max(ghost, _painted_elsewhere(shot, result))
    return Score(longest / RATE, numbers, ghost)


def _face_at(faces: Sequence[Face], eyes: np.ndarray) -> Face | None:
    """Returns the face whose eyes are nearest to the given ones, if they are near enough."""
    far = np.linalg.norm(eyes[1] - eyes[0]) / 2
    steps = [(float(np.linalg.norm(f.eyes - eyes, axis=1).mean()), f) for f in faces]
    step, face = min(steps, key=lambda pair: pair[0], default=(np.inf, None))
    return face if step <= far else None


def _painted_elsewhere(shot: Shot, result: Result) -> float:
    """Returns the painted area away from the masks, of the masks' area."""
    change = np.abs(result.image.astype(np.int16) - shot.image).max(2) > PAINTED
    distances = [np.linalg.norm(eyes[1] - eyes[0]) for eyes in shot.eyes.values()]
    side = 2 * round(EDGE * max(distances, default=60.0)) + 1
    near = cv2.dilate(shot.mask.astype(np.uint8), np.ones((side, side), np.uint8)) > 0
    return float((change & ~near).sum() / max(shot.mask.sum(), 0.005 * change.size))


def _sheet(frames: Sequence[Shot], results: Sequence[Result]) -> UInt8Array:
    """Returns every 8th frame with its result below it, a quarter of their size, six in a row."""
    shown = list(zip(frames, results, strict=True))[::8]
    pairs = [[_quarter(shot.image), _quarter(result.image)] for shot, result in shown]
    pairs += [[np.zeros_like(image) for image in pairs[0]]] * (-len(pairs) % 6)
    lines = [pairs[at : at + 6] for at in range(0, len(pairs), 6)]
    return image_grid([[pair[i] for pair in line] for line in lines for i in (0, 1)])


def _quarter(image: UInt8Array) -> UInt8Array:
    size = (WIDTH // 4, HEIGHT // 4)
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)


def main(
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the contact sheets.")],
    examples: Annotated[Path, typer.Option(help="Folder of the pictures.")] = EXAMPLES,
    threads: Annotated[int, typer.Option(min=1)] = 1,
) -> None:
    """Prints what each scene showed, and draws it."""
    make_folder(out, "--out")
    actors = cast(examples)
    with unmask_sdk.load("onnx", threads=threads) as model:
        for name, scene in SCENES.items():
            session = Session(model)
            frames = list(shots(actors, scene))
            results = [
                session(shot.image, index / RATE) for index, shot in enumerate(track(frames, name))
            ]
            score = measure(frames, results)
            numbers = ", ".join(str(sorted(n)) for n in score.numbers.values())
            print(
                f"{name}: masked for {score.missed:.2f} s at most; numbers {numbers}; "
                f"painted elsewhere {score.ghost:.1%}"
            )
            write_image(out / f"{name}.jpg", _sheet(frames, results))


if __name__ == "__main__":
    typer.run(main)
