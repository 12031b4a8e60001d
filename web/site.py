"""The files of the web page: its list, with every file's digest, and the folder for other hosts."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from unmask_sdk.core.manifest import MANIFEST_NAME, list_files
from unmask_sdk.core.output_paths import check_writable_folder
from unmask_sdk.errors import ArtifactError, InvalidInputError, MissingDependencyError

from .models import license_file, model_files

FOLDER = Path(__file__).parent
INDEX = "index.html"
# Written here: the list of all files, which the service worker reads.
LIST = "files.js"
_LIST_HEAD = "self.FILES = "
_LIST_TAIL = ";\n"

RUNTIME_PACKAGE = "onnxruntime-web"
RUNTIME_FILES = (
    "ort.wasm.min.mjs",
    "ort-wasm-simd-threaded.mjs",
    "ort-wasm-simd-threaded.wasm",
)
# What the page loads: both finders of faces, and one unmasker.
_LOCATOR_FILES = (
    "detector-fp32.onnx",
    "detector.safetensors",
    "aligner-fp32.onnx",
    "aligner.safetensors",
)
_UNMASKERS = ("unmask-256-lite", "unmask-256")


@dataclass(frozen=True)
class SiteFile:
    """One file of the site.

    Attributes:
        content: Its bytes, or the file that has them.
        sha256: Their digest, 64 hexadecimal digits.
        size: Their number.
    """

    content: Path | bytes
    sha256: str
    size: int

    def read(self) -> bytes:
        """Returns the content."""
        return self.content if isinstance(self.content, bytes) else self.content.read_bytes()


Site = Mapping[str, SiteFile]


def find_runtime(folder: Path | None) -> Path:
    """Returns the folder of the npm package onnxruntime-web.

    Args:
        folder: The folder; by default the nearest `node_modules/onnxruntime-web`, from the current
            folder upwards.

    Raises:
        MissingDependencyError: If there is none, or a file of it is missing.
    """
    here = Path.cwd()
    places = (place / "node_modules" / RUNTIME_PACKAGE for place in (here, *here.parents))
    found = folder or next((place for place in places if place.is_dir()), None)
    wanted = json.loads((FOLDER / "package.json").read_text(encoding="utf-8"))
    command = f"npm install {RUNTIME_PACKAGE}@{wanted['devDependencies'][RUNTIME_PACKAGE]}"
    if found is None:
        raise MissingDependencyError(
            f"unmask web needs the npm package {RUNTIME_PACKAGE}, and there is no node_modules "
            f"with it in {here} or above; install it with: {command}, or name its folder with "
            f"--{RUNTIME_PACKAGE}"
        )
    for name in RUNTIME_FILES:
        if not (found / "dist" / name).is_file():
            raise MissingDependencyError(
                f"{found} has no file dist/{name}; install the package with: {command}, and name "
                f"its folder node_modules/{RUNTIME_PACKAGE} with --{RUNTIME_PACKAGE}"
            )
    return found


def collect_site(runtime: Path) -> Site:
    """Returns every file of the site by its path, such as `src/index.js`.

    Args:
        runtime: Folder of the npm package onnxruntime-web.

    Raises:
        ArtifactError: If a file of this package is missing or was changed.
    """
    contents: dict[str, Path | bytes] = {}
    for folder, prefix in (("demo", ""), ("src", "src/")):
        root = FOLDER / folder
        for file in list_files(root):
            contents[prefix + file.relative_to(root).as_posix()] = file
    if INDEX not in contents:
        raise ArtifactError(f"{FOLDER / 'demo' / INDEX} is missing; reinstall unmask-sdk")
    contents |= {f"onnxruntime/{name}": runtime / "dist" / name for name in RUNTIME_FILES}
    contents |= {f"models/{name}": content for name, content in model_files().items()}
    contents["LICENSE.txt"] = license_file("LICENSE")
    site = {path: _describe(content) for path, content in sorted(contents.items())}
    digests = {path: [file.sha256, file.size] for path, file in site.items()}
    text = _LIST_HEAD + json.dumps(digests, indent=1) + _LIST_TAIL
    return {**site, LIST: _describe(text.encode())}


def build_site(site: Site, target: Path) -> None:
    """Writes the site into a folder, which then has every file or is as it was before.

    Args:
        site: Of `collect_site`.
        target: A folder that does not exist, is empty, or holds nothing but a site of an earlier
            call, which is replaced.

    Raises:
        InvalidInputError: If the folder holds other files, or cannot be written to.
    """
    target = target.resolve()
    for folder in (target, target.parent):
        check_writable_folder(folder, "--build")
    _check_holds_a_site_only(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    token = secrets.token_hex(8)
    new = target.with_name(f".unmask-{token}.part")
    old = target.with_name(f".unmask-{token}.old")
    try:
        for path, file in site.items():
            place = new / path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(file.read())
        if target.exists():
            os.replace(target, old)
        os.replace(new, target)
    except OSError as error:
        if old.exists():
            os.replace(old, target)
        raise InvalidInputError(
            f"--build {target}: {error.strerror}; choose another folder"
        ) from error
    finally:
        for rest in (new, old):
            shutil.rmtree(rest, ignore_errors=True)


def describe_sizes(site: Site) -> list[str]:
    """Returns lines about the size of the site, and of what a visitor downloads."""
    lines = [f"{len(site)} files, {_megabytes(file.size for file in site.values())}"]
    page = [file for path, file in site.items() if not path.startswith("models/")]
    for name in _UNMASKERS:
        models = (MANIFEST_NAME, *_LOCATOR_FILES, f"{name}-int8.onnx")
        files = page + [site[f"models/{model}"] for model in models]
        packed = (len(gzip.compress(file.read())) for file in files)
        lines.append(
            f"a visitor downloads {_megabytes(file.size for file in files)} with {name}, "
            f"{_megabytes(packed)} from a host that compresses with gzip"
        )
    return lines


def _megabytes(sizes: Iterable[int]) -> str:
    return f"{sum(sizes) / 1e6:.1f} MB"


def _describe(content: Path | bytes) -> SiteFile:
    data = content if isinstance(content, bytes) else content.read_bytes()
    return SiteFile(content, hashlib.sha256(data).hexdigest(), len(data))


def _check_holds_a_site_only(target: Path) -> None:
    if not target.is_dir():
        return
    here = {file.relative_to(target).as_posix() for file in list_files(target)}
    if not here:
        return
    try:
        text = (target / LIST).read_text(encoding="utf-8")
        listed = json.loads(text.removeprefix(_LIST_HEAD).removesuffix(_LIST_TAIL))
        others = sorted(here - set(listed) - {LIST})
    except (OSError, ValueError, TypeError):
        others = sorted(here)
    if others:
        names = ", ".join(others[:3]) + (", …" if len(others) > 3 else "")
        raise InvalidInputError(
            f"--build {target}: the folder holds other files, which would be lost ({names}); "
            "choose a new or empty folder"
        )
