"""The SDK inside another program: arrays in and out, known faces, errors with a remedy.

python examples/embedded.py examples/surgical.jpg overlay.png
"""

from __future__ import annotations

import argparse

import cv2
import numpy as np

import unmask_sdk


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("photo", help="A photo of a masked face.")
    parser.add_argument("overlay", help="Image to write: without the mask, and what was found.")
    given = parser.parse_args()
    source, target = given.photo, given.overlay
    try:
        model = unmask_sdk.load()
    except (
        unmask_sdk.UnmaskError
    ) as error:  # Base class of all errors; the message says how to fix it.
        raise SystemExit(str(error)) from None
    frame = cv2.imread(source)  # in OpenCV's channel order, BGR
    if frame is None:
        raise SystemExit(f"{source} does not exist, or OpenCV cannot read it")
    result = model(frame, channels="bgr", only=lambda face: face.confidence > 0.7)
    for face in result.faces:
        print(face, f"covers {np.mean(face.mask >= 128):.0%} of its crop")
    # A program that already knows the faces passes their eyes (or boxes), and skips the locator.
    eyes = [face.eyes for face in result.faces]
    again = model(frame, channels="bgr", eyes=eyes)
    print(f"known eyes: {again}; {np.mean(again.generated > 0):.1%} of the image is generated")
    model.close()
    if not cv2.imwrite(target, np.hstack([again.image, again.overlay()])[..., ::-1]):
        raise SystemExit(f"{target} cannot be written; does its folder exist?")


if __name__ == "__main__":
    main()
