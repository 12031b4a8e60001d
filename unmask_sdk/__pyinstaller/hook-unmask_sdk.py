"""What PyInstaller cannot see: the model files, the metadata, and modules that load on first use.

Left out is what needs a clone or PyTorch: an app that trains, exports or uses the reference runtime
names those modules with `--hidden-import`.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from PyInstaller.utils.hooks import collect_data_files, copy_metadata

# Listed, not imported one by one; and not the whole package, which in a clone reaches to the
# virtual environments that lie there.
FOLDERS = ("compositing", "core", "faces", "imaging", "loading", "runtimes", "video")
LEFT_OUT = ("unmask_sdk.runtimes.conformance", "unmask_sdk.runtimes.torch")


def _modules(package: str) -> list[str]:
    spec = find_spec(package)
    assert spec is not None
    root = Path((spec.submodule_search_locations or [""])[0])
    files = [file.relative_to(root).with_suffix("") for file in root.rglob("*.py")]
    names = [".".join((package, *file.parts)).removesuffix(".__init__") for file in files]
    return [name for name in names if not name.startswith(LEFT_OUT)]


hiddenimports = [f"unmask_sdk.{file.stem}" for file in Path(__file__).parents[1].glob("[!_]*.py")]
for folder in FOLDERS:
    hiddenimports += _modules(f"unmask_sdk.{folder}")
datas = collect_data_files("unmask_sdk", includes=["artifacts/**/*"])
datas += copy_metadata("unmask-sdk")
