"""Measurements as JSON in pytest-benchmark's format, which its commands read too."""

from __future__ import annotations

import json
import platform
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest_benchmark
from pytest_benchmark.stats import Stats

from unmask_sdk.core.atomic_write import atomic_write
from unmask_sdk.core.sdk_version import sdk_version
from unmask_sdk.doctor import Device, device
from unmask_sdk.errors import DataError

from .bench import Measurement
from .condition import Condition
from .measure import tail

Data = dict[str, Any]


def to_data(found: Sequence[Measurement], before: Condition, after: Condition) -> Data:
    """Returns the JSON object of one run.

    Args:
        found: What was measured.
        before: The device's state before.
        after: The device's state after.
    """
    here = device()
    return {
        "machine_info": {
            # pytest-benchmark asks for these. The machine's name is nobody's business.
            "node": "",
            "processor": here.cpu,
            "machine": platform.machine(),
            "system": platform.system(),
            "release": platform.release(),
            "python_implementation": platform.python_implementation(),
            "python_version": here.python,
            "cpu": {"brand_raw": here.cpu, "count": here.cores},
            "device": asdict(here),
            "versions": {"numpy": np.__version__, "opencv": cv2.__version__},
            "before": asdict(before),
            "after": asdict(after),
        },
        "commit_info": {"id": sdk_version(), "project": "unmask-sdk", "dirty": False},
        "benchmarks": [_record(one) for one in found],
        "datetime": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "version": pytest_benchmark.__version__,
    }


def _record(one: Measurement) -> Data:
    # pytest-benchmark has no type annotations.
    stats: Any = Stats()  # type: ignore[no-untyped-call]
    for seconds in one.seconds:
        stats.update(seconds)
    params = {"case": one.case, **one.params}
    return {
        "group": one.group,
        "name": one.name,
        "fullname": f"unmask bench::{one.name}",
        "params": params,
        "param": "-".join(map(str, params.values())),
        "extra_info": {**one.extra, "tail_ms": asdict(tail(one.seconds))},
        "options": {"warmup": True},
        "stats": {**stats.as_dict(), "iterations": 1, "data": one.seconds},
    }


def write(path: Path, data: Data) -> None:
    """Writes the file."""
    atomic_write(path, f"{json.dumps(data, indent=1, ensure_ascii=False)}\n".encode())


def read(path: Path) -> Data:
    """Reads a file of `unmask bench`.

    Raises:
        DataError: If it is missing or not such a file.
    """
    try:
        data: Data = json.loads(path.read_text(encoding="utf-8"))
        _ = data["benchmarks"], device_of(data)
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}") from None
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"{path} is not a file of `unmask bench --json` ({error}); make one with that"
        ) from None
    return data


def device_of(data: Data) -> Device:
    """Returns the device that a file was measured on."""
    fields: dict[str, Any] = data["machine_info"]["device"]
    values: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in fields.items()}
    return Device(**values)
