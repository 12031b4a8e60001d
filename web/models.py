"""The model files that a browser uses: `python -m unmask_sdk.web.models FOLDER` writes them."""

from __future__ import annotations

import json
import shutil
import sys
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path, PurePosixPath

from unmask_sdk.core.manifest import MANIFEST_NAME, SCHEMA, read_manifest
from unmask_sdk.errors import ArtifactError

WEIGHTS_LICENSE = "LICENSE-WEIGHTS.md"
_UNUSED = (("detector", "int8"), ("aligner", "int8"))
# The fields of an entry that the web package reads.
_FIELDS = ("name", "role", "precision", "file", "sha256", "bytes", "inputs", "outputs", "external")


def model_files() -> dict[str, bytes]:
    """Returns the model files, their manifest and their license, by name.

    They are the ONNX files of this package that a browser runs, and the weight files that they
    refer to.

    Raises:
        ArtifactError: If a file is missing or was changed.
    """
    manifest = read_manifest()
    files: dict[str, bytes] = {}
    entries = []
    for artifact in manifest.artifacts:
        # A page opens the locator in fp32: `LOCATOR_PRECISION` in src/core/open_model.js.
        if artifact.format != "onnx" or (artifact.role, artifact.precision) in _UNUSED:
            continue
        path = manifest.path(artifact)
        files[artifact.file] = path.read_bytes()
        if artifact.external is not None:
            name = artifact.external.file
            files[name] = path.with_name(name).read_bytes()
        fields = asdict(artifact)
        entries.append({name: fields[name] for name in _FIELDS})
    text = json.dumps({"schema": SCHEMA, "artifacts": entries}, indent=2) + "\n"
    license_text = license_file(WEIGHTS_LICENSE).read_bytes()
    return {MANIFEST_NAME: text.encode(), WEIGHTS_LICENSE: license_text, **files}


def write_models(folder: Path) -> None:
    """Writes the model files into a folder, which is replaced."""
    files = model_files()
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for name, content in files.items():
        (folder / name).write_bytes(content)


def license_file(name: str) -> Path:
    """Returns a license file: of the clone, or of the installed package's metadata.

    Raises:
        ArtifactError: If it is missing.
    """
    clone = Path(__file__).parents[1]
    if (clone / "pyproject.toml").is_file() and (clone / name).is_file():
        return clone / name
    try:
        files = distribution("unmask-sdk").files or []
    except PackageNotFoundError:
        files = []
    found = next((Path(str(f.locate())) for f in files if PurePosixPath(f).name == name), None)
    if found is None or not found.is_file():
        raise ArtifactError(f"the license {name} is missing; reinstall unmask-sdk")
    return found


if __name__ == "__main__":
    write_models(Path(sys.argv[1]))
