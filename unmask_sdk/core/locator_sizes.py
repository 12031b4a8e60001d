"""Sizes of the inputs of the detector and the aligner, in pixels.

The code that finds faces prepares images of these sizes, and engines are built for them.
"""

from __future__ import annotations

# Height and width of the detector's input are multiples of this.
STRIDE = 32
# Longest side of the photo in the coarse pass, which sees faces that fill the frame.
COARSE_SIDE = 288
# Longest side of the photo in the fine pass; beyond 4000 px the smallest face that is found grows
# with the photo.
MAX_SIDE = 1664
# The detector sees faces up to this side, so it needs no coarser pass than one in which the photo's
# shorter side is no longer.
FULL_SIDE = 288
# Gray border around the photo, so that a face cut off by the frame has its center inside.
BORDER = 16
# Side of the crop that the aligner takes.
ALIGN_SIZE = 112
