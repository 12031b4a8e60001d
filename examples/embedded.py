"""The SDK inside a program of your own: arrays in and out, own faces, errors that say what to do.

python examples/embedded.py examples/surgical.jpg overlay.png
"""

from __future__ import annotations

import sys

import cv2
import numpy as np

import unmask_sdk


def main() -> None:
    if len(sys.argv) != 3:
        raise SystemExit(__doc__)
    source, target = sys.argv[1:]
    try:
        model = unmask_sdk.load()
    except unmask_sdk.UnmaskError as error:  # Every error of the SDK; its message names the cure.
        raise SystemExit(str(error)) from None
    frame = cv2.imread(source)  # OpenCV's order of colours
    if frame is None:
        raise SystemExit(f"{source} is not there, or no picture that OpenCV reads")
    result = model(frame, channels="bgr", only=lambda face: face.confidence > 0.7)
    for face in result.faces:
        print(face, f"covers {np.mean(face.mask >= 128):.0%} of its crop")
    # A program that finds faces by itself gives their eyes (or boxes), and saves the locator.
    eyes = [face.eyes for face in result.faces]
    again = model(frame, channels="bgr", eyes=eyes)
    print(f"own eyes: {again}; {np.mean(again.generated > 0):.1%} of the picture is generated")
    model.close()
    if not cv2.imwrite(target, np.hstack([again.image, again.overlay()])[..., ::-1]):
        raise SystemExit(f"{target} cannot be written; is its folder there?")


if __name__ == "__main__":
    main()
