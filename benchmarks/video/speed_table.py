"""What `video.stages` measures, as a table and as JSON."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

STAGES = ("locate", "align", "run", "paste")
HEADINGS = [
    "size", "faces", "threads", "decode + encode", "unmasker", "aligner", *STAGES, "whole", "ratio",
    "frames/s", "MB", "latency p50", "p95", "dropped",
]  # fmt: skip


@dataclass(frozen=True)
class Speed:
    """What one clip took.

    Attributes:
        coded_ms: CPU time of decoding and encoding alone, per frame.
        unmasker_ms: CPU time of one run of the unmasker on one crop.
        aligner_ms: CPU time of following one face once.
        stage_ms: Time of each stage of a session, per frame.
        whole_ms: CPU time of `model.video`, per frame.
        ratio: `whole_ms` over decoding, encoding, and a run of both networks for each face.
        fps: Frames per second of `model.video`.
        megabytes: Peak memory of a process that does nothing else.
        latency_ms: 50th and 95th percentile from a frame's arrival at a stream to its result.
        dropped: Share of the frames that the stream dropped.
    """

    coded_ms: float
    unmasker_ms: float
    aligner_ms: float
    stage_ms: dict[str, float]
    whole_ms: float
    ratio: float
    fps: float
    megabytes: float
    latency_ms: tuple[float, float]
    dropped: float


def record(size: str, faces: int, threads: int, speed: Speed) -> dict[str, Any]:
    """Returns a clip and what it took, as plain data."""
    return {"size": size, "faces": faces, "threads": threads, **asdict(speed)}


def cells(clip: dict[str, Any]) -> list[str]:
    """Returns the cells of a record, in the order of `HEADINGS`."""
    times = [clip["coded_ms"], clip["unmasker_ms"], clip["aligner_ms"]]
    times += [*(clip["stage_ms"][stage] for stage in STAGES), clip["whole_ms"]]
    return [
        *(str(clip[name]) for name in ("size", "faces", "threads")),
        *(f"{value:.1f}" for value in times),
        f"{clip['ratio']:.2f}",
        f"{clip['fps']:.1f}",
        f"{clip['megabytes']:.0f}",
        *(f"{value:.0f}" for value in clip["latency_ms"]),
        f"{clip['dropped']:.0%}",
    ]
