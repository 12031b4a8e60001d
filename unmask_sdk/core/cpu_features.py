"""The name and the instruction sets of the processor, as Linux lists them."""

from __future__ import annotations

from pathlib import Path


def read_cpuinfo() -> tuple[str, set[str]]:
    """Returns the processor's name and flags from `/proc/cpuinfo`; empty if there is none."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return "", set()
    fields: dict[str, str] = {}
    for line in text.splitlines():
        key, _, value = line.partition(":")
        fields.setdefault(key.strip().lower(), value.strip())
    flags = fields.get("flags") or fields.get("features") or ""
    return fields.get("model name", ""), set(flags.split())
