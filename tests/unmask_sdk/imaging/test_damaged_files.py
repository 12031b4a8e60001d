"""Reading images: other files, damaged ones and too large ones give one clear error."""

from __future__ import annotations

import io
import os
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from sample_files import PICTURE, encoded
from unmask_sdk.errors import ImageReadError, InvalidInputError
from unmask_sdk.imaging import decode as images
from unmask_sdk.imaging.decode import read_photo

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("form", ["GIF", "PNG", "WEBP", "TIFF"])
def test_several_images_in_a_file_are_refused(form: str) -> None:
    frames = [Image.fromarray(np.full((8, 8, 3), v, np.uint8)) for v in (0, 90, 200)]
    data = encoded(frames[0], form, save_all=True, append_images=frames[1:])
    with pytest.raises(ImageReadError, match="has 3 images"):
        read_photo(data)


def test_single_frame_gif_is_read() -> None:
    assert read_photo(encoded(Image.fromarray(PICTURE), "GIF")).pixels.shape == PICTURE.shape


def test_auxiliary_image_of_a_phone_is_not_an_animation() -> None:
    small = Image.fromarray(PICTURE[::2, ::2])
    data = encoded(Image.fromarray(PICTURE), "MPO", save_all=True, append_images=[small])
    assert read_photo(data).pixels.shape == PICTURE.shape


