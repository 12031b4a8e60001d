"""Reads `manifest.json`: the list of model files and the checks that they are unchanged.

A manifest lies in the same folder as the files that it lists. Nothing here needs an engine. Every
file is checked against its SHA-256 before an engine reads it, and no entry can point outside its
folder.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from unmask_sdk.errors import ArtifactError

from .bundle import how_to_restore
from .optional_deps import pip_command
from .validate import as_path

SCHEMA = 1
MANIFEST_NAME = "manifest.json"
ROLES = ("unmasker", "detector", "aligner")

# The package's reference weights are not copied into folders of exported files. Their entries name
# this package, and a file relative to it; no other package is allowed.
WEIGHTS_PACKAGE = "unmask_sdk"

_FIX = "reinstall unmask-sdk, or export again with `unmask export onnx`"


@dataclass(frozen=True)
class TensorSpec:
    """One input or output of a graph.

    Attributes:
        name: Name in the graph.
        dtype: NumPy name, such as `uint8`.
        shape: One number per dimension; `None` where any size is allowed.
    """

    name: str
    dtype: str
    shape: tuple[int | None, ...]


@dataclass(frozen=True)
class Golden:
    """Golden vectors: inputs and the outputs expected for them.

    Attributes:
        file: An npz with the arrays `in_NAME` and `out_NAME`, relative to the manifest.
        sha256: Its digest.
        tolerance: Largest error allowed; see `unmask_sdk.golden_vectors.error_of` for its unit.
        min_psnr_db: For low precisions, where single pixels may differ by more: the lowest PSNR
            allowed for any output, instead of `tolerance`. `None` where `tolerance` applies.
    """

    file: str
    sha256: str
    tolerance: float
    min_psnr_db: float | None = None


@dataclass(frozen=True)
class Parity:
    """Difference between one output and the reference, measured when the artifact was made.

    Attributes:
        output: Name of the output.
        reference: What the output was compared with.
        images: Number of images.
        max_abs: Largest absolute difference, in the unit of the output.
        mean_abs: Mean absolute difference.
        psnr_db: Peak signal-to-noise ratio; `None` if there was no difference.
    """

    output: str
    reference: str
    images: int
    max_abs: float
    mean_abs: float
    psnr_db: float | None


@dataclass(frozen=True)
class ExternalData:
    """The file that holds the large tensors of an ONNX file.

    Attributes:
        file: Its path relative to the manifest's folder; both files must lie in one folder.
        sha256: Its digest.
        bytes: Its size.
    """

    file: str
    sha256: str
    bytes: int


@dataclass(frozen=True)
class Artifact:
    """One model file and its properties.

    Attributes:
        name: Name of the network, such as `unmask-256`.
        role: One of `ROLES`.
        format: `onnx`, `safetensors`, …
        precision: The precision achieved, such as `fp32`.
        file: Path of the file (a folder for formats that are folders), relative to the manifest's
            folder, or to `package` if that is given.
        package: `None` or `WEIGHTS_PACKAGE`.
        sha256: Digest of the file or folder; see `sha256_of`.
        bytes: Size of the file, or of all files in the folder.
        inputs: The graph's inputs, in order.
        outputs: The graph's outputs, in order.
        weights_sha256: Digest of the weight file that it was exported from.
        calibration_sha256: Digest of the calibration data; `None` if there was none.
        tools: Versions of the programs that exported it.
        golden: Golden vectors.
        parity: The certificate, one record per output.
        external: The file that holds large tensors; `None` if the artifact is self-contained.
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
    external: ExternalData | None = None

    @property
    def total_bytes(self) -> int:
        """Size of everything that an engine reads, in bytes."""
        return self.bytes + (self.external.bytes if self.external else 0)


@dataclass(frozen=True)
class Manifest:
    """The artifacts of one folder."""

    folder: Path
    artifacts: tuple[Artifact, ...]

    def find(self, *, role: str, formats: tuple[str, ...]) -> tuple[Artifact, ...]:
        """Returns the artifacts of a role in any of the formats, in the manifest's order."""
        return tuple(a for a in self.artifacts if a.role == role and a.format in formats)

    def path(self, artifact: Artifact) -> Path:
        """Returns the path of the artifact's file, after checking its size and SHA-256.

        The same is checked of its external data.

        Raises:
            ArtifactError: If a file lies outside its folder, is missing or was changed.
        """
        root = self.folder
        if artifact.package is not None:
            if artifact.package != WEIGHTS_PACKAGE:
                raise ArtifactError(
                    f"artifacts may be in {WEIGHTS_PACKAGE}, not in {artifact.package!r}"
                )
            root = package_folder()
        external = artifact.external
        if external is not None:
            what = f", which holds the weights of {artifact.file}"
            _checked(root, external.file, external.sha256, external.bytes, what)
        return _checked(root, artifact.file, artifact.sha256, artifact.bytes)

    def golden_path(self, artifact: Artifact) -> Path:
        """Returns the path of the artifact's golden vectors, after checking their SHA-256.

        Raises:
            ArtifactError: If the file lies outside its folder, is missing or was changed.
        """
        return _checked(self.folder, artifact.golden.file, artifact.golden.sha256)


def package_folder() -> Path:
    """Returns the folder of `WEIGHTS_PACKAGE`."""
    return Path(__file__).parents[1]


def shipped_folder() -> Path:
    """Returns the folder of the artifacts that come with the package."""
    return package_folder() / "artifacts"


