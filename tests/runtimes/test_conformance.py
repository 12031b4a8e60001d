"""Every built-in runtime passes the conformance suite, in every precision that can be opened."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from unmask_sdk.loading.load import open_runtime
from unmask_sdk.runtimes.base import Runtime
from unmask_sdk.runtimes.conformance import LocatorConformance, RuntimeConformance
from unmask_sdk.runtimes.registry import ENTRIES, RuntimeEntry, why_unavailable

UNMASKERS = [(entry, precision) for entry in ENTRIES for precision in entry.precisions]
LOCATORS = [(entry, role) for entry in ENTRIES for role in ("detector", "aligner")]


def skip_if_unavailable(entry: RuntimeEntry) -> None:
    problem = why_unavailable(entry)
    if problem is not None:
        pytest.skip(problem.reason)


class TestUnmaskers(RuntimeConformance):
    @pytest.fixture(params=UNMASKERS, ids=lambda case: f"{case[0].name}-{case[1]}")
    def runtime(
        self, request: pytest.FixtureRequest, every_artifact: Path
    ) -> Iterator[Runtime[Any]]:
        entry, precision = request.param
        skip_if_unavailable(entry)
        with open_runtime(
            runtime=entry.name, precision=precision, threads=1, artifacts=every_artifact
        ) as opened:
            yield opened


@pytest.mark.engine
class TestLocators(LocatorConformance):
    @pytest.fixture(params=LOCATORS, ids=lambda case: f"{case[0].name}-{case[1]}")
    def runtime(self, request: pytest.FixtureRequest) -> Iterator[Runtime[Any]]:
        entry, role = request.param
        skip_if_unavailable(entry)
        with open_runtime(role, entry.name, threads=1) as opened:
            yield opened
