"""Sizes of the package and of the environments that the README's commands make.

    python -m unmask_sdk.benchmarks.install_size cpu dev --docs docs

makes a fresh environment for each extra, installs a clone there, adds up the files, and keeps what
the other packages take in `docs/benchmarks/install.json`. The size of this package is not kept: the
wheel is built where it is needed.
"""

from __future__ import annotations

import json
import platform
import subprocess
import sys
import time
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from unmask_sdk.core.atomic_write import atomic_write
from unmask_sdk.core.scratch_folder import scratch_folder
from unmask_sdk.errors import DataError, UnmaskError

PACKAGE = "unmask_sdk"


@dataclass(frozen=True)
class WheelSize:
    """Sizes of the package.

    Attributes:
        packed: Bytes of the wheel.
        installed: Bytes of its files.
    """

    packed: int
    installed: int


def wheel_size(root: Path) -> WheelSize:
    """Builds the wheel of a clone and measures it.

    Raises:
        DataError: If pip fails.
    """
    with scratch_folder("unmask-wheel-") as scratch:
        _run(
            [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation",
             "-w", str(scratch), str(root)],
        )  # fmt: skip
        (wheel,) = scratch.glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            installed = sum(info.file_size for info in archive.infolist())
        return WheelSize(wheel.stat().st_size, installed)


def measure_environment(root: Path, extra: str) -> dict[str, Any]:
    """Installs a clone with an extra into a fresh environment, and adds up the files.

    Returns:
        `others`: bytes of everything but this package; and what was installed, where and when.

    Raises:
        DataError: If pip fails.
    """
    with scratch_folder("unmask-environment-") as scratch:
        folder = scratch / "venv"
        _run([sys.executable, "-m", "venv", str(folder)])
        python = folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
        pip = [str(python), "-m", "pip", "install", "-q", "-c", "constraints.txt", f".[{extra}]"]
        _run(pip, root)
        files = [file for file in folder.rglob("*") if file.is_file() and not file.is_symlink()]
        others = sum(file.stat().st_size for file in files if PACKAGE not in file.parts)
        return {
            "others": others,
            "python": platform.python_version(),
            "system": f"{platform.system()} {platform.machine()}",
            "date": time.strftime("%Y-%m-%d", time.gmtime()),
        }


def install_file(docs: Path) -> Path:
    """Returns the file that the environments are kept in."""
    return docs / "benchmarks" / "install.json"


def environments(docs: Path) -> dict[str, dict[str, Any]]:
    """Returns what was kept of each extra's environment.

    Raises:
        DataError: If the file is missing or damaged.
    """
    file = install_file(docs)
    try:
        kept: dict[str, dict[str, Any]] = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"cannot read {file}: {error}") from None
    return kept


def describe(wheel: WheelSize, kept: dict[str, dict[str, Any]]) -> str:
    """Returns the README's sentence about the package and the environment of the extra `cpu`."""
    environment = (kept["cpu"]["others"] + wheel.installed) / 1e6
    return (
        f"The package is {wheel.installed / 1e6:.0f} MB with every model format, as a wheel "
        f"{wheel.packed / 1e6:.0f} MB; the environment,\n"
        f"with OpenCV and ONNX Runtime, is about {round(environment, -1):.0f} MB."
    )


def _run(command: list[str], folder: Path | None = None) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise DataError(f"{' '.join(command)} failed:\n{done.stderr[-2000:]}")
    return done.stdout


def main(
    extras: Annotated[list[str], typer.Argument(help="Extras, such as cpu dev.")],
    docs: Annotated[Path, typer.Option(help="The folder docs of a clone.")] = Path("docs"),
) -> None:
    """Measures environments and keeps their sizes."""
    file = install_file(docs)
    kept = environments(docs) if file.exists() else {}
    for extra in extras:
        kept[extra] = measure_environment(docs.resolve().parent, extra)
        typer.echo(f"{extra}: {kept[extra]['others'] / 1e6:.0f} MB without {PACKAGE}")
        atomic_write(file, (json.dumps(kept, indent=2) + "\n").encode())


if __name__ == "__main__":
    try:
        typer.run(main)
    except UnmaskError as error:
        sys.exit(f"error: {error}")
