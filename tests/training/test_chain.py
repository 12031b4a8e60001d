"""The commands in sequence: from a folder of images to a trained and evaluated unmasker."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

pytestmark = pytest.mark.slow

# The same call as the `unmask` script, whatever the environment's PATH.
UNMASK = [sys.executable, "-c", "from unmask_sdk.cli import main; main()"]

CONFIG = """
name: mine
interval: 2
validation: 4
compile: false
network: {size: 64, channels: [8, 8, 8, 8], blocks: [0, 1, 0], segmentation_channels: [8, 8, 8, 8]}
stages:
  - {size: 64, steps: 2, batch: 4, rate: 3e-3, losses: {adversarial: 1, perceptual: 0.5}}
"""


def unmask(folder: Path, *arguments: object) -> str:
    """Runs the command in a folder and returns what it printed."""
    command = [*UNMASK, *map(str, arguments)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def images(astronaut, tmp_path):
    """Two images each of four people, in one folder per person, and a file that is not an image."""
    image, _ = astronaut
    rng = np.random.default_rng(0)
    for index in range(8):
        matrix = cv2.getRotationMatrix2D((225, 110), rng.uniform(-15, 15), rng.uniform(0.8, 1.3))
        changed = cv2.warpAffine(image, matrix, (400, 360), borderMode=cv2.BORDER_REFLECT)
        file = tmp_path / "faces" / f"person{index // 2}" / f"{index % 2}.jpg"
        file.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(file), changed[..., ::-1])
    (tmp_path / "faces" / "person0" / "broken.jpg").write_bytes(b"")
    return tmp_path / "faces"


def test_from_images_to_scores(images, mesh_model, vgg, tmp_path):
    out, run, report = tmp_path / "masked", tmp_path / "run", tmp_path / "report"
    printed = unmask(tmp_path, "synth", images, "-o", out, "--mesh", mesh_model, "--size", 64)
    assert "person0/broken.jpg: left out" in printed
    assert "8 pairs" in printed

    config = tmp_path / "mine.yaml"
    config.write_text(CONFIG)
    landmarks = ("--landmarks", out / "landmarks.npz")
    frozen = ("--perceptual-weights", vgg)
    printed = unmask(
        tmp_path, "train", config, "--faces", images, *landmarks, *frozen, "--run", run
    )
    weights = run / "mine.safetensors"
    assert f"weights: {weights}" in printed.replace("\n", "")
    assert json.loads((run / "metrics.jsonl").read_text())["step"] == 2
    assert (run / "sheet-000002.jpg").exists()

    printed = unmask(
        tmp_path, "evaluate", images, *landmarks, "--weights", weights, "--report", report
    )
    assert "hole PSNR" in printed
    scores = json.loads((report / "scores.json").read_text())["scores"]
    held_out = {score["face"] for score in scores}
    assert 2 <= len(held_out) <= 6
    # All images of a person are in one split.
    assert all(name.replace("/0", "/1") in held_out for name in held_out)
