"""Reading `manifest.json`: what the model files are, and whether they are still what they were.

A manifest lies in a folder beside the files that it lists. Nothing here needs an engine. Every
file is checked against its SHA-256 before an engine sees it, and no entry can point outside its
folder.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from unmask_sdk.errors import ArtifactError

from .validate import as_path

SCHEMA = 1
MANIFEST_NAME = "manifest.json"
ROLES = ("unmasker", "detector", "aligner")

# The reference weights are kept once, with the code that trains them, and not copied beside the
# exported files. An entry says so by naming this package; no other package may be named.
WEIGHTS_PACKAGE = "unmask_sdk.training"

_MEND = "reinstall unmask-sdk, or export again with `unmask export onnx`"


@dataclass(frozen=True)
class TensorSpec:
    """One input or output of a graph.

    Attributes:
        name: Its name in the graph.
        dtype: NumPy name, such as `uint8`.
        shape: One number for each dimension; None where any size goes.
    """

    name: str
    dtype: str
    shape: tuple[int | None, ...]


@dataclass(frozen=True)
class Golden:
    """Inputs and the outputs that they must give.

    Attributes:
        file: An npz with the arrays `in_NAME` and `out_NAME`, relative to the manifest.
        sha256: Its digest.
        tolerance: Largest error allowed; see `unmask_sdk.verify.error_of` for its unit.
        min_psnr_db: For precisions that round, where single pixels may be off by more: the lowest
            PSNR allowed of any output, instead of `tolerance`. None where `tolerance` counts.
    """

    file: str
    sha256: str
    tolerance: float
    min_psnr_db: float | None = None


@dataclass(frozen=True)
class Parity:
    """How far one output was from the reference when the artifact was made.

    Attributes:
        output: Name of the output.
        reference: What it was compared with.
        images: Number of pictures.
        max_abs: Largest absolute difference, in the output's own unit.
        mean_abs: Mean absolute difference.
        psnr_db: Peak signal-to-noise ratio; None if there was no difference at all.
    """

    output: str
    reference: str
    images: int
    max_abs: float
    mean_abs: float
    psnr_db: float | None


@dataclass(frozen=True)
class Artifact:
    """One model file and what is known of it.

    Attributes:
        name: Name of the network, such as `unmask-256`.
        role: One of `ROLES`.
        format: `onnx`, `safetensors`, …
        precision: The precision achieved, such as `fp32`.
        file: Path of a file, or of a folder where the format is one, relative to the manifest's
            folder, or to `package` if that is given.
        package: None, or `WEIGHTS_PACKAGE`.
        sha256: Digest of the file or folder, see `sha256_of`.
        bytes: Size of the file, or of all files in the folder.
        inputs: The graph's inputs, in order.
        outputs: The graph's outputs, in order.
        weights_sha256: Digest of the weight file that it was made from.
        calibration_sha256: Digest of the calibration data; None where none was used.
        tools: Versions of the programs that made it.
        golden: Golden vectors.
        parity: The certificate, one record for each output.
    """

    name: str
    role: str
    format: str
    precision: str
    file: str
    package: str | None
    sha256: str
    bytes: int
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    weights_sha256: str
    calibration_sha256: str | None
    tools: Mapping[str, str]
    golden: Golden
    parity: tuple[Parity, ...]


@dataclass(frozen=True)
class Manifest:
    """The artifacts of one folder."""

    folder: Path
    artifacts: tuple[Artifact, ...]

    def find(self, *, role: str, formats: tuple[str, ...]) -> tuple[Artifact, ...]:
        """Gives the artifacts of a role in any of the formats, in the manifest's order."""
        return tuple(a for a in self.artifacts if a.role == role and a.format in formats)

    def path(self, artifact: Artifact) -> Path:
        """Gives the artifact's file, after checking its size and SHA-256.

        Raises:
            ArtifactError: If the file lies outside its folder, is missing, or was changed.
        """
        root = self.folder
        if artifact.package is not None:
            if artifact.package != WEIGHTS_PACKAGE:
                raise ArtifactError(
                    f"artifacts may lie in {WEIGHTS_PACKAGE}, not in {artifact.package!r}"
                )
            root = weights_root()
        return _checked(root, artifact.file, artifact.sha256, artifact.bytes)

    def golden_path(self, artifact: Artifact) -> Path:
        """Gives the file of the artifact's golden vectors, after checking its SHA-256.

        Raises:
            ArtifactError: If the file lies outside its folder, is missing, or was changed.
        """
        return _checked(self.folder, artifact.golden.file, artifact.golden.sha256)


