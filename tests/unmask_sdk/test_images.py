"""Reading pictures: every odd one gives the right pixels or one clear error."""

from __future__ import annotations

import io
import os
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image, ImageCms, ImageOps

from unmask_sdk import images
from unmask_sdk.errors import ImageReadError, InvalidInputError
from unmask_sdk.images import read

RNG = np.random.default_rng(0)
# Smooth, so that lossy formats stay near it; not symmetric, so that a wrong turn shows.
Y, X = np.mgrid[:40, :60]
PICTURE = np.stack([X * 4, Y * 6, (X + Y) * 2 + 20], 2).astype(np.uint8)


def encoded(image: Image.Image, form: str, **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, form, **options)
    return stream.getvalue()


def off(a: np.ndarray, b: np.ndarray) -> int:
    assert a.shape == b.shape
    return int(np.abs(a.astype(int) - b.astype(int)).max())


@pytest.mark.parametrize("form", ["PNG", "TIFF", "BMP", "PPM"])
def test_lossless_formats_come_back_exactly(form: str, tmp_path: Path) -> None:
    path = tmp_path / "a.bin"  # The name says nothing; the content does.
    path.write_bytes(encoded(Image.fromarray(PICTURE), form))
    photo = read(path)
    assert photo.owned
    np.testing.assert_array_equal(photo.pixels, PICTURE)
    np.testing.assert_array_equal(read(str(path)).pixels, PICTURE)
    np.testing.assert_array_equal(read(path.read_bytes()).pixels, PICTURE)


@pytest.mark.parametrize("form", ["JPEG", "WEBP"])
def test_lossy_formats_come_near(form: str) -> None:
    assert off(read(encoded(Image.fromarray(PICTURE), form, quality=95)).pixels, PICTURE) < 12


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_orientation_is_applied_once(form: str, orientation: int) -> None:
    tags = Image.Exif()
    tags[0x0112] = orientation
    tags[0x010F] = "Maker"
    options = {"lossless": True} if form == "WEBP" else {}
    data = encoded(Image.fromarray(PICTURE), form, exif=tags, **options)
    photo = read(data)
    with Image.open(io.BytesIO(data)) as image:
        upright = np.array(ImageOps.exif_transpose(image))
    np.testing.assert_array_equal(photo.pixels, upright)
    assert photo.pixels.shape[:2] == ((40, 60) if orientation < 5 else (60, 40))
    kept = Image.Exif()
    kept.load(photo.extras.exif)
    assert kept.get(0x0112, 1) == 1
    assert kept[0x010F] == "Maker"


def test_alpha_turns_with_the_picture() -> None:
    tags = Image.Exif()
    tags[0x0112] = 6
    rgba = np.dstack([PICTURE, X.astype(np.uint8)])
    photo = read(encoded(Image.fromarray(rgba), "PNG", exif=tags))
    np.testing.assert_array_equal(photo.extras.alpha, np.rot90(X, 3))
    np.testing.assert_array_equal(photo.pixels, np.rot90(PICTURE, 3))


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
def test_damaged_exif_does_not_cost_the_picture() -> None:
    data = encoded(Image.fromarray(PICTURE), "PNG", exif=b"Exif\0\0II*\0\xff\xff\xff\x00junk")
    photo = read(data)
    np.testing.assert_array_equal(photo.pixels, PICTURE)
    assert photo.extras.exif is None


@pytest.mark.parametrize("mode", ["L", "LA", "P", "PA", "1", "RGBA", "YCbCr", "CMYK", "LAB"])
def test_modes_become_rgb(mode: str) -> None:
    grey = Image.fromarray(PICTURE).convert("L")
    sources = {
        "LA": lambda: Image.merge("LA", (grey, grey)),
        "PA": lambda: Image.fromarray(PICTURE).convert("P").convert("PA"),
        "LAB": lambda: ImageCms.profileToProfile(
            Image.fromarray(PICTURE),
            ImageCms.createProfile("sRGB"),
            ImageCms.createProfile("LAB"),
            outputMode="LAB",
        ),
    }
    image = sources.get(mode, lambda: Image.fromarray(PICTURE).convert(mode))()
    assert image.mode == mode
    photo = read(image)
    assert photo.pixels.shape == PICTURE.shape
    assert photo.pixels.dtype == np.uint8
    assert photo.pixels.flags.c_contiguous
    if mode in ("RGBA", "YCbCr", "CMYK"):
        assert off(photo.pixels, PICTURE) <= 4
    if mode == "LAB":  # Rounded to 8 bits, which costs dark saturated colours most.
        assert np.abs(photo.pixels.astype(int) - PICTURE).mean() < 4
    if mode in ("L", "LA"):
        np.testing.assert_array_equal(photo.pixels, np.dstack([np.array(grey)] * 3))


