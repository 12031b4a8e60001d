"""Processes many images on the machines of a Ray cluster.

If a machine is lost, Ray gives its images to another. Nothing is lost or done twice: results are
written atomically, and an existing one is up to date.
"""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from unmask_sdk.core.requirements import check_command
from unmask_sdk.errors import RuntimeUnavailableError

from .batch import Job, Outcome, Work
from .process_file import Done, Failed

# Images that are handed out together: those that another machine repeats if one is lost.
BLOCK = 16
# Seconds that a cluster has to answer the first connection.
CONNECT_TIMEOUT = 10.0


def run_on_ray(work: Work, jobs: Sequence[Job]) -> Iterator[Outcome]:
    """Processes images on the cluster that `RAY_ADDRESS` names, or that runs on this machine.

    Args:
        work: What to do. Its folders must have the same paths on all machines, and unmask-sdk must
            be installed there.
        jobs: The images.

    Yields:
        The outcomes.

    Raises:
        MissingDependencyError: If Ray is not installed.
        RuntimeUnavailableError: If there is no cluster.
    """
    check_command("unmask folder --ray")
    import ray
    import ray.data

    if not ray.is_initialized():
        try:
            _check_address()
            ray.init(address="auto", log_to_driver=False, logging_level="error")
        except (OSError, RuntimeError, ValueError) as error:
            raise RuntimeUnavailableError(_no_cluster(error)) from error
    ray.data.DataContext.get_current().enable_progress_bars = False
    processors = max(1, int(ray.cluster_resources().get("CPU", 1)))
    rows = [{"source": str(s.absolute()), "target": str(t.absolute())} for s, t in jobs]
    blocks = -(-len(rows) // BLOCK)
    # Workers share the cores of their machine.
    single = replace(work, threads=work.threads or 1)
    outcomes = ray.data.from_items(rows, override_num_blocks=blocks).map(
        Worker, fn_constructor_args=(single,), concurrency=(1, min(processors, blocks)), num_cpus=1
    )
    for row in outcomes.iter_rows():
        done, failure = (json.loads(row[name]) for name in ("done", "failure"))
        yield Outcome(
            (Path(row["source"]), Path(row["target"])),
            None if done is None else Done(**done),
            None if failure is None else Failed(**failure),
        )


def _check_address() -> None:
    """Raises OSError if nothing answers at RAY_ADDRESS, for which Ray would try for minutes."""
    host, _, port = os.environ.get("RAY_ADDRESS", "").rpartition(":")
    if host and "/" not in host and port.isdigit():
        socket.create_connection((host.strip("[]"), int(port)), CONNECT_TIMEOUT).close()


def _no_cluster(error: Exception) -> str:
    place = os.environ.get("RAY_ADDRESS")
    if place is None:
        # Ray's message suggests flags that this command does not have.
        return (
            "no Ray cluster runs on this machine; start one with `ray start --head`, or name one "
            "in RAY_ADDRESS"
        )
    return f"no Ray cluster answers at RAY_ADDRESS={place} ({' '.join(str(error).split())})"


class Worker:
    """A process on a machine of the cluster, with the model open."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self._unmasker = work.load()

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        """Processes the image of a row, and returns the row with the outcome."""
        outcome = self._work.process(self._unmasker, (Path(row["source"]), Path(row["target"])))
        # As text, because columns of a table hold values of one shape.
        return {**row, "done": _as_json(outcome.done), "failure": _as_json(outcome.failure)}


def _as_json(value: Done | Failed | None) -> str:
    return json.dumps(None if value is None else asdict(value))
