"""Jobs that share conversions convert once, others each for themselves."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")
from unmask_sdk.export.job import Job  # noqa: E402
from unmask_sdk.export.roles import ROLES  # noqa: E402
from unmask_sdk.training.nets.unmasker_graph import UnmaskerGraph  # noqa: E402


def test_a_conversion_is_made_once_for_the_jobs_that_share_it() -> None:
    made: list[str] = []

    def convert(job: Job, name: str) -> bytes:
        def make() -> bytes:
            made.append(name)
            return f"{len(made)}: {name}".encode()

        return job.convert_once(name, make)

    def job(**options: dict[str, bytes]) -> Job:
        return Job(torch.nn.Identity(), ROLES[UnmaskerGraph], "fp32", **options)

    shared: dict[str, bytes] = {}
    one, two, other = job(conversions=shared), job(conversions=shared), job()
    assert convert(one, "onnx fp32") == convert(two, "onnx fp32") == b"1: onnx fp32"
    assert convert(two, "onnx fp16") == convert(one, "onnx fp16") == b"2: onnx fp16"
    assert convert(other, "onnx fp32") == b"3: onnx fp32"
    assert made == ["onnx fp32", "onnx fp16", "onnx fp32"]