@pytest.mark.parametrize("form", ["JPEG", "TIFF"])
def test_cmyk_files(form: str) -> None:
    image = Image.fromarray(PICTURE).convert("CMYK")
    assert off(read(encoded(image, form)).pixels, PICTURE) < 12


def profile(space: bytes, tag: bytes, content: bytes, pcs: bytes) -> bytes:
    """A colour profile with one tag and a white point."""
    white = b"XYZ \0\0\0\0" + struct.pack(">3i", 63190, 65536, 54061)
    offset = 128 + 4 + 2 * 12
    table = struct.pack(">I4sII4sII", 2, b"wtpt", offset, 20, tag, offset + 20, len(content))
    size = offset + 20 + len(content)
    head = struct.pack(">I4xI4s4s4s12x4s", size, 0x02100000, b"prtr", space, pcs, b"acsp")
    head = head.ljust(68, b"\0") + struct.pack(">3i", 63190, 65536, 54061)
    return head.ljust(128, b"\0") + table + white + content


def test_grey_goes_through_its_profile() -> None:
    linear = profile(b"GRAY", b"kTRC", b"curv\0\0\0\0\0\0\0\0", b"XYZ ")
    grey = Image.fromarray(np.array([[0, 55, 255]], np.uint8))
    photo = read(encoded(grey, "PNG", icc_profile=linear))
    # 55 of 255 of the light is half way up in sRGB.
    assert photo.pixels[0].tolist() == [[0] * 3, [128] * 3, [255] * 3]
    assert photo.extras.icc is None
    alpha = Image.merge("LA", (grey, Image.new("L", grey.size, 9)))
    photo = read(encoded(alpha, "PNG", icc_profile=linear))
    assert photo.pixels[0].tolist() == [[0] * 3, [128] * 3, [255] * 3]
    assert photo.extras.alpha is not None


