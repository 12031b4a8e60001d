"""Speed of `unmask video` and of a stream: one face at 360p, on one thread."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import unmask_sdk

from .video.speed_table import HEADINGS, STAGES, cells, record
from .video.stages import measure

EXAMPLES = Path(__file__).parents[1] / "examples"


def test_video_stages(benchmark: Any) -> None:
    pytest.importorskip("onnxruntime")
    frames = 60 if benchmark.enabled else 6
    with unmask_sdk.load("onnx", "int8", threads=1) as model:
        call = (model, EXAMPLES, (640, 360), 1, frames)
        speed = benchmark.pedantic(measure, call, rounds=1)
    assert set(speed.stage_ms) == set(STAGES)
    assert 0 <= speed.dropped < 1
    assert len(cells(record("360p", 1, 1, speed))) == len(HEADINGS)
    benchmark.extra_info["CPU ms per frame"] = round(speed.whole_ms, 1)
    benchmark.extra_info["times decode, encode and networks alone"] = round(speed.ratio, 2)