def invalid_files(folder: Path) -> dict[str, tuple[Path, str]]:
    def write(name: str, data: bytes) -> Path:
        (folder / name).write_bytes(data)
        return folder / name

    os.mkfifo(folder / "pipe.jpg")
    return {
        "missing": (folder / "missing.jpg", "does not exist"),
        "in a file": (write("f.jpg", b"x") / "a.jpg", "cannot be read"),
        "folder": (folder, "is a folder"),
        "empty": (write("empty.png", b""), "is empty"),
        "text": (write("text.jpg", b"dear diary, " * 50), "not an image"),
        "one byte": (write("byte.jpg", b"\xff"), "not an image"),
        "heic": (write("a.heic", b"\0\0\0\x18ftypheic" + bytes(100)), "HEIC|damaged"),
        "video": (write("a.mp4", b"\0\0\0\x18ftypisom" + bytes(100)), "a video.*`unmask video`"),
        "matroska": (write("a.mkv", b"\x1aE\xdf\xa3" + bytes(100)), "a video.*`unmask video`"),
        "home": (Path("~/missing.jpg"), "does not exist; write out the home folder"),
        "eps": (
            write("a.eps", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n"),
            "not an imag",
        ),
        "pipe": (folder / "pipe.jpg", "not a regular file"),
        "long name": (folder / ("x" * 300 + ".jpg"), "cannot be read"),
    }


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_files_that_are_not_images_give_one_line(tmp_path: Path) -> None:
    for path, words in invalid_files(tmp_path).values():
        with pytest.raises(ImageReadError, match=words) as caught:
            read_photo(path)
        assert "\n" not in str(caught.value)
        assert path.name in str(caught.value)


def test_invalid_sources_are_refused() -> None:
    with pytest.raises(ImageReadError, match="empty"):
        read_photo(b"")
    with pytest.raises(InvalidInputError, match="not a path"):
        read_photo("a\0b.jpg")
    with pytest.raises(ImageReadError, match="is a URL, which is not supported; download it"):
        read_photo("https://example.org/a.jpg")
    for source in (None, 3, [[0]], object()):
        with pytest.raises(InvalidInputError, match="must be a path"):
            read_photo(source)  # type: ignore[arg-type]
    with pytest.raises(InvalidInputError, match=r"returns str, not bytes; open it with mode 'rb'"):
        read_photo(io.StringIO("x"))  # type: ignore[arg-type]
    for stream, words in ((io.BytesIO(), "are empty"), (io.BytesIO(b"x"), "not an image")):
        with pytest.raises(ImageReadError, match=f"the open file's bytes .*{words}"):
            read_photo(stream)
    stream.close()
    with pytest.raises(ImageReadError, match=r"the open file cannot be read: .*closed"):
        read_photo(stream)
    with pytest.raises(InvalidInputError, match="channels"):
        read_photo(PICTURE, channels="RGB")  # type: ignore[arg-type]


def test_tiff_of_32_bits_is_named(tmp_path: Path) -> None:
    for image in (PICTURE, PICTURE[..., 0]):
        cv2.imwrite(str(tmp_path / "a.tiff"), image.astype(np.float32) / 255)
        with pytest.raises(ImageReadError, match=r"a\.tiff.* 32.*save .* with 8 or 16"):
            read_photo(tmp_path / "a.tiff")


def test_image_without_pixels_is_refused() -> None:
    with pytest.raises(ImageReadError, match="no pixels"):
        read_photo(Image.new("RGB", (0, 5)))


def test_long_image_is_read_and_decompression_bomb_is_not(
    tmp_path: Path, recwarn: pytest.WarningsRecorder
) -> None:
    assert read_photo(encoded(Image.new("RGB", (20_000, 50)), "PNG")).pixels.shape == (
        50,
        20_000,
        3,
    )
    # From 90 million pixels Pillow warns, from 179 million it raises: neither may reach the user.
    for width, height in ((20_000, 8_000), (20_000, 10_000)):
        with pytest.raises(ImageReadError, match="million pixels"):
            read_photo(encoded(Image.new("1", (width, height)), "PNG"))
    assert not recwarn.list


def test_size_is_checked_before_decoding(monkeypatch: pytest.MonkeyPatch) -> None:
    data = encoded(Image.fromarray(PICTURE), "PNG")
    monkeypatch.setattr(images, "MAX_PIXELS", 60 * 40)
    read_photo(data)
    monkeypatch.setattr(images, "MAX_PIXELS", 60 * 40 - 1)
    broken = data[:60]  # The size is there, the pixels are not.
    with pytest.raises(ImageReadError, match="million pixels"):
        read_photo(broken)


# Pillow warns about the files.


quietly = pytest.mark.filterwarnings("ignore::UserWarning:PIL")

CASES = {
    "jpeg": ("JPEG", {}),
    "progressive": ("JPEG", {"progressive": True}),
    "png": ("PNG", {}),
    "webp": ("WEBP", {}),
    "lossless webp": ("WEBP", {"lossless": True}),
    "tiff": ("TIFF", {}),
    "deflated tiff": ("TIFF", {"compression": "tiff_adobe_deflate"}),
    "bmp": ("BMP", {}),
    "gif": ("GIF", {}),
    "ppm": ("PPM", {}),
}


def attempt(data: bytes) -> np.ndarray | None:
    """Returns the pixels, or None if reading raises our own error of one line."""
    try:
        pixels = read_photo(data).pixels
    except ImageReadError as error:
        problem = str(error)
    else:
        assert pixels.dtype == np.uint8
        assert pixels.shape[2] == 3
        return pixels
    assert "\n" not in problem
    return None


@quietly
@pytest.mark.parametrize("case", CASES)
def test_file_cut_off_anywhere_is_never_partly_decoded(case: str) -> None:
    form, options = CASES[case]
    noisy = (PICTURE // 2 + RNG.integers(0, 128, PICTURE.shape)).astype(np.uint8)
    data = encoded(Image.fromarray(noisy), form, **options)
    whole = read_photo(data).pixels
    refused = 0
    for length in range(1, len(data), max(1, len(data) // 150)):
        cut = attempt(data[:length])
        if cut is None:
            refused += 1
        else:
            np.testing.assert_array_equal(cut, whole, err_msg=f"{length} of {len(data)} bytes")
    assert refused > 100


@quietly
@settings(max_examples=150, deadline=None)
@given(st.sampled_from(sorted(CASES)), st.data())
def test_damaged_file_gives_an_image_or_our_error(case: str, data: st.DataObject) -> None:
    form, options = CASES[case]
    content = bytearray(encoded(Image.fromarray(PICTURE), form, **options))
    for _ in range(data.draw(st.integers(1, 8))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    attempt(bytes(content))
