"""`unmask_sdk.benchmark()`: what it measures, what its report holds, and what it refuses."""

from __future__ import annotations

import json
from typing import Any

import pytest

pytest.importorskip("pytest_benchmark")
pytest.importorskip("onnxruntime")

import unmask_sdk

LITE: dict[str, Any] = {
    "runtimes": ["onnx"],
    "precisions": ["int8"],
    "models": ["unmask-256-lite"],
}


def test_the_report_holds_what_was_measured_and_is_plain_data() -> None:
    said: list[str] = []
    report = unmask_sdk.benchmark(
        **LITE, groups=["crop", "batch"], rounds=2, batches=[1, 2], progress=said.append
    )
    groups = [one.group for one in report.measurements]
    assert groups == ["crop", "batch", "batch"]
    assert [len(one.seconds) for one in report.measurements] == [2, 3, 3]
    assert [case.name for case in report.cases] == ["unmask-256-lite int8 on onnx"]
    assert report.left_out == ()
    assert report.plan.rounds == 2
    assert any(line.startswith("crop: ") for line in said)
    data = json.loads(json.dumps(report.to_dict()))
    assert [record["group"] for record in data["benchmarks"]] == groups
    assert data["machine_info"]["before"]["load"] == report.before.load


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"groups": ["crops"]}, "groups are of crop, photo"),
        ({"groups": []}, "groups are of crop, photo"),
        ({"rounds": 1}, "rounds must be at least 2; got 1"),
        ({"batches": [4, 0]}, r"batches must be at least 1; got \[4, 0\]"),
        ({"threads": [-1]}, r"threads must be at least 1; got \[-1\]"),
        ({"models": ["nobody"]}, "holds no unmasker 'nobody'"),
    ],
)
def test_bad_arguments_are_refused_before_any_work(arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(unmask_sdk.InvalidInputError, match=words):
        unmask_sdk.benchmark(**arguments, progress=lambda step: pytest.fail(step))
