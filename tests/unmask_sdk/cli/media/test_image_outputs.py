"""What `unmask image` writes where, and what it prints: without --out, masks, overlays, JSON."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import unmask_sdk
from unmask_process import run_unmask

pytestmark = pytest.mark.slow

pytest.importorskip("onnxruntime")

EXAMPLES = Path(__file__).parents[4] / "examples"
KEYS = [
    "source", "output", "status", "size", "faces", "timings", "notes", "copied", "error",
]  # fmt: skip


@pytest.fixture
def unmask(tmp_path: Path):
    """Runs `unmask image` with the shipped model in `tmp_path`, where two photos are."""
    for name in ("dark.jpg", "surgical.jpg"):
        shutil.copy(EXAMPLES / name, tmp_path)

    def run(*arguments: object) -> subprocess.CompletedProcess[str]:
        done = run_unmask("image", "--runtime", "onnx", *arguments, cwd=tmp_path)
        assert "Traceback" not in done.stderr
        return done

    return run


def piped(*arguments: str, **options: object) -> subprocess.CompletedProcess[bytes]:
    """Runs `unmask image` with the shipped model, and returns its output as bytes."""
    line = [sys.executable, "-m", "unmask_sdk", "image", "--runtime", "onnx", *arguments]
    return subprocess.run(line, capture_output=True, timeout=120, **options)  # type: ignore[call-overload,no-any-return]


@pytest.fixture(scope="module")
def dark() -> unmask_sdk.Result:
    with unmask_sdk.load("onnx") as model:
        return model(EXAMPLES / "dark.jpg")


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.array(image)


def test_without_out_a_result_is_put_next_to_its_photo(unmask, tmp_path):
    (tmp_path / "deep").mkdir()
    shutil.move(tmp_path / "surgical.jpg", tmp_path / "deep")
    Image.open(tmp_path / "dark.jpg").quantize().save(tmp_path / "moving.gif")
    done = unmask("dark.jpg", "deep/surgical.jpg", "moving.gif")
    assert done.returncode == 0, done.stderr
    targets = ["dark.unmasked.jpg", os.path.join("deep", "surgical.unmasked.jpg")]
    targets.append("moving.unmasked.png")
    assert [line.split(":")[0] for line in done.stdout.splitlines()] == targets
    for target in targets:
        assert pixels(tmp_path / target).shape == (512, 512, 3)


def test_without_out_no_file_is_replaced_unless_asked(unmask, tmp_path):
    kept = tmp_path / "surgical.unmasked.jpg"
    kept.write_text("mine")
    done = unmask("dark.jpg", "surgical.jpg")
    assert (done.returncode, done.stdout) == (1, "")
    assert "surgical.unmasked.jpg exists; replace it with --overwrite, or name" in done.stderr
    assert kept.read_text() == "mine"
    assert not (tmp_path / "dark.unmasked.jpg").exists()
    done = unmask("surgical.jpg", "--overwrite")
    assert done.returncode == 0, done.stderr
    assert pixels(kept).shape == (512, 512, 3)
    # A photo that would be replaced is no result.
    shutil.copy(tmp_path / "dark.jpg", tmp_path / "dark.unmasked.jpg")
    done = unmask("dark.jpg", "dark.unmasked.jpg", "--overwrite")
    assert "dark.unmasked.jpg is one of the images to read" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["."], ". is a folder; name one for its results, such as --out unmasked"),
        (["dark.jpg", "dark.jpg"], "would both be written to dark.unmasked.jpg"),
        (["dark.jpg", "--overlay", "--mask-only"], "exclude one another"),
        (["dark.jpg", "-o", "-", "--json"], "--json and the image would both go to stdout"),
    ],
)
def test_what_cannot_be_is_one_line(unmask, tmp_path, arguments, words):
    before = sorted(os.listdir(tmp_path))
    done = unmask(*arguments)
    assert done.returncode == 1
    assert words in done.stderr
    assert done.stderr.count("\n") == 1
    assert sorted(os.listdir(tmp_path)) == before


def test_a_mask_is_what_the_result_calls_generated(unmask, dark, tmp_path):
    done = unmask("dark.jpg", "--mask-only")
    assert done.stdout.startswith("dark.mask.png: 1 face, 1 unmasked"), done.stderr
    np.testing.assert_array_equal(pixels(tmp_path / "dark.mask.png"), dark.generated)
    assert b"Algorithmic" not in (tmp_path / "dark.mask.png").read_bytes()
    done = piped("dark.jpg", "--mask-only", "-o", "-", cwd=tmp_path)
    assert done.stdout == (tmp_path / "dark.mask.png").read_bytes()


def test_an_overlay_draws_what_was_found(unmask, dark, tmp_path):
    done = unmask("dark.jpg", "--overlay", "-o", "drawn.png")
    assert done.returncode == 0, done.stderr
    np.testing.assert_array_equal(pixels(tmp_path / "drawn.png"), dark.overlay())
    assert b"compositeWithTrainedAlgorithmicMedia" in (tmp_path / "drawn.png").read_bytes()
    assert unmask("dark.jpg", "--overlay").stdout.startswith("dark.overlay.jpg: ")


def test_without_out_stdin_goes_to_stdout(unmask, dark, tmp_path):
    done = piped("-", cwd=tmp_path, stdin=(tmp_path / "dark.jpg").open("rb"))
    assert done.stdout == dark.encode("png")


def test_json_is_one_object_for_each_photo(unmask, dark, tmp_path):
    (tmp_path / "text.jpg").write_text("hello")
    done = unmask("dark.jpg", "text.jpg", "--json")
    assert done.returncode == 1
    first, second = map(json.loads, done.stdout.splitlines())
    assert list(first) == list(second) == KEYS
    expected = dark.to_dict()
    assert {key: first[key] for key in ("size", "faces", "notes")} == {
        key: expected[key] for key in ("size", "faces", "notes")
    }
    assert first["timings"].keys() == expected["timings"].keys()
    assert (first["source"], first["output"]) == ("dark.jpg", "dark.unmasked.jpg")
    assert (first["status"], first["copied"], first["error"]) == ("unmasked", False, None)
    assert (second["status"], second["output"], second["faces"]) == ("failed", None, None)
    assert second["error"]["type"] == "ImageReadError"
    assert f"unmask: error: {second['error']['message']}\n" in done.stderr


def test_an_error_that_ends_the_command_is_json_too(unmask):
    done = unmask("dark.jpg", "--json", "--model", "nobody")
    assert done.returncode == 1
    error = json.loads(done.stdout)["error"]
    assert error.keys() == {"type", "message"}
    assert done.stderr == f"unmask: error: {error['message']}\n"


def test_quiet_prints_errors_alone(unmask, tmp_path):
    done = unmask("dark.jpg", "-q")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    (tmp_path / "text.jpg").write_text("hello")
    done = unmask("surgical.jpg", "text.jpg", "--quiet")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("unmask: error: text.jpg")
    assert done.stderr.count("\n") == 1
    assert (tmp_path / "surgical.unmasked.jpg").exists()
