"""A Triton server serves what `unmask export triton --backend python` writes.

It is the server of `nvidia-pytriton`, which has the Python backend alone. The model of photos is
the same for all backends, and calls the networks in the same way.
"""

from __future__ import annotations

import io
import json
import re
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import unmask_sdk
from example_photos import EXAMPLES, read_rgb
from triton_server import server_folder, triton_server
from unmask_sdk.core.arrays import UInt8Array
from unmask_sdk.export.triton.repository import export_repository
from unmask_sdk.loading.load import open_runtime

pytestmark = pytest.mark.serving

if server_folder() is None:
    pytest.skip("needs nvidia-pytriton: nox -s serving", allow_module_level=True)
pytest.importorskip("tritonclient", reason="needs tritonclient: nox -s serving")
client_module = pytest.importorskip("tritonclient.http")
client_errors = pytest.importorskip("tritonclient.utils")


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("triton")
    export_repository(folder / "models", backend="python")
    with triton_server(folder / "models", folder) as address:
        yield address


@pytest.fixture
def client(address: str) -> Iterator[Any]:
    with client_module.InferenceServerClient(address, concurrency=8) as opened:
        yield opened


def photo_input(content: bytes) -> Any:
    data = np.frombuffer(content, np.uint8)
    tensor = client_module.InferInput("photo", [len(data)], "UINT8")
    tensor.set_data_from_numpy(data)
    return tensor


def ask(client: Any, content: bytes, **parameters: object) -> tuple[bytes, dict[str, Any]]:
    answer = client.infer("unmask", [photo_input(content)], parameters=parameters or None)
    report = json.loads(answer.as_numpy("result")[0])
    return answer.as_numpy("image").tobytes(), report


def pixels(content: bytes) -> UInt8Array:
    with Image.open(io.BytesIO(content)) as image:
        return np.asarray(image)


def grid(count: int) -> bytes:
    """A PNG of many faces: more than the unmasker, and than the aligner, take in one batch."""
    side = 224
    faces = [read_rgb(EXAMPLES[i % len(EXAMPLES)]) for i in range(count)]
    small = [np.asarray(Image.fromarray(face).resize((side, side))) for face in faces]
    rows = [np.hstack(small[i : i + 6]) for i in range(0, count, 6)]
    file = io.BytesIO()
    Image.fromarray(np.vstack(rows)).save(file, "png")
    return file.getvalue()


@pytest.mark.parametrize("photo", EXAMPLES, ids=lambda path: path.stem)
def test_picture_is_that_of_unmask_image(photo: Path, client: Any, tmp_path: Path) -> None:
    out = tmp_path / "out.png"
    command = [sys.executable, "-m", "unmask_sdk", "image", str(photo), "-o", str(out)]
    subprocess.run(command, check=True, timeout=120)
    image, report = ask(client, photo.read_bytes())
    expected = pixels(out.read_bytes())
    assert np.array_equal(pixels(image), expected)
    assert not np.array_equal(expected, read_rgb(photo))
    assert report["size"] == [expected.shape[1], expected.shape[0]]
    assert [face["masked"] for face in report["faces"]] == [True]


def test_report_holds_the_faces_of_the_result(client: Any) -> None:
    content = EXAMPLES[0].read_bytes()
    _, report = ask(client, content)
    with unmask_sdk.load("onnx") as model:
        result = model(content)
    (face,), (served,) = result.faces, report["faces"]
    assert served["box"] == pytest.approx(face.box)
    assert np.allclose(served["eyes"], face.eyes)
    assert served["confidence"] == pytest.approx(face.confidence, abs=1e-5)
    assert report["notes"] == list(result.notes)


def test_more_faces_than_fit_in_a_batch(client: Any) -> None:
    content = grid(18)
    image, report = ask(client, content)
    with unmask_sdk.load("onnx") as model:
        result = model(content)
    assert len(report["faces"]) == len(result.faces) == 18
    # Another batch may change the last bit of a value.
    difference = np.abs(pixels(image).astype(int) - result.image)
    assert difference.mean() < 0.01


def test_format_quality_and_metadata_are_parameters(client: Any) -> None:
    content = EXAMPLES[0].read_bytes()
    with unmask_sdk.load("onnx") as model:
        result = model(content)
    image, _ = ask(client, content, format="jpg", quality=70, strip=True)
    assert image == result.encode("jpg", quality=70, strip=True)


def test_photo_without_a_face_comes_back(client: Any) -> None:
    ramp = np.tile(np.arange(200, dtype=np.uint8)[None, :, None], (120, 1, 3))
    file = io.BytesIO()
    Image.fromarray(ramp).save(file, "png")
    image, report = ask(client, file.getvalue())
    assert np.array_equal(pixels(image), ramp)
    assert report["faces"] == []


