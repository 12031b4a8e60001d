"""The commands, for an app that imports `unmask_sdk.cli`: each is imported when it is called.

`unmask -h` imports all of them, so none is left out; what training, exporting and measuring import
on top of that is.
"""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parents[1]

hiddenimports = [
    ".".join(("unmask_sdk", *file.relative_to(ROOT).with_suffix("").parts)).removesuffix(
        ".__init__"
    )
    for file in sorted((ROOT / "cli").rglob("*.py"))
]
excludedimports = [
    "ray",
    "torch",
    *(f"unmask_sdk.{name}" for name in ("benchmarks", "calibration", "export", "training")),
]
