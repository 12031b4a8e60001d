"""The public API in Chromium, with the shipped models."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from unmask_sdk.core.manifest import read_manifest
from web_calls import Flat
from web_server import WebServer

pytestmark = pytest.mark.browser

MODELS = "../tests/models.js"
ROOT = Path(__file__).parents[2]
PHOTO = Flat(np.frombuffer((ROOT / "examples/surgical.jpg").read_bytes(), np.uint8))
LITE = {"model": "unmask-256-lite"}


@pytest.fixture(scope="module")
def lite(npm, call):
    """The default model; returns what it runs on."""
    return call(MODELS, "open", "lite", LITE)


def test_info_and_progress(lite):
    info = lite["info"]
    assert info.pop("runtime").startswith("onnxruntime-web 1.")
    assert info == {
        "model": "unmask-256-lite",
        "precision": "int8",
        "backend": "wasm",
        "threads": 1,
    }
    last = lite["progress"][-1]
    assert last["loaded"] == last["total"] > 2_000_000
    loaded = [event["loaded"] for event in lite["progress"]]
    assert loaded == sorted(loaded)
    assert {event["file"] for event in lite["progress"]} == {
        "detector-fp32.onnx",
        "detector.safetensors",
        "aligner-fp32.onnx",
        "aligner.safetensors",
        "unmask-256-lite-int8.onnx",
    }


def test_models_are_those_of_the_package(npm):
    """Each file that is shipped has its address in the code, which bundlers read."""
    folder = ROOT / "web/models"
    names = {file.name for file in folder.iterdir()} - {"LICENSE-WEIGHTS.md"}
    code = (ROOT / "web/src/core/model_files.js").read_text()
    assert names == {line.split('"')[1] for line in code.splitlines() if "new URL(" in line}
    listed = json.loads((folder / "manifest.json").read_text())["artifacts"]
    external = {entry["external"]["file"] for entry in listed if entry["external"]}
    assert {entry["file"] for entry in listed} | external | {"manifest.json"} == names


def test_crops_equal_the_golden_vectors(lite, call):
    manifest = read_manifest()
    artifact = next(a for a in manifest.artifacts if a.file == "unmask-256-lite-int8.onnx")
    with np.load(manifest.golden_path(artifact)) as data:
        images, expected = data["in_image"], data["out_unmasked"]
    found = call(MODELS, "crops", "lite", Flat(images))
    difference = found["unmasked"].reshape(expected.shape).astype(float) - expected
    assert 10 * np.log10(255**2 / np.mean(difference**2)) >= artifact.golden.min_psnr_db
    assert found["masks"].size == images.size // 3
    empty = call(MODELS, "crops", "lite", Flat(images[:0]))
    assert empty["unmasked"].size == empty["masks"].size == 0


def test_crops_of_another_size_are_refused(lite, call):
    with pytest.raises(
        Exception, match=r"InvalidInputError: crops must be .* N \* 256 \* 256 \* 3"
    ):
        call(MODELS, "crops", "lite", Flat(np.zeros((1, 128, 128, 3), np.uint8)))


def test_a_failed_call_leaves_the_model_usable(lite, call):
    broken, empty = Flat(PHOTO.values[:3000]), Flat(PHOTO.values[:0])
    ends = call(MODELS, "unmaskAllAtOnce", "lite", [PHOTO, broken, empty, PHOTO])
    assert ends[1].startswith("ImageReadError: the file is cut off")
    assert ends[2] == "ImageReadError: the file is empty (0 bytes)"
    np.testing.assert_array_equal(ends[0]["image"], ends[3]["image"])
    assert ends[0]["faces"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"boxes": [[1, 2, 3, 4]], "eyes": [[[1, 2], [3, 4]]]}, "give boxes or eyes, not both"),
        ({"boxes": [[9, 9, 5, 5]]}, r"a box must be four finite numbers .* got \[9,9,5,5\]"),
        ({"boxes": [[1, 2, 3]]}, r"boxes must be arrays of numbers with the shape \[F, 4\]; got"),
        ({"boxes": [[9e3, 0, 9.1e3, 50]]}, "boxes must not lie outside the .* image; got"),
        ({"eyes": [[[1, 2], [1, 2]]]}, "eyes must be at least 1 px apart"),
        ({"eyes": [[[1, 2], [3, float("nan")]]]}, "eyes must be two finite"),
        ({"eyes": "left"}, r"eyes must be arrays of numbers with the shape \[F, 2, 2\]"),
    ],
)
def test_bad_faces(lite, call, options, message):
    with pytest.raises(Exception, match=f"InvalidInputError: {message}"):
        call(MODELS, "unmaskFile", "lite", PHOTO, options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"model": "unmask-512"}, "InvalidInputError: there is no model unmask-512; there is unm"),
        ({"precision": "int4"}, "InvalidInputError: unmask-256-lite has no file in int4; it has"),
        ({"backend": "webgl"}, 'InvalidInputError: backend must be "wasm" or "webgpu", got "web'),
        ({"backend": "webgpu", "precision": "int8"}, "InvalidInputError: webgpu runs fp32 only"),
        ({"threads": 0}, "InvalidInputError: threads must be a whole number from 1 to 64, got 0"),
        ({"threads": 2}, "InvalidInputError: threads is 2, .*Cross-Origin-Opener-Policy: same-o"),
        ({"models": "/absent/"}, "ArtifactError: .*/absent/manifest.json cannot be loaded: .* 404"),
        (
            {"models": "http://127.0.0.1:9/"},
            r"ArtifactError: .* cannot be loaded \(.*check the net",
        ),
        (
            {"onnxruntime": "/absent.mjs"},
            "RuntimeUnavailableError: ONNX Runtime Web cannot be load",
        ),
        ({"wasmPaths": "/absent/"}, "RuntimeUnavailableError: .* does not open .* wasmPaths"),
        ({"onnxruntime": None}, "RuntimeUnavailableError: the worker of this model failed: "),
        ({"backend": "webgpu"}, "RuntimeUnavailableError: .*WebGPU.* use backend: .wasm"),
    ],
)
def test_bad_options(npm, call, options, message):
    with pytest.raises(Exception, match=message):
        call(MODELS, "openAndClose", options)


def test_model_files_that_were_tampered_with(npm, call, scratch):
    folder = scratch / "tampered"
    folder.mkdir()
    for file in (ROOT / "web/models").iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    for name in ("unmask-256-lite-int8.onnx", "aligner.safetensors"):
        file = folder / name
        content = file.read_bytes()
        changed = bytearray(content)
        changed[len(changed) // 2] ^= 1
        file.write_bytes(changed)
        with pytest.raises(Exception, match=rf"ArtifactError: .*{name} was changed or damaged"):
            call(MODELS, "openAndClose", {"models": "/scratch/tampered"})
        file.write_bytes(content)
    (folder / "manifest.json").write_text('{"schema": 2}')
    with pytest.raises(
        Exception, match=r"ArtifactError: .* has schema 2, this version of .* reads 1"
    ):
        call(MODELS, "openAndClose", {"models": "/scratch/tampered"})
    (folder / "manifest.json").write_text("<!doctype html>")
    with pytest.raises(Exception, match=r"ArtifactError: .*manifest\.json is not valid JSON"):
        call(MODELS, "openAndClose", {"models": "/scratch/tampered"})


def test_close_ends_every_call(npm, call):
    running, waiting, late, later = call(MODELS, "closeInBetween", LITE, PHOTO)
    for status, reason, name in (running, waiting, late, later):
        assert status == "rejected"
        assert reason == "RuntimeUnavailableError: this model is closed; open another with load()"
        assert name == "RuntimeUnavailableError"


def test_a_worker_that_fails_ends_the_model(npm, call):
    for end in call(MODELS, "breakWorker", LITE, PHOTO):
        assert end.startswith("RuntimeUnavailableError: the worker of this model failed: Uncaught")


@pytest.mark.parametrize("type_", ["image/jpeg", "image/png"])
def test_notes_report_what_a_file_cannot_hold(lite, call, type_):
    photo = Image.open(ROOT / "examples/surgical.jpg").convert("RGBA").resize((160, 160))
    photo.putpixel((0, 0), (1, 2, 3, 0))
    exif = Image.Exif()
    exif[0x010F] = "a camera"
    content = BytesIO()
    photo.save(content, "PNG", exif=exif)
    file = Flat(np.frombuffer(content.getvalue(), np.uint8))
    notes = call(MODELS, "unmaskToFile", "lite", file, {"type": type_})["notes"]
    assert notes[0].startswith("the photo's metadata (EXIF, XMP, IPTC, comments) were not kept")
    assert len(notes) == (2 if type_ == "image/jpeg" else 1)
    assert notes[1:] in ([], ["JPEG has no transparency: the image was composited on white"])


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("load(null)", r"the options of load\(\) must be an object such as { model: … }, got null"),
        ("load('unmask-256')", r'the options of load\(\) must .* { model: "unmask-256" }, got "un'),
        ("load({ device: 'gpu' })", r'load\(\) has no option "device"; its options are model, ba'),
        ("load({ model: null })", "model must be a string; got null"),
        ("load({ backend: 'toString' })", 'backend must be "wasm" or "webgpu", got "toString"'),
        ("load({ onprogress: 1 })", "onprogress must be a function; got 1"),
        ("load({ threads: Symbol('2') })", r"threads must be a whole .*, got Symbol\(2\)"),
        ("load({ models: 'http://:bad' })", 'models must be an address .*, got "http://:bad"'),
        ("load({ onnxruntime: null })", "onnxruntime must be an address .*, got null"),
        ("load({ wasmPaths: null })", "the options of wasmPaths must be an object .*, got null"),
        ("load({ wasmPaths: 5 })", "the options of wasmPaths must be an object .*, got 5"),
        ("load({ wasmPaths: { js: '/' } })", 'wasmPaths has no option "js"; its options are wasm,'),
        ("load({ wasmPaths: { mjs: 5 } })", r"wasmPaths\.mjs must be an address .*, got 5"),
        ("model.unmask(blob, null)", r"the options of unmask\(\) must .* { boxes: … }, got null"),
        ("model.unmask(blob, { box: [] })", r'unmask\(\) has no option "box"; .* boxes, eyes'),
        ("model.unmask(blob, { boxes: () => 1 })", "boxes must be arrays of .*; got a function"),
        ("model.unmask(blob, { boxes: [[() => 1]] })", r"boxes must be .*; got \[\[a function\]\]"),
        ("model.crops(() => 1)", "crops must be a Uint8Array .*; got a function"),
        ("model.session(null)", r"the options of session\(\) must .* { smooth: … }, got null"),
        ("model.session({ smoth: true })", r'session\(\) has no option "smoth"; .* are smooth'),
        ("model.session({ smooth: 'no' })", 'smooth must be true or false; got "no"'),
        ("model.stream()", "video must be a <video> element, got undefined"),
        (
            "model.stream(video)",
            r"the options of stream\(\) must .* { onresult: … }, got undefined",
        ),
        ("model.stream(video, {})", r"stream\(\) needs onresult"),
        ("model.stream(video, { onResult() {} })", r'stream\(\) has no option "onResult"; its opt'),
        (
            "model.stream(video, { onresult() {}, timeout: -1 })",
            "timeout must be a positive number",
        ),
        (
            "model.stream(video, { onresult() {}, timeout: 2 ** 31 })",
            "timeout must be .*; got 2147",
        ),
        ("result.toBlob('image/png')", r'the options of toBlob\(\) must .* { type: "image/png" }'),
        ("result.toBlob(null)", r"the options of toBlob\(\) must be an object .*, got null"),
        (
            "result.toBlob({ format: 'png' })",
            r'toBlob\(\) has no option "format"; .* type, quality',
        ),
        ("frame.close(); await model.unmask(frame)", "the VideoFrame is closed or was transferred"),
        ("bitmap.close(); await model.unmask(bitmap)", "the ImageBitmap is closed or was transf"),
        (
            "const call = model.unmask(bitmap); bitmap.close(); await call",
            "the ImageBitmap is closed or was transferred; keep it until the call has ended",
        ),
        (
            "const { data } = image; structuredClone(0, { transfer: [data.buffer] });"
            "await model.unmask(image)",
            "the pixels of the ImageData were transferred",
        ),
        (
            "const { data } = image; structuredClone(0, { transfer: [data.buffer] });"
            "await model.crops(data)",
            "an argument cannot be sent to the worker .*detached.*; its arrays must not be transf",
        ),
    ],
)
def test_mistakes(npm, call, code, message):
    if not code.count("await"):
        code = f"await {code}"
    assert re.match(f"InvalidInputError: {message}", call("../tests/mistakes.js", "run", code))


def test_a_canvas_without_a_context(npm, call):
    empty = call("../tests/mistakes.js", "run", "await model.unmask(new OffscreenCanvas(8, 8))")
    assert empty.startswith(
        "ImageReadError: the OffscreenCanvas has no image that can be read; get"
    )


def test_pictures_of_another_origin(npm, call):
    with WebServer({"/": ROOT / "examples"}) as elsewhere:
        address = f"{elsewhere.address}/surgical.jpg"
        ends = call("../tests/mistakes.js", "unmaskFromElsewhere", address)
    assert len(ends) == 4
    for end in ends:
        assert re.match('ImageReadError: .* another origin .* crossorigin="anonymous" .* Blob', end)


def test_load_outside_a_browser():
    """A server that renders a page imports the module, and must not open a model."""
    if shutil.which("node") is None:
        pytest.skip("needs Node.js")
    code = (
        f"import {{ load }} from {json.dumps((ROOT / 'web/src/index.js').as_uri())}; await load()"
    )
    done = subprocess.run(
        ["node", "--input-type=module", "--eval", code], capture_output=True, text=True, check=False
    )
    assert "RuntimeUnavailableError: load() needs a browser, and here is no Worker" in done.stderr
