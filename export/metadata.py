"""What an exported file records about itself: origin, license, and what goes in and out.

A file that leaves its folder leaves the manifest behind. Nothing here depends on time or machine:
exporting the same weights again gives the same bytes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from unmask_sdk.core.manifest import Artifact, TensorSpec, sha256_of
from unmask_sdk.core.sdk_version import sdk_version
from unmask_sdk.faces.align import CROP_EYES, CROP_SIZE
from unmask_sdk.training import weights_folder

AUTHOR = "unmask-sdk"
WEIGHTS_LICENSE = (
    "LicenseRef-unmask-sdk-weights: for research and other non-commercial purposes only, and not "
    "to identify, verify or accuse a person; the text is LICENSE-WEIGHTS.md of unmask-sdk"
)
OTHER_LICENSE = "not known: the weights did not come with unmask-sdk; ask their author"

_EYES = " and ".join(f"({x:g}, {y:g})" for x, y in CROP_EYES)
_DESCRIPTIONS = {
    "unmasker": "Finds the face mask on an aligned face and inpaints what may be under it.",
    "detector": "Finds faces, with or without a face mask, in an image.",
    "aligner": "Finds five points of a face, with or without a face mask, in a crop around it.",
}
_NOTICES = {
    "unmasker": "The output is generated: what appears under the mask is invented, plausible and "
    "not true. Not for identification.",
    "detector": "The output is positions of faces; no image is generated.",
    "aligner": "The output is positions of facial points; no image is generated.",
}
_MEANINGS = {
    "unmasker": {
        "image": f"RGB, 0 to 255; the eye centers are at {_EYES} (x, y) of {CROP_SIZE} x "
        f"{CROP_SIZE} pixels, left and right as seen in the image",
        "unmasked": "RGB, 0 to 255; equal to the input where `mask` is 0",
        "mask": "128 to 255 on the mask, 1 to 127 on the seam around it, 0 elsewhere",
    },
    "detector": {
        "image": "RGB, 0 to 255; height and width are multiples of 32",
        "heat": "0 to 1 for each cell of 8 x 8 pixels: whether the center of a face is there",
        "box": "for each cell: x and y from the cell's center to the box's center in widths and "
        "heights of the box, then the natural logarithms of its width and height in cells",
    },
    "aligner": {
        "image": "RGB, 0 to 255; a square around a face",
        "points": "(x, y) from the top left, in sides of the crop, of left eye, right eye, nose "
        "tip, left and right corner of the mouth, as seen in the image",
        "score": "0 to 1: whether the crop shows a face",
    },
}


@dataclass(frozen=True)
class Metadata:
    """Metadata of one file.

    Attributes:
        name: Name of the network, such as `unmask-256`.
        role: Its role in the manifest.
        precision: The precision of the file.
        version: The version of unmask-sdk that exported it.
        license: License of the weights.
        weights_sha256: Digest of the weight file that it was exported from.
        description: What the network does, in one sentence.
        notice: Whether the output is generated.
        inputs: Type, shape and meaning of each input.
        outputs: The same of each output.
    """

    name: str
    role: str
    precision: str
    version: str
    license: str
    weights_sha256: str
    description: str
    notice: str
    inputs: Mapping[str, str]
    outputs: Mapping[str, str]

    def summary(self) -> str:
        """Returns a text for formats that have one field for it."""
        return f"{self.description} {self.notice}"

    def fields(self) -> dict[str, str]:
        """Returns everything as texts by key, for formats that take such pairs."""
        return {
            "name": self.name,
            "role": self.role,
            "precision": self.precision,
            "version": self.version,
            "author": AUTHOR,
            "license": self.license,
            "weights_sha256": self.weights_sha256,
            "description": self.description,
            "output_is_generated": "yes" if self.role == "unmasker" else "no",
            "notice": self.notice,
            **{f"input.{name}": text for name, text in self.inputs.items()},
            **{f"output.{name}": text for name, text in self.outputs.items()},
        }


def metadata_of(artifact: Artifact) -> Metadata:
    """Returns the metadata of an exported file.

    Args:
        artifact: Its manifest entry.
    """
    role = artifact.role
    packaged = {sha256_of(file) for file in weights_folder().glob("*.safetensors")}
    ours = artifact.weights_sha256 in packaged
    return Metadata(
        name=artifact.name,
        role=role,
        precision=artifact.precision,
        version=sdk_version(),
        license=WEIGHTS_LICENSE if ours else OTHER_LICENSE,
        weights_sha256=artifact.weights_sha256,
        description=_DESCRIPTIONS[role],
        notice=_NOTICES[role],
        inputs=_described(role, artifact.inputs),
        outputs=_described(role, artifact.outputs),
    )


def _described(role: str, specs: tuple[TensorSpec, ...]) -> Mapping[str, str]:
    texts = {}
    for spec in specs:
        shape = ", ".join(
            str(size or ("N" if axis == 0 else "any")) for axis, size in enumerate(spec.shape)
        )
        texts[spec.name] = f"{spec.dtype} [{shape}]: {_MEANINGS[role][spec.name]}"
    return MappingProxyType(texts)
