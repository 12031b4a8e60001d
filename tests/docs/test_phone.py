"""The code of docs/phone-code.md runs unchanged, and its results are the package's."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

import unmask_sdk
from phone_code import check_like_package
from unmask_sdk.core.manifest import read_manifest
from unmask_sdk.export.vectors import TOLERANCES, export_vectors

ROOT = Path(__file__).parents[2]
ARTIFACTS = ROOT / "unmask_sdk" / "artifacts"
PAGE = (ROOT / "docs" / "phone.md").read_text(encoding="utf-8")
CODE_PAGE = (ROOT / "docs" / "phone-code.md").read_text(encoding="utf-8")
APPS = [ROOT / "examples/android", ROOT / "examples/ios"]


@pytest.fixture(scope="module")
def names() -> dict[str, Any]:
    """The names that the page's code defines."""
    pytest.importorskip("ai_edge_litert")
    (block,) = re.findall(r"^```python\n(.*?)^```", CODE_PAGE, re.DOTALL | re.MULTILINE)
    defined: dict[str, Any] = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ARTIFACTS)
        exec(block, defined)
    return defined


@pytest.mark.parametrize("name", ["surgical", "cloth", "n95", "dark"])
def test_result_is_close_to_the_package(name: str, names: dict[str, Any]) -> None:
    photo = cv2.imread(str(ROOT / "examples" / f"{name}.jpg"))[..., ::-1].copy()
    with unmask_sdk.load("tflite", "int8") as model:
        result = model(photo)
    (points,) = names["locate"](photo)
    np.testing.assert_array_equal(points[:2], result.faces[0].eyes)
    check_like_package(names["unmask"](photo), photo, result)


def test_photo_of_several_tiles(names: dict[str, Any]) -> None:
    """The detector sees it at two scales, the larger one in tiles."""
    example = cv2.imread(str(ROOT / "examples" / "cloth.jpg"))[..., ::-1]
    photo = np.full((1300, 1900, 3), 90, np.uint8)
    photo[100:1200, 60:1160] = cv2.resize(example, (1100, 1100), interpolation=cv2.INTER_CUBIC)
    photo[900:1100, 1500:1700] = cv2.resize(example, (200, 200), interpolation=cv2.INTER_AREA)
    with unmask_sdk.load("tflite", "int8") as model:
        expected = [face.eyes for face in model(photo).faces]
    assert len(expected) == 2
    found = [points[:2] for points in names["locate"](photo)]
    np.testing.assert_array_equal(
        sorted(np.ravel(eyes).tolist() for eyes in found),
        sorted(np.ravel(eyes).tolist() for eyes in expected),
    )


def test_face_without_mask_is_unchanged(names: dict[str, Any]) -> None:
    photo = cv2.imread(str(ROOT / "examples" / "surgical.jpg"))[..., ::-1].copy()
    with unmask_sdk.load("tflite", "int8") as model:
        bare = model(photo).image
    np.testing.assert_array_equal(names["unmask"](bare), bare)


def test_vectors(names: dict[str, Any], tmp_path: Path) -> None:
    content = json.loads(export_vectors(tmp_path, 100).read_text(encoding="utf-8"))
    binary = (tmp_path / "vectors.bin").read_bytes()
    checked: set[str] = set()

    def array(place: dict[str, Any]) -> np.ndarray:
        count = int(np.prod(place["shape"]))
        values = np.frombuffer(binary, place["dtype"], count, place["offset"])
        return values.reshape(place["shape"])

    def check(name: str, value: Any, expected: Any) -> None:
        value = np.ravel(np.asarray(value, np.float64))
        np.testing.assert_allclose(value, np.ravel(expected), atol=TOLERANCES[name], rtol=0)
        checked.add(name)

    for vector in content["vectors"]:
        photo = array(vector["photo"])
        scales = [step["scale"] for step in vector["letterbox"]]
        assert names["detector_scales"](*photo.shape[:2]) == pytest.approx(scales)
        for step in vector["letterbox"]:
            canvas, factors = names["letterbox"](photo, step["scale"])
            check("canvas", canvas, array(step["canvas"]))
            check("factors", factors, step["factors"])
        boxes, heats = names["decode"](array(vector["heat"]), array(vector["box"]))
        check("boxes", boxes, vector["boxes"])
        check("heats", heats, vector["heats"])
        check("kept", names["nms"](boxes, heats), vector["kept"])
        first = names["box_matrix"](np.array(vector["face_box"]))
        check("box_matrix", first, vector["box_matrix"])
        check(
            "points",
            names["photo_points"](array(vector["aligner_points"]), first),
            vector["points"],
        )
        second = names["points_matrix"](np.array(vector["placing"]))
        check("points_matrix", second, vector["points_matrix"])
        check("aligner_crop", names["cut"](photo, second, 112), array(vector["aligner_crop"]))
        matrix = names["crop_matrix"](*vector["eyes"])
        check("crop_matrix", matrix, vector["crop_matrix"])
        check("crop", names["cut"](photo, matrix), array(vector["crop"]))
        pasted = photo.copy()
        names["paste"](pasted, array(vector["unmasked"]), array(vector["mask"]), matrix)
        check("pasted", pasted, array(vector["pasted"]))
    assert checked == set(TOLERANCES) - {"blended"}


def test_snippets_of_the_apps() -> None:
    """Code that begins with a file's name is in that file of a sample app."""
    blocks = re.findall(
        r"^```(?:kotlin|swift)\n// (\S+)\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE
    )
    assert len(blocks) == 4
    for name, code in blocks:
        (file,) = [file for app in APPS for file in app.rglob(name)]
        assert code in file.read_text(encoding="utf-8"), name


def test_files_and_sizes() -> None:
    """The table names every TFLite file of the package, with its size and its tensors."""
    rows = re.findall(r"^\| (?:or )?`([\w-]+)` \| ([\d.]+) \| (.*) \|$", PAGE, re.MULTILINE)
    manifest = read_manifest(ARTIFACTS)
    files = {a.file: a for a in manifest.artifacts if a.format == "tflite"}
    assert sorted(f"{name}.tflite" for name, _, _ in rows) == sorted(files)
    for name, size, tensors in rows:
        artifact = files[f"{name}.tflite"]
        assert abs(float(size) - artifact.bytes / 1e6) < 0.1
        for spec in (*artifact.inputs, *artifact.outputs):
            assert f"{spec.dtype} `{list(spec.shape)}`" in tensors or "the same" in tensors


def test_models_of_the_android_app_exist() -> None:
    app = ROOT / "examples/android/app"
    build = (app / "build.gradle.kts").read_text(encoding="utf-8")
    (folder,) = re.findall(r'from\("(.+?)"\)', build)
    copied = re.findall(r'"([\w-]+\.tflite)"', build)
    assert len(copied) == 3
    assert all((app / folder / name).is_file() for name in copied)
    code = "".join(file.read_text(encoding="utf-8") for file in app.rglob("*.kt"))
    assert re.findall(r'"([\w-]+\.tflite)"', code) == copied
