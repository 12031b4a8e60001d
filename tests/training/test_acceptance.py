"""Minimum quality of the shipped weights on real faces, which are next to the repository."""

from __future__ import annotations

import tarfile
from pathlib import Path

import numpy as np
import pytest

from unmask_sdk.training import shipped_weights
from unmask_sdk.training.datasets.crops import read_crop, seed_from_name
from unmask_sdk.training.datasets.image_files import read_image
from unmask_sdk.training.datasets.landmark_file import read_landmarks
from unmask_sdk.training.datasets.selection import select_faces
from unmask_sdk.training.evaluation.evaluate import HELD_OUT, run_graph, telea
from unmask_sdk.training.evaluation.metrics import compare, intersection_over_union
from unmask_sdk.training.nets.checkpoint import load_network
from unmask_sdk.training.nets.torch_locator import load_locator
from unmask_sdk.training.synthesis.mask_shapes import MASK_TYPES

DATA = Path(__file__).parents[3] / "shared" / "data"
COUNT = 40

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not DATA.is_dir(), reason="needs ../shared/data"),
]


def unpack(archive: Path, folder: Path, names: set[str]) -> None:
    """Unpacks the named files of an archive."""
    with tarfile.open(archive) as tar:
        tar.extractall(folder, [m for m in tar if m.name in names], filter="data")


def test_the_unmasker_is_better_than_telea_and_finds_masks(tmp_path):
    faces = select_faces(read_landmarks(DATA / "landmarks.npz"), split="val", limit=COUNT)
    for source in ("lfw", "utkface"):
        unpack(DATA / f"{source}.tar", tmp_path, {face.name for face in faces})
    graph = load_network(shipped_weights("unmask-256"))
    unmask = run_graph(graph)
    ours, classic, overlap = [], [], []
    for index, face in enumerate(faces):
        crop = read_crop(tmp_path, face, graph.unmasker.config.size)
        kind = MASK_TYPES[index % len(MASK_TYPES)]
        masked, mask, _ = crop.masked(kind=kind, seed=seed_from_name(face.name, HELD_OUT))
        image, found = unmask(masked)
        ours.append(compare(image, crop.truth, mask, crop.valid).hole_psnr)
        filled = telea(masked, mask)
        classic.append(compare(filled, crop.truth, mask, crop.valid).hole_psnr)
        overlap.append(intersection_over_union(found, mask, crop.valid))
    assert len(ours) == COUNT
    assert np.mean(ours) >= np.mean(classic) + 3.5
    assert np.mean(overlap) >= 0.90


def test_the_locator_finds_faces_with_real_masks(tmp_path):
    with tarfile.open(DATA / "real_masked.tar") as tar:
        names = sorted(member.name for member in tar if member.isfile())
    chosen = {names[i] for i in np.linspace(0, len(names) - 1, COUNT).round().astype(int)}
    unpack(DATA / "real_masked.tar", tmp_path, chosen)
    locate = load_locator(shipped_weights("detector").parent)
    found = [bool(locate(read_image(tmp_path / name))) for name in sorted(chosen)]
    assert len(found) == COUNT
    assert np.mean(found) >= 0.85
