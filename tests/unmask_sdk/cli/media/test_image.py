"""`unmask image` as a user runs it: files, lines and exit codes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from unmask_process import run_unmask
from unmask_sdk.cli.media.process_file import Failed, Options, attempt
from unmask_sdk.errors import ImageReadError

EYES = np.array([[250.0, 95.0], [310.0, 95.0]])


@pytest.fixture
def unmask(painted_artifacts: Path, tmp_path: Path):
    """Runs `unmask image` in `tmp_path`."""

    def run(*arguments: object) -> subprocess.CompletedProcess[str]:
        fixed = ["image", "--artifacts", painted_artifacts, "--runtime", "onnx"]
        done = run_unmask(*fixed, *arguments, cwd=tmp_path)
        assert "Traceback" not in done.stderr
        assert not [name for name in os.listdir(tmp_path) if name.endswith(".part")]
        return done

    return run


@pytest.fixture
def photo(painter, backdrop) -> Image.Image:
    return Image.fromarray(painter(backdrop, EYES))


def blue(path: Path) -> int:
    with Image.open(path) as image:
        pixels = np.array(image.convert("RGB")).astype(int)
    return int((pixels[..., 2] - pixels[..., 0] > 150).sum())


def test_one_photo(unmask, photo, tmp_path):
    photo.save(tmp_path / "in.jpg", quality=95)
    assert blue(tmp_path / "in.jpg") > 5000
    done = unmask("in.jpg", "-o", "new/folder/out.jpg")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("new/folder/out.jpg: 1 face, 1 unmasked")
    assert blue(tmp_path / "new/folder/out.jpg") < 10  # Grain in the seam.
    assert not done.stderr


@pytest.mark.slow
def test_a_folder_with_bad_files_among_the_good(unmask, photo, backdrop, painter, tmp_path):
    folder = tmp_path / "photos"
    (folder / "deep").mkdir(parents=True)
    photo.save(folder / "a.png")
    photo.convert("CMYK").save(folder / "deep" / "cmyk.jpg", quality=95)
    photo.save(folder / "b.webp", lossless=True)
    Image.fromarray(painter(backdrop, EYES, (140, 180, 220))).save(folder / "bare.png")
    Image.fromarray(backdrop).save(folder / "nobody.png")
    (folder / "cut.png").write_bytes((folder / "a.png").read_bytes()[:20_000])
    (folder / "empty.jpg").write_bytes(b"")
    (folder / "text.jpg").write_text("hello")
    Image.new("1", (20_000, 8_000)).save(folder / "bomb.png")
    (folder / "notes.txt").write_text("not one of them")
    done = unmask("photos", "-o", "out")
    assert done.returncode == 1
    made = sorted(str(p.relative_to(tmp_path / "out")) for p in (tmp_path / "out").rglob("*.*"))
    assert made == ["a.png", "b.webp", "bare.png", os.path.join("deep", "cmyk.jpg")]
    for name in ("a.png", "b.webp"):
        assert blue(tmp_path / "out" / name) < 10  # Grain in the seam.
    assert "bare.png: 1 face, no mask found; the image is unchanged" in done.stdout
    assert (folder / "bare.png").read_bytes() == (tmp_path / "out/bare.png").read_bytes()
    *errors, last = done.stderr.splitlines()
    assert last == "unmask: 5 of 9 images failed"
    assert len(errors) == 5
    for name, words in {
        "nobody.png": "no face found in",
        "cut.png": "cut off or damaged",
        "empty.jpg": "is empty",
        "text.jpg": "not an image",
        "bomb.png": "million pixels",
    }.items():
        (line,) = [line for line in errors if name in line]
        assert line.startswith("unmask: error: ")
        assert words in line


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["gone.jpg", "-o", "out.jpg"], "does not exist"),
        (["text.jpg", "-o", "out.jpg"], "not an image"),
        (["http://example.com/a.jpg", "-o", "out.jpg"], "http://example.com/a.jpg is a URL, which"),
        (["nobody.png", "-o", "out.jpg"], "no face found in nobody.png"),
        (["nobody.png", "-o", "out.jpg"], "`unmask folder` copies photos without faces"),
        (["dot.png", "-o", "out.jpg"], "no face found in dot.png"),
        (["in.png", "-o", "out.gif"], "can be written as .jpg"),
        (["in.png", "-o", "in.png"], "would be overwritten"),
        (["in.png", "in.png", "-o", "out"], "both be written"),
        (["in.png", "-o", "text.jpg/out.png"], "text.jpg is a file, not a folder"),
        (["in.png", "-o", "a" * 300 + ".png"], "File name too long"),
        (["a" * 300 + ".png", "-o", "out.png"], "File name too long"),
        (["in.png", "-o", "out.png", "--runtime", "magic"], "unknown runtime"),
        (
            ["in.png", "-o", "out.png", "--artifacts", "none"],
            "folder none does not exist",
        ),
    ],
)
def test_a_failure_is_one_line(unmask, photo, backdrop, tmp_path, arguments, words):
    photo.save(tmp_path / "in.png")
    Image.fromarray(backdrop).save(tmp_path / "nobody.png")
    Image.new("RGB", (1, 1)).save(tmp_path / "dot.png")
    (tmp_path / "text.jpg").write_text("hello")
    before = sorted(os.listdir(tmp_path))
    done = unmask(*arguments)
    assert done.returncode == 1
    assert done.stderr.startswith("unmask: error: ")
    assert done.stderr.count("\n") == 1
    assert words in done.stderr
    assert not done.stdout
    assert sorted(os.listdir(tmp_path)) == before


@pytest.mark.slow
def test_a_locked_folder_is_named_before_any_work(unmask, photo, locked, tmp_path):
    photo.save(tmp_path / "in.png")
    for out in (locked, locked / "out.png", locked / "new"):
        done = unmask("in.png", "-o", out)
        assert done.returncode == 1
        assert f"{locked} is not writable" in done.stderr
        assert not done.stdout


@pytest.fixture
def piped(painted_artifacts: Path, tmp_path: Path):
    """Runs `unmask image` with bytes on stdin; its stdout is bytes, too."""

    def run(content: bytes, *arguments: object) -> subprocess.CompletedProcess[bytes]:
        code = "from unmask_sdk.cli import main; main()"
        fixed = ["image", "--artifacts", str(painted_artifacts), "--runtime", "onnx"]
        return subprocess.run(
            [sys.executable, "-c", code, *fixed, *map(str, arguments)],
            input=content,
            capture_output=True,
            timeout=120,
            cwd=tmp_path,
        )

    return run


@pytest.mark.slow
def test_pipes(piped, photo, painter, backdrop, painted_model, tmp_path):
    photo.save(tmp_path / "in.png")
    content = (tmp_path / "in.png").read_bytes()
    done = piped(content, "-", "-o", "-")
    assert done.returncode == 0, done.stderr
    assert done.stdout == painted_model(content).encode("png")
    assert done.stderr.startswith(b"-: 1 face, 1 unmasked")
    assert piped(b"", "in.png", "-o", "-").stdout == done.stdout
    into_file = piped(content, "-", "-o", "new/out.png")
    assert into_file.stdout.startswith(b"new/out.png: 1 face, 1 unmasked")
    assert (tmp_path / "new/out.png").read_bytes() == done.stdout
    bare = Image.fromarray(painter(backdrop, EYES, (140, 180, 220)))
    bare.save(tmp_path / "bare.jpg", quality=60)
    content = (tmp_path / "bare.jpg").read_bytes()
    assert piped(content, "-", "-o", "out.jpg").returncode == 0
    assert (tmp_path / "out.jpg").read_bytes() == content


@pytest.mark.slow
def test_pipes_that_do_not_go(piped, photo, backdrop, tmp_path):
    photo.save(tmp_path / "in.png")
    Image.fromarray(backdrop).save(tmp_path / "nobody.png")
    (tmp_path / "folder").mkdir()
    content = (tmp_path / "in.png").read_bytes()
    before = sorted(os.listdir(tmp_path))
    for given, arguments, words in (
        (b"", ("-", "-o", "-"), "stdin: the bytes given are empty"),
        (content[:20_000], ("-", "-o", "-"), "stdin: the bytes given is cut off or damaged"),
        ((tmp_path / "nobody.png").read_bytes(), ("-", "-o", "-"), "no face found in stdin"),
        (content, ("-", "in.png", "-o", "folder"), "- is for a single image"),
        (content, ("folder", "-o", "-"), "- is for a single image"),
        (content, ("-", "-o", "folder"), "folder is a folder; name a file"),
        (content, ("-", "-o", "out.gif"), "can be written as .jpg"),
    ):
        done = piped(given, *arguments)
        assert done.returncode == 1
        assert done.stdout == b""
        assert words in done.stderr.decode()
        assert done.stderr.startswith(b"unmask: error: ")
        assert done.stderr.count(b"\n") == 1
    assert sorted(os.listdir(tmp_path)) == before


@pytest.mark.parametrize(
    ("error", "kind", "line"),
    [
        (MemoryError(), "MemoryError", "a.png: MemoryError"),
        (OSError(5, "Input/output error"), "OSError", "a.png: [Errno 5] Input/output error"),
        (ImageReadError("a.png is\nempty"), "ImageReadError", "a.png is empty"),
    ],
)
def test_whatever_fails_is_one_pictures_failure(error, kind, line):
    def fail(_):
        raise error

    failed = Failed(kind, line)
    assert attempt(fail, Path("a.png"), Path("b.png"), Options()) == (None, failed)


@pytest.mark.slow
def test_usage_errors(unmask):
    assert unmask().returncode == 2
    assert unmask("-o", "out").returncode == 2


def test_side_by_side(unmask, photo, tmp_path):
    rgba = photo.copy()
    rgba.putalpha(200)
    rgba.save(tmp_path / "in.png")
    done = unmask("in.png", "-o", "out.png", "--side-by-side")
    assert done.returncode == 0, done.stderr
    with Image.open(tmp_path / "out.png") as image:
        assert image.mode == "RGBA"
        assert image.size == (1280, 480)
        both = np.array(image)[..., :3]
    np.testing.assert_array_equal(both[:, :640], np.array(photo))
    assert (both[:, 640:] != both[:, :640]).any()


@pytest.mark.slow
def test_without_a_mask_the_file_is_copied_if_its_format_may_stay(
    unmask, backdrop, painter, tmp_path
):
    bare = Image.fromarray(painter(backdrop, EYES, (140, 180, 220)))
    bare.save(tmp_path / "in.jpeg", quality=60)
    content = (tmp_path / "in.jpeg").read_bytes()
    done = unmask("in.jpeg", "-o", "out.jpg")
    assert done.returncode == 0, done.stderr
    assert "no mask found; the image is unchanged" in done.stdout
    assert (tmp_path / "out.jpg").read_bytes() == content
    # A name says nothing of what is in a file.
    (tmp_path / "named.png").write_bytes(content)
    for source, arguments in {
        "in.jpeg": ["-o", "out.png"],
        "named.png": ["-o", "out.png"],
        "in.jpeg ": ["-o", "out.jpg", "--side-by-side"],
    }.items():
        done = unmask(source.strip(), *arguments)
        assert done.returncode == 0, done.stderr
        assert done.stdout.rstrip().endswith("no mask found")
        with Image.open(tmp_path / arguments[1]) as image:
            assert image.format == ("PNG" if arguments[1] == "out.png" else "JPEG")
            assert image.size == ((1280, 480) if arguments[-1] == "--side-by-side" else (640, 480))


@pytest.mark.slow
def test_what_16_bits_became_is_told(unmask, painter, backdrop, tmp_path):
    for name, color in (("masked", (20, 60, 230)), ("bare", (140, 180, 220))):
        wide = painter(backdrop, EYES, color).astype(np.uint16) * 257
        cv2.imwrite(str(tmp_path / f"{name}.png"), wide[..., ::-1])
    done = unmask("masked.png", "bare.png", "-o", "out")
    assert done.returncode == 0, done.stderr
    masked, bare = done.stdout.splitlines()
    assert masked.endswith(" ms; 16 bits per channel were reduced to 8")
    # Copied, it has its 16 bits still.
    assert bare.endswith("no mask found; the image is unchanged")
    done = unmask("bare.png", "-o", "out/bare.tiff")
    assert done.stdout.rstrip().endswith("no mask found; 16 bits per channel were reduced to 8")


@pytest.mark.slow
def test_what_cannot_be_searched_is_a_failure(unmask, photo, tmp_path):
    (tmp_path / "photos").mkdir()
    photo.save(tmp_path / "photos" / "a.png")
    (tmp_path / "photos" / "round").symlink_to("round")
    done = unmask("photos", "-o", "out")
    assert done.returncode == 1
    assert done.stdout.startswith(f"{Path('out', 'a.png')}: 1 face, 1 unmasked")
    first, last = done.stderr.splitlines()
    assert first.startswith(f"unmask: error: the folder {Path('photos', 'round')} cannot be read")
    assert last == "unmask: 0 of 1 images failed, folders that could not be read: 1"


def test_whether_a_file_may_be_read_is_for_reading_to_find_out(photo, painted_artifacts, tmp_path):
    photo.save(tmp_path / "a.png")
    # Asked beforehand, Typer would refuse all files because of one. Root may read any file, so the
    # question itself is answered here.
    code = (
        "import os; os.access = lambda path, *_, **__: not str(path).endswith('.png');"
        "from unmask_sdk.cli import main; main()"
    )
    arguments = ["image", "a.png", "b.png", "-o", "out", "--artifacts", str(painted_artifacts)]
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments, "--runtime", "onnx"],
        capture_output=True,
        text=True,
        timeout=120,
        cwd=tmp_path,
    )
    assert done.returncode == 1
    assert done.stdout.startswith(f"{Path('out', 'a.png')}: 1 face, 1 unmasked")
    assert done.stderr.splitlines() == [
        "unmask: error: b.png does not exist",
        "unmask: 1 of 2 images failed",
    ]


@pytest.mark.slow
def test_what_was_generated_is_told_and_metadata_goes_if_asked(
    unmask, photo, painter, backdrop, tmp_path
):
    tags = Image.Exif()
    tags[0x010F] = "Maker"
    tags[0x8825] = {1: "N"}
    photo.save(tmp_path / "in.jpg", exif=tags)
    bare = Image.fromarray(painter(backdrop, EYES, (140, 180, 220)))
    bare.save(tmp_path / "bare.jpg", exif=tags)
    notice = b"compositeWithTrainedAlgorithmicMedia"
    for options, kept in (([], True), (["--strip"], False)):
        done = unmask("in.jpg", "bare.jpg", "-o", "out", "--quality", 50, *options)
        assert done.returncode == 0, done.stderr
        for name in ("in.jpg", "bare.jpg"):
            content = (tmp_path / "out" / name).read_bytes()
            assert (notice in content) == (name == "in.jpg")
            with Image.open(tmp_path / "out" / name) as image:
                assert (0x010F in image.getexif()) == kept
                assert bool(image.getexif().get_ifd(0x8825)) == kept
    small = (tmp_path / "out" / "in.jpg").stat().st_size
    unmask("in.jpg", "-o", "out", "--strip")
    assert (tmp_path / "out" / "in.jpg").stat().st_size > 2 * small
    assert unmask("in.jpg", "-o", "out", "--quality", 101).returncode == 2
