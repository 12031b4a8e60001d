"""What PyInstaller cannot see: the model files, the metadata, and modules that load on first use.

Left out is what needs a clone or PyTorch: an app that trains, exports or uses the reference runtime
names those modules with `--hidden-import`.
"""

from __future__ import annotations

from PyInstaller.utils.hooks import collect_data_files, collect_submodules, copy_metadata

LEFT_OUT = (
    "unmask_sdk.__pyinstaller",
    "unmask_sdk.benchmarks",
    "unmask_sdk.calibration",
    "unmask_sdk.cli",
    "unmask_sdk.export",
    "unmask_sdk.runtimes.conformance",
    "unmask_sdk.runtimes.torch",
    "unmask_sdk.training",
)


def _wanted(name: str) -> bool:
    return not name.startswith(LEFT_OUT)


hiddenimports = collect_submodules("unmask_sdk", filter=_wanted)
datas = collect_data_files("unmask_sdk", includes=["artifacts/**/*"])
datas += copy_metadata("unmask-sdk")
