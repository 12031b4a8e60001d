"""What `Runtime.run` adds to the engine's own call, for the shipped artifacts."""

from __future__ import annotations

from typing import Any

import pytest

from unmask_sdk.benchmarks.latency.bench import CANNOT
from unmask_sdk.benchmarks.parity.cases import Case, select
from unmask_sdk.core.sample_images import draw_masked_faces

from .overhead import BARE, ROUNDS, measure

CASES = [case for case in select().cases if case.entry.name in BARE]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_overhead(benchmark: Any, case: Case) -> None:
    try:
        opened = case.open(threads=1)
    except CANNOT as error:
        pytest.skip(str(error))
    rounds = ROUNDS if benchmark.enabled else 2
    with opened as runtime:
        image = draw_masked_faces(1, case.size, case.size)
        found = benchmark.pedantic(measure, (runtime, image, rounds))
    benchmark.extra_info["bare ms"] = round(found.bare_ms, 2)
    benchmark.extra_info["added ms"] = round(found.added_ms, 3)
    assert found.small or not benchmark.enabled
