"""One fixture: each runtime of this version, opened on the tiny unmasker."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from unmask_sdk.runtimes.base import Runtime
from unmask_sdk.runtimes.registry import ENTRIES, problem
from unmask_sdk.selection import open_runtime

BUILT = [entry for entry in ENTRIES if entry.module]


@pytest.fixture(params=BUILT, ids=lambda entry: entry.name)
def unmasker(request: pytest.FixtureRequest, tiny_artifacts: Path) -> Iterator[Runtime[Any]]:
    """The tiny unmasker on one runtime, one thread."""
    trouble = problem(request.param)
    if trouble is not None:
        pytest.skip(trouble.reason)
    if "tflite" in request.param.formats:
        pytest.importorskip("litert_torch")
    with open_runtime(runtime=request.param.name, threads=1, artifacts=tiny_artifacts) as opened:
        yield opened
