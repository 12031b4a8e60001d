"""The table of commands: name on the command line to function."""

from __future__ import annotations

from collections.abc import Callable

from .bench import bench
from .build import build
from .cache import cache
from .calibrate import calibrate
from .camera import camera
from .doctor import doctor
from .evaluate import evaluate
from .evaluate_locator import evaluate_locator
from .export import export
from .folder import folder
from .image import image
from .parity import parity
from .release import release
from .synth import synth
from .train import cost, train
from .train_locator import train_locator
from .verify import verify
from .video import video

COMMANDS: dict[str, Callable[..., None]] = {
    "image": image,
    "video": video,
    "camera": camera,
    "folder": folder,
    "doctor": doctor,
    "export": export,
    "verify": verify,
    "build": build,
    "cache": cache,
    "parity": parity,
    "bench": bench,
    "calibrate": calibrate,
    "synth": synth,
    "train": train,
    "evaluate": evaluate,
    "cost": cost,
    "train-locator": train_locator,
    "evaluate-locator": evaluate_locator,
    "release": release,
}
