"""The same work on the machines of a Ray cluster.

Ray gives the pictures of a machine that is lost to another. Nothing is lost by that, and nothing
done twice: results are written whole, and one that is there is finished.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator, Sequence
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any

from unmask_sdk.core.requirements import check_command
from unmask_sdk.errors import RuntimeUnavailableError

from .batch import Job, Outcome, Work
from .process_file import Done

# Pictures that are handed out together: what a lost machine leaves to be looked at again.
BLOCK = 16
# Seconds that a cluster has to answer the first time.
KNOCK = 10.0


def run_on_ray(work: Work, jobs: Sequence[Job]) -> Iterator[Outcome]:
    """Works on the cluster that `RAY_ADDRESS` names, or that runs on this machine.

    Args:
        work: What to do. Its folders must be at the same place on all machines, and unmask-sdk
            installed there.
        jobs: The pictures.

    Raises:
        MissingDependencyError: If Ray is not installed.
        RuntimeUnavailableError: If there is no cluster.
    """
    check_command("unmask folder --ray")
    import ray
    import ray.data

    if not ray.is_initialized():
        try:
            _knock()
            ray.init(address="auto", log_to_driver=False, logging_level="error")
        except (OSError, RuntimeError, ValueError) as error:
            raise RuntimeUnavailableError(_no_cluster(error)) from error
    ray.data.DataContext.get_current().enable_progress_bars = False
    processors = max(1, int(ray.cluster_resources().get("CPU", 1)))
    rows = [{"source": str(s.absolute()), "target": str(t.absolute())} for s, t in jobs]
    blocks = -(-len(rows) // BLOCK)
    # Each worker runs its network beside the others.
    single = replace(work, threads=work.threads or 1)
    outcomes = ray.data.from_items(rows, override_num_blocks=blocks).map(
        Worker, fn_constructor_args=(single,), concurrency=(1, min(processors, blocks)), num_cpus=1
    )
    for row in outcomes.iter_rows():
        done = None if row["faces"] is None else Done(**{name: row[name] for name in _FIELDS})
        yield Outcome((Path(row["source"]), Path(row["target"])), done, row["failure"])


def _knock() -> None:
    """Raises OSError if nothing answers at RAY_ADDRESS: Ray itself would try for minutes."""
    host, _, port = os.environ.get("RAY_ADDRESS", "").rpartition(":")
    if host and "/" not in host and port.isdigit():
        socket.create_connection((host.strip("[]"), int(port)), KNOCK).close()


def _no_cluster(error: Exception) -> str:
    place = os.environ.get("RAY_ADDRESS")
    if place is None:
        # Ray's own words speak of flags that are not ours.
        return (
            "no Ray cluster runs on this machine; start one with `ray start --head`, or name one "
            "in RAY_ADDRESS"
        )
    return f"no Ray cluster answers at RAY_ADDRESS={place} ({' '.join(str(error).split())})"


_FIELDS = tuple(field.name for field in fields(Done))


class Worker:
    """One process on one machine of the cluster, with the model open."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self._unmasker = work.load()

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        outcome = self._work.do(self._unmasker, (Path(row["source"]), Path(row["target"])))
        done = dict.fromkeys(_FIELDS) if outcome.done is None else asdict(outcome.done)
        return {**row, **done, "failure": outcome.failure}