def read_manifest(folder: str | Path | None = None) -> Manifest:
    """Reads the manifest of a folder.

    Args:
        folder: Folder that contains `manifest.json`; by default the one in the package.

    Raises:
        ArtifactError: If there is no manifest, or this version cannot read it.
        InvalidInputError: If `folder` is not a path.
    """
    root = shipped_folder() if folder is None else as_path("artifacts", folder)
    file = root / MANIFEST_NAME
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        problem = "has no manifest.json" if root.is_dir() else "does not exist"
        fix = f"create it with: unmask export onnx -o {root}"
        if folder is None:
            fix = how_to_restore(file, "reinstall unmask-sdk")
        raise ArtifactError(f"the folder {root} {problem}; {fix}") from error
    except OSError as error:
        fix = how_to_restore(file, _FIX) if folder is None else _FIX
        raise ArtifactError(f"cannot read {file}: {error.strerror}; {fix}") from error
    except (ValueError, RecursionError) as error:
        raise ArtifactError(f"{file} is not valid JSON ({error}); {_FIX}") from error
    top = _Reader(data, str(file))
    schema = top.get("schema", int)
    if schema != SCHEMA:
        raise ArtifactError(
            f"{file} has schema {schema}, this version of unmask-sdk reads {SCHEMA}; "
            "upgrade unmask-sdk, or export again with `unmask export onnx`"
        )
    return Manifest(root, tuple(_artifact(entry) for entry in top.records("artifacts")))


def sha256_of(path: Path) -> str:
    """Returns a SHA-256 as 64 lower-case hexadecimal digits.

    For a folder it is the SHA-256 of a text with one line per file, its name and digest, sorted by
    name.
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
    """Returns the size of a file, or of all files in a folder, in bytes."""
    return sum(file.stat().st_size for file in (list_files(path) if path.is_dir() else [path]))


def list_files(folder: Path) -> list[Path]:
    """Returns all files in a folder and its subfolders, sorted by name."""
    found = (path for path in folder.rglob("*") if not path.is_dir())
    return sorted(found, key=lambda path: path.relative_to(folder).as_posix())


def resolve_inside(root: Path, file: str) -> Path:
    """Joins a manifest's path to its folder, and refuses one that leads out of it.

    Raises:
        ArtifactError: If the path is absolute, contains `..`, or leaves through a symbolic link.
    """
    pure = PurePosixPath(file)
    path = root.joinpath(*pure.parts)
    # Backslash and colon are separators on Windows only, and a manifest must mean the same on every
    # platform.
    invalid = not pure.parts or pure.is_absolute() or ".." in pure.parts or set("\\:") & set(file)
    try:
        outside = bool(invalid) or not path.resolve().is_relative_to(root.resolve())
    except (ValueError, OSError, RuntimeError) as error:  # An impossible name, or a loop of links.
        raise ArtifactError(f"{file!r} is not a valid path: {error}; {_FIX}") from error
    if outside:
        raise ArtifactError(f"artifact path {file!r} leads out of {root}; {_FIX}")
    return path


def _checked(root: Path, file: str, sha256: str, size: int | None = None, what: str = "") -> Path:
    path = resolve_inside(root, file)
    try:
        actual_size = size_of(path)
        if size is not None and actual_size != size:
            problem = f"{path}{what} has {actual_size} bytes, expected {size}"
            raise ArtifactError(f"{problem}; {_how_to_fix(path)}")
        actual = sha256_of(path)
    except OSError as error:
        problem = f"cannot read {path}{what}: {error.strerror}"
        raise ArtifactError(f"{problem}; {_how_to_fix(path)}") from error
    if actual != sha256:
        raise ArtifactError(
            f"{path}{what} was changed or damaged: its SHA-256 is {actual}, expected {sha256}; "
            f"{_how_to_fix(path)}"
        )
    return path


def _how_to_fix(path: Path) -> str:
    """Returns what brings a file back that is missing or damaged."""
    if not path.is_relative_to(shipped_folder()):
        return _FIX
    return how_to_restore(path, pip_command("install --force-reinstall unmask-sdk"))


class _Reader:
    """Reads typed fields from parsed JSON; its errors name the wrong field."""

    def __init__(self, data: Any, where: str) -> None:
        if not isinstance(data, dict):
            raise ArtifactError(f"{where} must be an object, got {type(data).__name__}; {_FIX}")
        self.data = data
        self.where = where

    def get(self, key: str, *kinds: type) -> Any:
        value = self.data.get(key)
        # In Python True is an int; in a manifest it is a mistake.
        if not isinstance(value, kinds) or isinstance(value, bool):
            wanted = " or ".join("null" if k is _NULL else k.__name__ for k in kinds)
            raise ArtifactError(f"{self.where}: {key!r} must be {wanted}, got {value!r}; {_FIX}")
        return value

    def number(self, key: str) -> float:
        value = self.get(key, float, int)
        # An int may be too large for a float.
        if not abs(value) <= sys.float_info.max:
            raise ArtifactError(f"{self.where}: {key!r} must be finite, got {value!r}; {_FIX}")
        return float(value)

    def number_or_null(self, key: str) -> float | None:
        return None if self.data.get(key) is None else self.number(key)

    def records(self, key: str) -> list[_Reader]:
        return [_Reader(v, f"{self.where}: {key}[{i}]") for i, v in enumerate(self.get(key, list))]


_NULL = type(None)


def _tensor(entry: _Reader) -> TensorSpec:
    shape = entry.get("shape", list)
    if not all(d is None or (type(d) is int and d > 0) for d in shape):
        raise ArtifactError(f"{entry.where}: 'shape' must be positive numbers or null, got {shape}")
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


def _external(entry: _Reader) -> ExternalData | None:
    data = entry.get("external", dict, _NULL)
    if data is None:
        return None
    own = _Reader(data, f"{entry.where}: external")
    return ExternalData(own.get("file", str), own.get("sha256", str), own.get("bytes", int))


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
        external=_external(entry),
    )