def shipped_folder() -> Path:
    """Gives the folder of the artifacts that came with the package."""
    return Path(__file__).parents[1] / "artifacts"


def weights_root() -> Path:
    """Gives the folder of `WEIGHTS_PACKAGE`, which holds the reference weights.

    The package is looked up and not imported: this works editable, from a wheel, and in a process
    that must not import torch.

    Raises:
        ArtifactError: If the package is not installed.
    """
    spec = importlib.util.find_spec(WEIGHTS_PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise ArtifactError(f"package {WEIGHTS_PACKAGE} is not installed; {_MEND}")
    return Path(next(iter(spec.submodule_search_locations)))


def read_manifest(folder: str | Path | None = None) -> Manifest:
    """Reads the manifest of a folder.

    Args:
        folder: Folder that holds `manifest.json`; the package's own by default.

    Raises:
        ArtifactError: If there is none, or it is not one that this version understands.
        InvalidInputError: If `folder` is no path.
    """
    root = shipped_folder() if folder is None else as_path("artifacts", folder)
    file = root / MANIFEST_NAME
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        lack = "holds no manifest.json" if root.is_dir() else "does not exist"
        mend = "reinstall unmask-sdk" if folder is None else f"unmask export onnx -o {root}"
        raise ArtifactError(f"the folder {root} {lack}; make it with: {mend}") from error
    except OSError as error:
        raise ArtifactError(f"cannot read {file}: {error.strerror}; {_MEND}") from error
    except (ValueError, RecursionError) as error:
        raise ArtifactError(f"{file} is not valid JSON ({error}); {_MEND}") from error
    top = _Reader(data, str(file))
    schema = top.get("schema", int)
    if schema != SCHEMA:
        raise ArtifactError(
            f"{file} has schema {schema}, this version of unmask-sdk reads {SCHEMA}; "
            "upgrade unmask-sdk, or export again with `unmask export onnx`"
        )
    return Manifest(root, tuple(_artifact(entry) for entry in top.records("artifacts")))


def sha256_of(path: Path) -> str:
    """Gives a SHA-256 as 64 lower-case hexadecimal digits.

    A folder's is that of its files' names and digests, a line for each, in the order of the names.
    """
    digest = hashlib.sha256()
    if path.is_dir():
        for file in list_files(path):
            digest.update(f"{file.relative_to(path).as_posix()} {sha256_of(file)}\n".encode())
    else:
        with path.open("rb") as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()


def size_of(path: Path) -> int:
    """Gives the bytes of a file, or of all files in a folder."""
    return sum(file.stat().st_size for file in (list_files(path) if path.is_dir() else [path]))


def list_files(folder: Path) -> list[Path]:
    """Gives all files in a folder and the folders in it, in the order of their names."""
    found = (path for path in folder.rglob("*") if not path.is_dir())
    return sorted(found, key=lambda path: path.relative_to(folder).as_posix())


def resolve_inside(root: Path, file: str) -> Path:
    """Joins a manifest's path to its folder, and refuses one that leads out of it.

    Raises:
        ArtifactError: If the path is absolute, climbs with `..`, or leaves through a link.
    """
    pure = PurePosixPath(file)
    path = root.joinpath(*pure.parts)
    # Backslash and colon are separators on Windows only: a manifest must mean one thing anywhere.
    odd = not pure.parts or pure.is_absolute() or ".." in pure.parts or set("\\:") & set(file)
    try:
        out = bool(odd) or not path.resolve().is_relative_to(root.resolve())
    except (
        ValueError,
        OSError,
        RuntimeError,
    ) as error:  # A name that no file can have, or links in a ring.
        raise ArtifactError(f"{file!r} is no path: {error}; {_MEND}") from error
    if out:
        raise ArtifactError(f"artifact path {file!r} leads out of {root}; {_MEND}")
    return path


def _checked(root: Path, file: str, sha256: str, size: int | None = None) -> Path:
    path = resolve_inside(root, file)
    try:
        actual_size = size_of(path)
        if size is not None and actual_size != size:
            raise ArtifactError(f"{path} has {actual_size} bytes, expected {size}; {_MEND}")
        actual = sha256_of(path)
    except OSError as error:
        raise ArtifactError(f"cannot read {path}: {error.strerror}; {_MEND}") from error
    if actual != sha256:
        raise ArtifactError(
            f"{path} was changed or damaged: its SHA-256 is {actual}, expected {sha256}; {_MEND}"
        )
    return path


class _Reader:
    """Takes typed fields out of parsed JSON, and says which one is wrong."""

    def __init__(self, data: Any, where: str) -> None:
        if not isinstance(data, dict):
            raise ArtifactError(f"{where} must be an object, got {type(data).__name__}; {_MEND}")
        self.data = data
        self.where = where

    def get(self, key: str, *kinds: type) -> Any:
        value = self.data.get(key)
        # In Python True is an int; in a manifest it is a mistake.
        if not isinstance(value, kinds) or isinstance(value, bool):
            wanted = " or ".join("null" if k is _NULL else k.__name__ for k in kinds)
            raise ArtifactError(f"{self.where}: {key!r} must be {wanted}, got {value!r}; {_MEND}")
        return value

    def number(self, key: str) -> float:
        value = self.get(key, float, int)
        # An int may be too large for a float.
        if not abs(value) <= sys.float_info.max:
            raise ArtifactError(f"{self.where}: {key!r} must be finite, got {value!r}; {_MEND}")
        return float(value)

    def number_or_null(self, key: str) -> float | None:
        return None if self.data.get(key) is None else self.number(key)

    def records(self, key: str) -> list[_Reader]:
        return [_Reader(v, f"{self.where}: {key}[{i}]") for i, v in enumerate(self.get(key, list))]


_NULL = type(None)


def _tensor(entry: _Reader) -> TensorSpec:
    shape = entry.get("shape", list)
    if not all(d is None or (type(d) is int and d > 0) for d in shape):
        raise ArtifactError(f"{entry.where}: 'shape' takes positive numbers and null, got {shape}")
    return TensorSpec(entry.get("name", str), entry.get("dtype", str), tuple(shape))


def _parity(entry: _Reader) -> Parity:
    return Parity(
        output=entry.get("output", str),
        reference=entry.get("reference", str),
        images=entry.get("images", int),
        max_abs=entry.number("max_abs"),
        mean_abs=entry.number("mean_abs"),
        psnr_db=entry.number_or_null("psnr_db"),
    )


def _artifact(entry: _Reader) -> Artifact:
    role = entry.get("role", str)
    if role not in ROLES:
        raise ArtifactError(
            f"{entry.where}: 'role' must be one of {', '.join(ROLES)}; got {role!r}"
        )
    golden = _Reader(entry.get("golden", dict), f"{entry.where}: golden")
    return Artifact(
        name=entry.get("name", str),
        role=role,
        format=entry.get("format", str),
        precision=entry.get("precision", str),
        file=entry.get("file", str),
        package=entry.get("package", str, _NULL),
        sha256=entry.get("sha256", str),
        bytes=entry.get("bytes", int),
        inputs=tuple(_tensor(e) for e in entry.records("inputs")),
        outputs=tuple(_tensor(e) for e in entry.records("outputs")),
        weights_sha256=entry.get("weights_sha256", str),
        calibration_sha256=entry.get("calibration_sha256", str, _NULL),
        tools={str(k): str(v) for k, v in entry.get("tools", dict).items()},
        golden=Golden(
            file=golden.get("file", str),
            sha256=golden.get("sha256", str),
            tolerance=golden.number("tolerance"),
            min_psnr_db=golden.number_or_null("min_psnr_db"),
        ),
        parity=tuple(_parity(e) for e in entry.records("parity")),
    )
