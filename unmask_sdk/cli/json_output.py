"""What commands print with `--json`: one object to a line, on stdout, and nothing else there."""

from __future__ import annotations

import json
from typing import Any

import typer


def print_json(record: dict[str, Any]) -> None:
    """Prints an object on a line of its own, at once, so that a reader need not wait."""
    typer.echo(json.dumps(record, ensure_ascii=False))


def error_record(kind: str, message: str) -> dict[str, str]:
    """Returns an error as JSON shows it: the name of its class, and its message."""
    return {"type": kind, "message": message}
