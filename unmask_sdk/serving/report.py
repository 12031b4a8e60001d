"""What is known of a result besides its pixels, as text."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from unmask_sdk.result import Result


def report(result: Result) -> str:
    """Returns JSON: `width`, `height`, `notes`, and of each of the `faces` what `Face` says."""
    height, width = result.image.shape[:2]
    faces = [
        {
            "box": list(face.box),
            "eyes": face.eyes.tolist(),
            "confidence": face.confidence,
            "masked": face.masked,
        }
        for face in result.faces
    ]
    return json.dumps(
        {"width": width, "height": height, "faces": faces, "notes": list(result.notes)}
    )
