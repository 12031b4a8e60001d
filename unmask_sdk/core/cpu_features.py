"""The name and the instruction sets of the processor, as Linux lists them."""

from __future__ import annotations

import platform
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


def multiplies_int8_exactly() -> bool:
    """Returns whether this CPU adds 8-bit products in 32 bits.

    x86 CPUs without VNNI add pairs of them in 16 bits, which overflow: 36 instead of 55 dB. If the
    operating system does not list the CPU's instructions, this returns False: exact results are
    preferred to speed.
    """
    if platform.machine().lower() not in ("x86_64", "amd64", "i386", "x86"):
        return True
    _, flags = read_cpuinfo()
    return "avx512_vnni" in flags or "avx_vnni" in flags
