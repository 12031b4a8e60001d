"""Sizes and rates of the clips that the video tests write."""

from __future__ import annotations

import numpy as np

EYES = np.array([[130.0, 70.0], [190.0, 71.0]])
RATE, SOUND = 25, 48_000
WIDTH, HEIGHT = 320, 240
