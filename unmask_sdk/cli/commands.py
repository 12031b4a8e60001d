"""The table of commands: name on the command line to function."""

from __future__ import annotations

from collections.abc import Callable

from unmask_sdk.cli.media.camera import camera
from unmask_sdk.cli.media.folder import folder
from unmask_sdk.cli.media.image import image
from unmask_sdk.cli.media.video import video
from unmask_sdk.cli.media.web import web
from unmask_sdk.cli.models.bench import bench
from unmask_sdk.cli.models.build import build
from unmask_sdk.cli.models.cache import cache
from unmask_sdk.cli.models.calibrate import calibrate
from unmask_sdk.cli.models.doctor import doctor
from unmask_sdk.cli.models.export import export
from unmask_sdk.cli.models.parity import parity
from unmask_sdk.cli.models.release import release
from unmask_sdk.cli.models.verify import verify
from unmask_sdk.cli.training.evaluate import evaluate
from unmask_sdk.cli.training.evaluate_locator import evaluate_locator
from unmask_sdk.cli.training.synth import synth
from unmask_sdk.cli.training.train import cost, train
from unmask_sdk.cli.training.train_locator import train_locator

COMMANDS: dict[str, Callable[..., None]] = {
    "image": image,
    "video": video,
    "camera": camera,
    "folder": folder,
    "web": web,
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
