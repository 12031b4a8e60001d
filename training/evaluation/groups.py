"""Groups of the evaluated faces: by data set, by yaw, and by mask type."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np

from unmask_sdk.core.arrays import AnyArray, BoolArray, Float64Array
from unmask_sdk.errors import DataError
from unmask_sdk.training.datasets.landmark_file import FaceRecord
from unmask_sdk.training.datasets.people import source_dataset
from unmask_sdk.training.synthesis.mask_shapes import MASK_TYPES
from unmask_sdk.training.synthesis.mesh import yaw_ratio

# From `mesh.yaw_ratio` to degrees. Seen from far away, a head that turns by `yaw` moves the nose
# tip by `depth * sin(yaw)` off the middle between the ears, which are `2 * width * cos(yaw)` apart:
# the ratio is `depth / width * tan(yaw)`. In MediaPipe's canonical face the nose tip (point 4) is
# 10.02 cm in front of the ears (234, 454), which are 15.33 cm apart: 10.02 / 7.66 = 1.31. Angles
# so found agree with that face fitted to 19 rigid points of 1,630 held-out faces: 6.2 degrees where
# the ratio is 0.1 to 0.2, 18.9 at 0.4 to 0.5, 27.2 at 0.6 to 0.8. Beyond 37 degrees the ratio is 1.
NOSE_TO_EARS = 1.31
# Edges of the groups by yaw to either side, in degrees.
FRONTAL, TURNED = 15, 30
YAW_GROUPS = (f"yaw below {FRONTAL}°", f"yaw {FRONTAL}° to {TURNED}°", f"yaw beyond {TURNED}°")
# A data set inside another is a group of its own from this many faces on.
MIN_FACES = 30


def yaw_degrees(landmarks: Float64Array) -> float:
    """Returns the yaw of a head in degrees, -37 to 37; positive where the nose points right.

    Args:
        landmarks: Mesh points `[468, 2]`.
    """
    return float(np.degrees(np.arctan(yaw_ratio(landmarks) / NOSE_TO_EARS)))


def corpus_of(name: str, person: str) -> str:
    """Returns the innermost data set that an image is from: `lfw`, or `sharp/senat_fr`.

    That is the folder of a folder of people inside a top-level one, or else `source_dataset`.

    Args:
        name: Path of the image under the faces folder.
        person: Who it shows.
    """
    folders = name.split("/")[:-1]
    outer = source_dataset(name, person)
    return "/".join(folders[:2]) if outer and len(folders) > 2 else outer


def choose_corpora(faces: list[FaceRecord], corpora: list[str]) -> list[FaceRecord]:
    """Returns the faces in some folders of a faces folder, such as `sharp` or `sharp/senat_fr`.

    Raises:
        DataError: If one of the folders has no face.
    """
    prefixes = tuple(corpus.strip("/") + "/" for corpus in corpora)
    for prefix in prefixes:
        if not any(face.name.startswith(prefix) for face in faces):
            known = sorted({face.name.split("/")[0] for face in faces if "/" in face.name})
            raise DataError(
                f"no face in the data set {prefix[:-1]!r}; --corpus takes a folder in the faces "
                f"folder: {', '.join(known[:10]) or 'there is none'}"
            )
    return [face for face in faces if face.name.startswith(prefixes)]


@dataclass(frozen=True, eq=False)
class Group:
    """Some of the evaluated faces, or those with one type of mask.

    Attributes:
        title: What it is called in tables.
        faces: Whether each face belongs to it, `[N]`.
        kind: The type of mask; `None` for all.
    """

    title: str
    faces: BoolArray
    kind: str | None = None

    def select(self, values: AnyArray, kinds: AnyArray) -> AnyArray:
        """Returns the values of its faces and masks, `[n, k, ...]`.

        Args:
            values: One value for each face and mask, `[N, K, ...]`.
            kinds: The type of each mask, `[N, K]`.
        """
        own: AnyArray = values[self.faces]
        if self.kind is not None:
            own = own[kinds[self.faces] == self.kind][:, None]
        return own


def make_groups(corpora: list[str], yaws: Float64Array, kinds: AnyArray) -> list[Group]:
    """Returns the groups that a set of faces falls into: all, data sets, yaw, mask types.

    Data sets are left out if there is one only, and those inside another below `MIN_FACES` faces.

    Args:
        corpora: The data set of each face, from `corpus_of`.
        yaws: Yaw of each head in degrees, `[N]`.
        kinds: Types of the masks of each face, `[N, K]`.
    """
    groups = [Group("all", np.ones(len(corpora), bool))]
    members = [{corpus, corpus.split("/")[0]} - {""} for corpus in corpora]
    counts = Counter(corpus for own in members for corpus in own)
    for corpus in sorted(counts):
        if counts[corpus] < len(corpora) and ("/" not in corpus or counts[corpus] >= MIN_FACES):
            groups.append(Group(corpus, np.array([corpus in own for own in members])))
    turn = np.digitize(np.abs(yaws), (FRONTAL, TURNED))
    groups += [Group(title, turn == index) for index, title in enumerate(YAW_GROUPS)]
    groups += [Group(kind, (kinds == kind).any(1), kind) for kind in MASK_TYPES]
    return [group for group in groups if group.faces.any()]
