"""Names and batch limits of the networks on a Triton server, for the exporter and the server."""

from __future__ import annotations

from unmask_sdk.core.manifest import Artifact

# The model of whole photos.
PHOTO_MODEL = "unmask"
# Requests that Triton may put into one batch, and the most that the photo model sends at once. As
# for the engines of this package, but several photos of one size may share a run of the detector.
MAX_BATCH = {"unmasker": 8, "detector": 4, "aligner": 16}


def model_name(artifact: Artifact) -> str:
    """Returns the name of a network on the server, where it must be unique.

    An unmasker keeps its own name; the others are named by their role, such as `unmask-detector`.
    """
    return artifact.name if artifact.role == "unmasker" else f"unmask-{artifact.role}"