def test_cmyk_goes_through_its_profile() -> None:
    # A press whose every ink is grey: each takes a quarter of the lightness.
    lightness = [
        [255 - 255 * (c + m + y + k) // 4, 128, 128] for c, m, y, k in np.ndindex(2, 2, 2, 2)
    ]
    ramp = bytes(range(256))
    one = struct.pack(">9i", *(np.eye(3, dtype=int) * 65536).ravel().tolist())
    lut = b"mft1\0\0\0\0" + bytes([4, 3, 2, 0]) + one + ramp * 4
    lut += np.array(lightness, np.uint8).tobytes() + ramp * 3
    press = profile(b"CMYK", b"A2B0", lut, b"Lab ")
    image = Image.fromarray(np.array([[[0] * 4, [255, 0, 0, 0], [0, 0, 255, 0]]], np.uint8), "CMYK")
    white, cyan, yellow = read(encoded(image, "TIFF", icc_profile=press)).pixels[0].astype(int)
    assert white.min() > 250
    assert np.ptp(cyan) <= 3
    assert off(cyan, yellow) <= 1
    assert read(encoded(image, "TIFF")).pixels[0, 1].tolist() == [0, 255, 255]


def test_a_profile_of_the_wrong_kind_is_passed_over() -> None:
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    grey = Image.fromarray(PICTURE).convert("L")
    photo = read(encoded(grey, "PNG", icc_profile=srgb))
    assert photo.extras.icc is None
    np.testing.assert_array_equal(photo.pixels[..., 0], np.array(grey))
    photo = read(encoded(Image.fromarray(PICTURE), "PNG", icc_profile=srgb))
    assert photo.extras.icc == srgb


@pytest.mark.parametrize("form", ["PNG", "TIFF", "PPM"])
def test_16_bit_grey_is_scaled(form: str) -> None:
    wide = np.linspace(0, 65535, 40 * 60).reshape(40, 60).astype(np.uint16)
    data = b"P5 60 40 65535\n" + wide.astype(">u2").tobytes()
    photo = read(data if form == "PPM" else encoded(Image.fromarray(wide), form))
    assert off(photo.pixels, np.dstack([np.rint(wide / 257)] * 3)) <= 0


@pytest.mark.parametrize("suffix", [".png", ".tiff"])
@pytest.mark.parametrize("channels", [3, 4])
def test_16_bit_colour_is_scaled(suffix: str, channels: int, tmp_path: Path) -> None:
    cv2 = pytest.importorskip("cv2")
    wide = RNG.integers(0, 65536, (20, 30, channels), np.uint16)
    cv2.imwrite(str(tmp_path / f"a{suffix}"), wide)
    photo = read(tmp_path / f"a{suffix}")
    assert off(photo.pixels, np.rint(wide[..., 2::-1] / 257)) <= 1
    if channels == 4:
        assert photo.extras.alpha is not None
        assert off(photo.extras.alpha, np.rint(wide[..., 3] / 257)) <= 1


def test_32_bit_pixels_are_refused() -> None:
    for dtype in (np.int32, np.float32):
        data = encoded(Image.fromarray(np.ones((4, 4), dtype)), "TIFF")
        with pytest.raises(ImageReadError, match="32-bit pixels"):
            read(data)


def test_alpha_is_kept_and_full_opacity_is_none() -> None:
    alpha = RNG.integers(0, 256, (40, 60), np.uint8)
    photo = read(Image.fromarray(np.dstack([PICTURE, alpha])))
    np.testing.assert_array_equal(photo.extras.alpha, alpha)
    np.testing.assert_array_equal(photo.pixels, PICTURE)
    assert read(Image.fromarray(PICTURE).convert("RGBA")).extras.alpha is None
    palette = Image.fromarray(PICTURE).convert("P")
    photo = read(encoded(palette, "PNG", transparency=palette.getpixel((9, 9))))
    clear = np.array(palette) == palette.getpixel((9, 9))
    np.testing.assert_array_equal(photo.extras.alpha, np.where(clear, 0, 255))


@pytest.mark.parametrize("form", ["GIF", "PNG", "WEBP", "TIFF"])
def test_several_pictures_in_a_file_are_refused(form: str) -> None:
    frames = [Image.fromarray(np.full((8, 8, 3), v, np.uint8)) for v in (0, 90, 200)]
    data = encoded(frames[0], form, save_all=True, append_images=frames[1:])
    with pytest.raises(ImageReadError, match="holds 3 pictures"):
        read(data)


def test_a_single_gif_is_read() -> None:
    assert read(encoded(Image.fromarray(PICTURE), "GIF")).pixels.shape == PICTURE.shape


def test_a_phones_auxiliary_picture_is_no_animation() -> None:
    small = Image.fromarray(PICTURE[::2, ::2])
    data = encoded(Image.fromarray(PICTURE), "MPO", save_all=True, append_images=[small])
    assert read(data).pixels.shape == PICTURE.shape


def odd_files(folder: Path) -> dict[str, tuple[Path, str]]:
    def write(name: str, data: bytes) -> Path:
        (folder / name).write_bytes(data)
        return folder / name

    os.mkfifo(folder / "pipe.jpg")
    return {
        "missing": (folder / "missing.jpg", "does not exist"),
        "in a file": (write("f.jpg", b"x") / "a.jpg", "cannot be read"),
        "folder": (folder, "is a folder"),
        "empty": (write("empty.png", b""), "is empty"),
        "text": (write("text.jpg", b"dear diary, " * 50), "not a picture"),
        "one byte": (write("byte.jpg", b"\xff"), "not a picture"),
        "heic": (write("a.heic", b"\0\0\0\x18ftypheic" + bytes(100)), "HEIC"),
        "eps": (write("a.eps", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n"), "not a pict"),
        "pipe": (folder / "pipe.jpg", "not a regular file"),
        "long name": (folder / ("x" * 300 + ".jpg"), "cannot be read"),
    }


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_what_is_no_picture_gives_one_line(tmp_path: Path) -> None:
    for path, words in odd_files(tmp_path).values():
        with pytest.raises(ImageReadError, match=words) as caught:
            read(path)
        assert "\n" not in str(caught.value)
        assert path.name in str(caught.value)


def test_more_odd_sources() -> None:
    with pytest.raises(ImageReadError, match="empty"):
        read(b"")
    with pytest.raises(InvalidInputError, match="not a path"):
        read("a\0b.jpg")
    for source in (None, 3, [[0]], bytearray(b"x")):
        with pytest.raises(InvalidInputError, match="must be a path"):
            read(source)  # type: ignore[arg-type]
    with pytest.raises(InvalidInputError, match="channels"):
        read(PICTURE, channels="RGB")  # type: ignore[arg-type]


def test_a_picture_without_pixels_is_refused() -> None:
    with pytest.raises(ImageReadError, match="no pixels"):
        read(Image.new("RGB", (0, 5)))


def test_a_picture_is_taken_over_in_bands(monkeypatch: pytest.MonkeyPatch) -> None:
    for pixels in (1, 60, 60 * 7, 60 * 40):
        monkeypatch.setattr("unmask_sdk.colours._BAND", pixels)
        np.testing.assert_array_equal(read(Image.fromarray(PICTURE)).pixels, PICTURE)


def test_one_pixel_is_a_picture() -> None:
    assert read(encoded(Image.new("RGB", (1, 1), "red"), "PNG")).pixels.tolist() == [[[255, 0, 0]]]


def test_a_long_picture_is_read_and_a_bomb_is_not(
    tmp_path: Path, recwarn: pytest.WarningsRecorder
) -> None:
    assert read(encoded(Image.new("RGB", (20_000, 50)), "PNG")).pixels.shape == (50, 20_000, 3)
    # From 90 million pixels Pillow warns, from 179 million it raises: neither may come through.
    for width, height in ((20_000, 8_000), (20_000, 10_000)):
        with pytest.raises(ImageReadError, match="million pixels"):
            read(encoded(Image.new("1", (width, height)), "PNG"))
    assert not recwarn.list


def test_the_budget_is_asked_before_decoding(monkeypatch: pytest.MonkeyPatch) -> None:
    data = encoded(Image.fromarray(PICTURE), "PNG")
    monkeypatch.setattr(images, "MAX_PIXELS", 60 * 40)
    read(data)
    monkeypatch.setattr(images, "MAX_PIXELS", 60 * 40 - 1)
    broken = data[:60]  # The size is there, the pixels are not.
    with pytest.raises(ImageReadError, match="million pixels"):
        read(broken)


# Pillow says what it thinks of the files.
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
    """Gives the pixels, or None where reading ends in our own error of one line."""
    try:
        pixels = read(data).pixels
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
def test_a_file_cut_off_anywhere_is_never_half_decoded(case: str) -> None:
    form, options = CASES[case]
    noisy = (PICTURE // 2 + RNG.integers(0, 128, PICTURE.shape)).astype(np.uint8)
    data = encoded(Image.fromarray(noisy), form, **options)
    whole = read(data).pixels
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
def test_damage_gives_a_picture_or_our_error(case: str, data: st.DataObject) -> None:
    form, options = CASES[case]
    content = bytearray(encoded(Image.fromarray(PICTURE), form, **options))
    for _ in range(data.draw(st.integers(1, 8))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    attempt(bytes(content))


@given(
    arrays.arrays(
        np.uint8, st.tuples(st.integers(1, 5), st.integers(1, 5), st.sampled_from([3, 4]))
    )
)
def test_arrays_keep_their_values_in_either_order(array: np.ndarray) -> None:
    photo = read(array)
    np.testing.assert_array_equal(photo.pixels, array[..., :3])
    mirrored = np.ascontiguousarray(array[:, ::-1])[:, ::-1]  # Not contiguous.
    np.testing.assert_array_equal(read(mirrored).pixels, array[..., :3])
    turned = read(array, "bgr")
    np.testing.assert_array_equal(turned.pixels, array[..., 2::-1])
    if array.shape[2] == 4:
        np.testing.assert_array_equal(photo.extras.alpha, array[..., 3])
        np.testing.assert_array_equal(turned.extras.alpha, array[..., 3])
    for each in (photo, turned):
        # What is said to be ours must be ours.
        assert not (each.owned and np.shares_memory(each.pixels, array))


def test_grey_arrays_are_taken() -> None:
    grey = RNG.integers(0, 256, (4, 6), np.uint8)
    for array in (grey, grey[..., None]):
        for channels in ("rgb", "bgr"):
            photo = read(array, channels)  # type: ignore[arg-type]
            np.testing.assert_array_equal(photo.pixels, np.dstack([grey] * 3))
            assert not np.shares_memory(photo.pixels, array)


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.zeros((4, 4, 3), np.float32), "uint8"),
        (np.zeros((4, 4, 3), np.uint16), "uint8"),
        (np.zeros((4, 4, 3), bool), "uint8"),
        (np.zeros((4,), np.uint8), "shape"),
        (np.zeros((4, 4, 2), np.uint8), "shape"),
        (np.zeros((1, 4, 4, 3), np.uint8), "shape"),
        (np.zeros((0, 4, 3), np.uint8), "no pixels"),
        (np.zeros((4, 0), np.uint8), "no pixels"),
    ],
)
def test_arrays_of_another_kind_are_refused(array: np.ndarray, words: str) -> None:
    with pytest.raises(InvalidInputError, match=words):
        read(array)


def test_a_pillow_image_is_not_changed() -> None:
    image = Image.fromarray(PICTURE)
    photo = read(image)
    photo.pixels[:] = 0
    np.testing.assert_array_equal(np.array(image), PICTURE)
