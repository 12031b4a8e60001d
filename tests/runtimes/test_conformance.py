"""Every runtime of this version keeps the promises, on every precision that there is to open."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from unmask_sdk.loading.load import open_runtime
from unmask_sdk.runtimes.base import Runtime
from unmask_sdk.runtimes.conformance import RuntimeConformance
from unmask_sdk.runtimes.registry import ENTRIES, why_unavailable

BUILT = [(entry, precision) for entry in ENTRIES for precision in entry.precisions]


class TestBuiltRuntimes(RuntimeConformance):
    @pytest.fixture(params=BUILT, ids=lambda built: f"{built[0].name}-{built[1]}")
    def runtime(
        self, request: pytest.FixtureRequest, every_artifact: tuple[Path, object, object]
    ) -> Iterator[Runtime[Any]]:
        entry, precision = request.param
        trouble = why_unavailable(entry)
        if trouble is not None:
            pytest.skip(trouble.reason)
        with open_runtime(
            runtime=entry.name, precision=precision, threads=1, artifacts=every_artifact[0]
        ) as opened:
            yield opened