@pytest.mark.parametrize(
    ("content", "parameters", "words"),
    [
        (b"hello", {}, "not an image"),
        (b"", {}, "are empty"),
        (None, {"width": "png"}, "unknown parameter 'width'; known are format, quality, strip"),
        (None, {"format": "gif"}, "no format 'gif'"),
        (None, {"quality": 300}, "quality must be"),
        (None, {"strip": "yes"}, "strip must be true or false"),
    ],
)
def test_mistakes_are_answered_and_the_server_goes_on(
    content: bytes | None, parameters: dict[str, object], words: str, client: Any
) -> None:
    photo = EXAMPLES[0].read_bytes()
    with pytest.raises(client_errors.InferenceServerException, match=words) as caught:
        ask(client, photo if content is None else content, **parameters)
    assert caught.value.status() == "400"
    assert ask(client, photo)[1]["faces"]


def test_file_as_the_body_of_a_request(address: str, client: Any) -> None:
    # What docs/serving.md shows with curl.
    content = EXAMPLES[0].read_bytes()
    request = urllib.request.Request(
        f"http://{address}/v2/models/unmask/infer",
        content,
        {"Content-Type": "application/octet-stream", "Inference-Header-Content-Length": "0"},
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        body = answer.read()
        header = int(answer.headers["Inference-Header-Content-Length"])
    described = {o["name"]: o for o in json.loads(body[:header])["outputs"]}
    assert list(described) == ["image", "result"]
    size = described["image"]["parameters"]["binary_data_size"]
    assert body[header : header + size] == ask(client, content)[0]


def test_snippet_of_the_docs(address: str, tmp_path: Path) -> None:
    page = Path(__file__).parents[2] / "docs" / "serving.md"
    (snippet,) = re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    shutil.copy(EXAMPLES[0], tmp_path / "photo.jpg")
    command = [sys.executable, "-c", snippet.replace("localhost:8000", address)]
    done = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, check=True, timeout=120
    )
    assert "'masked': True" in done.stdout
    with unmask_sdk.load("onnx") as model:
        expected = model(EXAMPLES[0]).encode("jpg", quality=95)
    assert (tmp_path / "unmasked.jpg").read_bytes() == expected


def test_photos_at_the_same_time(client: Any) -> None:
    contents = [photo.read_bytes() for photo in EXAMPLES]
    alone = [ask(client, content)[0] for content in contents]
    inputs = [photo_input(content) for content in contents * 2]
    pending = [client.async_infer("unmask", [tensor]) for tensor in inputs]
    together = [answer.get_result().as_numpy("image").tobytes() for answer in pending]
    assert together == alone * 2


def test_requests_for_a_network_are_batched(client: Any) -> None:
    with unmask_sdk.load("onnx") as model:
        crops = [model(str(photo)).faces[0].original[None] for photo in EXAMPLES]
    inputs = []
    for crop in crops * 3:
        tensor = client_module.InferInput("image", list(crop.shape), "UINT8")
        tensor.set_data_from_numpy(crop)
        inputs.append(tensor)
    before = _counts(client)
    pending = [client.async_infer("unmask-256", [tensor]) for tensor in inputs]
    answers = [answer.get_result() for answer in pending]
    # The server counts a run after it has answered it.
    deadline = time.monotonic() + 60
    while (counts := np.subtract(_counts(client), before))[0] < len(inputs):
        assert time.monotonic() < deadline, f"{counts[0]} of {len(inputs)} requests are counted"
        time.sleep(0.05)
    requests, runs = counts
    assert requests == len(inputs)
    # The first runs alone; the others wait meanwhile, and share runs.
    assert runs < requests
    with open_runtime() as runtime:
        for crop, answer in zip(crops * 3, answers, strict=True):
            for name, expected in runtime.run_named(image=crop).items():
                assert np.abs(answer.as_numpy(name).astype(int) - expected).max() <= 1


def test_int8_of_the_lite_network(tmp_path: Path) -> None:
    name = "unmask-256-lite"
    export_repository(tmp_path / "models", backend="python", precision="int8", model=name)
    content = EXAMPLES[0].read_bytes()
    with (
        triton_server(tmp_path / "models", tmp_path) as address,
        client_module.InferenceServerClient(address) as client,
    ):
        image, _ = ask(client, content)
    with unmask_sdk.load("onnx", "int8", model=name) as model:
        assert np.array_equal(pixels(image), model(content).image)


def test_missing_network_is_named(tmp_path: Path) -> None:
    export_repository(tmp_path / "models", backend="python")
    shutil.rmtree(tmp_path / "models" / "unmask-aligner")
    with (
        triton_server(tmp_path / "models", tmp_path) as address,
        client_module.InferenceServerClient(address) as client,
        pytest.raises(client_errors.InferenceServerException, match="unmask-aligner") as caught,
    ):
        ask(client, EXAMPLES[0].read_bytes())
    assert "model unmask-aligner of this Triton server failed: " in str(caught.value)


def _counts(client: Any) -> tuple[int, int]:
    (stats,) = client.get_inference_statistics("unmask-256")["model_stats"]
    return int(stats["inference_count"]), int(stats["execution_count"])
