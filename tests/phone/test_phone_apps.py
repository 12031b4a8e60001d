"""The sample apps' code without platform imports agrees with the package.

The programs of this folder run the apps' five steps in Kotlin and Swift. For each network they
write a letter and the pixels (`d`, `a`, `u`: detector, aligner, unmasker), and read the outputs;
last they write `r` and the photo.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

import phone_code
import unmask_sdk
from example_photos import EXAMPLES, read_rgb
from shared_folders import make_once
from unmask_sdk.export.vectors import TOLERANCES, export_vectors

pytestmark = [pytest.mark.slow, pytest.mark.engine]

# Largest mean difference of bytes: only roundings.
MEANS = {name: 1e-4 for name in ("canvas", "aligner_crop", "crop", "pasted", "blended")}


@pytest.fixture(scope="module")
def vectors(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with 100 vectors."""
    return make_once(tmp_path_factory, "vectors", lambda folder: export_vectors(folder, 100))


@pytest.fixture(scope="module", params=["kotlin", "swift"])
def programs(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> phone_code.Programs:
    return phone_code.programs(request.param, tmp_path_factory)


def check(found: dict[str, tuple[int, float, float]], vectors: Path, missing: str) -> None:
    assert set(found) == set(TOLERANCES) - {missing}
    content = json.loads((vectors / "vectors.json").read_text())["vectors"]
    assert found["crop"][0] == len(content) * 256 * 256 * 3
    assert found["kept"][0] == sum(len(vector["kept"]) for vector in content) > len(content)
    for name, (_, largest, mean) in found.items():
        assert largest <= TOLERANCES[name], name
        assert mean <= MEANS.get(name, TOLERANCES[name]), name


def test_vectors(programs: phone_code.Programs, vectors: Path) -> None:
    check(programs.differences(vectors), vectors, missing="blended")


def test_vectors_in_javascript(vectors: Path) -> None:
    """The modules of the npm package, which also match sharpness and noise."""
    if shutil.which("node") is None:
        pytest.skip("needs Node.js")
    command = ["node", str(phone_code.TESTS / "check_vectors.mjs"), str(vectors)]
    check(phone_code.differences(command), vectors, missing="pasted")


def group_photo() -> np.ndarray:
    """A photo that is downsampled and seen in tiles, with a large and a small face."""
    photo = np.full((1300, 1900, 3), 90, np.uint8)
    large = cv2.resize(read_rgb(EXAMPLES[0]), (1100, 1100), interpolation=cv2.INTER_CUBIC)
    photo[100:1200, 60:1160] = large
    small = cv2.resize(read_rgb(EXAMPLES[1]), (200, 200), interpolation=cv2.INTER_AREA)
    photo[900:1100, 1500:1700] = small
    return photo


@pytest.fixture(scope="module")
def model() -> Iterator[unmask_sdk.Unmasker]:
    with unmask_sdk.load("tflite", "int8") as opened:
        yield opened


@pytest.mark.parametrize("number", range(5))
def test_photos(number: int, programs: phone_code.Programs, model: unmask_sdk.Unmasker) -> None:
    photo = read_rgb(EXAMPLES[number]) if number < 4 else group_photo()
    result = model(photo)
    assert len(result.faces) == (1 if number < 4 else 2)
    phone_code.check_like_package(programs.unmask(photo), photo, result)


def test_pure_files_import_no_platform() -> None:
    for file in phone_code.PURE:
        imports = re.findall(r"^import (\S+)", file.read_text(encoding="utf-8"), re.MULTILINE)
        assert all(name.startswith("kotlin.") or name == "Foundation" for name in imports), file


def test_other_files_are_parsed(tmp_path: Path) -> None:
    """What imports Android, LiteRT or Core ML cannot be compiled here, but has no syntax error."""
    page = (phone_code.ROOT / "docs/phone.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"^```kotlin\n(import .*?)^```", page, re.DOTALL | re.MULTILINE)
    (tmp_path / "Delegates.kt").write_text(block)
    other = [file for file in phone_code.KOTLIN.glob("*.kt") if file not in phone_code.PURE]
    assert len(other) == 2
    messages = phone_code.kotlin_errors([*other, tmp_path / "Delegates.kt"])
    assert "unresolved reference 'android'" in messages
    assert "syntax error" not in messages
    (tmp_path / "Delegates.kt").write_text(block.replace("{", "", 1))
    assert "syntax error" in phone_code.kotlin_errors([tmp_path / "Delegates.kt"])


def test_other_swift_files_are_parsed() -> None:
    other = [file for file in phone_code.SWIFT.glob("*.swift") if file not in phone_code.PURE]
    assert len(other) == 2
    phone_code.parse_swift(other)


def test_javascript_snippet_is_parsed(tmp_path: Path) -> None:
    if shutil.which("node") is None:
        pytest.skip("needs Node.js")
    page = (phone_code.ROOT / "docs/phone.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"^```js\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    (tmp_path / "snippet.mjs").write_text(block)
    command = ["node", "--check", str(tmp_path / "snippet.mjs")]
    assert subprocess.run(command, timeout=60, check=False).returncode == 0
