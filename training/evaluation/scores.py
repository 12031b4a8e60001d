"""The scores of one method on one masked face."""

from __future__ import annotations

from dataclasses import dataclass

from .metrics import Fidelity

# A bare face counts as unchanged if at most this fraction of its crop is found to be mask.
EMPTY_SHARE = 0.005


@dataclass(frozen=True)
class Score:
    """One method on one face.

    Attributes:
        method: Name of the method.
        face: Name of the face's image.
        source: The data set that it is from, see `people.source_dataset`.
        corpus: The data set inside that one, if there is any, see `groups.corpus_of`.
        yaw: Yaw of the head in degrees, see `groups.yaw_degrees`.
        kind: Type of its mask.
        fidelity: Distance to the truth.
        sharpness: Sharpness in the hole, over that of the truth; None if it cannot be measured.
        iou: IoU of the predicted and the true mask; None for methods that predict none.
        identity: Cosine similarity of SFace's descriptors to the truth; None without a recognizer.
        perceptual: Perceptual distance to the truth; None without a network for it.
    """

    method: str
    face: str
    source: str
    corpus: str
    yaw: float
    kind: str
    fidelity: Fidelity
    sharpness: float | None
    iou: float | None
    identity: float | None
    perceptual: float | None
