"""How many processors there are is what this process may use, not what the machine has."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from unmask_sdk.core.cpu_count import usable_cpus


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="only Linux can be told")
def test_only_what_may_be_used_counts() -> None:
    code = (
        "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))});"
        "from unmask_sdk.core.cpu_count import usable_cpus; print(usable_cpus())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "1\n"


def test_where_the_system_does_not_tell_the_machines_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert usable_cpus() == 1
