"""Chooses faces of a set: by split, per person, or evenly thinned."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np

from unmask_sdk.errors import DataError

from .landmark_file import FaceRecord


def check_splits(faces: list[FaceRecord], landmarks: Path) -> None:
    """Raises `DataError` unless there are faces to train on and others to validate with."""
    counts = Counter(face.split for face in faces)
    for split in ("train", "val"):
        if not counts[split]:
            raise DataError(
                f"{landmarks}: no faces in split {split!r}, only {dict(counts)}; training takes "
                "train and val, of two people at least: set the file's array split, or leave it "
                "out to hold out a tenth of the people"
            )


def select_faces(
    faces: list[FaceRecord], *, split: str, per_person: int | None = None, limit: int | None = None
) -> list[FaceRecord]:
    """Returns the faces of a split, at most `per_person` of each person, thinned to `limit`."""
    counts: dict[str, int] = {}
    chosen = []
    for face in faces:
        if face.split != split:
            continue
        counts[face.person] = counts.get(face.person, 0) + 1
        if per_person is None or counts[face.person] <= per_person:
            chosen.append(face)
    return chosen if limit is None else subsample(chosen, limit)


def subsample(faces: list[FaceRecord], limit: int) -> list[FaceRecord]:
    """Returns at most `limit` of the faces, evenly spaced over the list."""
    if len(faces) <= limit:
        return faces
    return [faces[i] for i in np.linspace(0, len(faces) - 1, limit).round().astype(int)]
