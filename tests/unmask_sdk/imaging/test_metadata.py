"""What a file says besides its pixels is written to the new file, or there is a note."""

from __future__ import annotations

import contextlib
import io
import struct
import zlib
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, IptcImagePlugin, PngImagePlugin

from sample_files import PICTURE, encoded, profile
from unmask_sdk.errors import ImageReadError
from unmask_sdk.imaging import photoshop, png_chunks
from unmask_sdk.imaging.decode import Photo, is_stripped, read_photo
from unmask_sdk.imaging.encode import OUTPUT_FORMATS, encode_image, losses
from unmask_sdk.result import Result

IMAGE = Image.fromarray(PICTURE)
RECORDS = {120: b"Caption", 116: b"(c) A. Photographer", 80: b"A. Photographer"}
IIM = b"".join(b"\x1c\x02" + bytes([t]) + struct.pack(">H", len(v)) + v for t, v in RECORDS.items())


def resource(number: int, content: bytes) -> bytes:
    padding = bytes(len(content) % 2)
    return b"8BIM" + struct.pack(">HHI", number, 0, len(content)) + content + padding


def segment(marker: int, content: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(content) + 2) + content


def jpeg(*segments: bytes, **options: Any) -> bytes:
    return encoded(IMAGE, "JPEG", extra=b"".join(segments), **options)


def chunk(name: bytes, content: bytes) -> bytes:
    checked = name + content
    return struct.pack(">I", len(content)) + checked + struct.pack(">I", zlib.crc32(checked))


def png(*chunks: bytes, image: Image.Image = IMAGE, **options: Any) -> bytes:
    data = encoded(image, "PNG", **options)
    return data[:33] + b"".join(chunks) + data[33:]  # After the header.


def result(source: bytes) -> Result:
    photo = read_photo(source)
    return Result(photo.pixels, (), {}, photo.extras, photo.notes)


def opened(data: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


PRESS = jpeg(
    segment(0xED, b"Photoshop 3.0\0" + resource(0x0404, IIM) + resource(0x040A, b"\1")),
    segment(0xFE, b"hello"),
    dpi=(300, 300),
)


def test_jpeg_keeps_iptc_resolution_and_comment() -> None:
    photo = result(PRESS)
    written = opened(photo.encode("jpg"))
    assert IptcImagePlugin.getiptcinfo(written) == {(2, k): v for k, v in RECORDS.items()}
    assert written.info["photoshop"][0x040A] == b"\1"
    assert written.info["dpi"] == (300, 300)
    assert written.info["comment"] == b"hello"
    assert photo.notes == ()


def test_iptc_goes_through_every_format_that_holds_it() -> None:
    data = PRESS
    for form in ("tif", "png", "tif", "jpg"):
        data = result(data).encode(form)
        assert opened(data).info["dpi"] == pytest.approx((300, 300), abs=0.01)
        if form != "png":
            found = IptcImagePlugin.getiptcinfo(opened(data))
            assert found == {(2, k): v for k, v in RECORDS.items()}


def test_png_keeps_text_and_resolution() -> None:
    info = PngImagePlugin.PngInfo()
    info.add_text("parameters", "a portrait, steps 20")
    info.add_itxt("Copyright", "\N{COPYRIGHT SIGN} me")
    info.add_text("Comment", "hello")
    info.add_text("Long", "x" * 5000, zip=True)
    photo = result(encoded(IMAGE, "PNG", pnginfo=info, dpi=(300, 300)))
    written = opened(photo.encode("png"))
    assert written.text == {
        "parameters": "a portrait, steps 20",
        "Copyright": "\N{COPYRIGHT SIGN} me",
        "Comment": "hello",
        "Long": "x" * 5000,
    }
    assert written.info["dpi"] == pytest.approx((300, 300), abs=0.01)
    assert photo.notes == ()
    assert opened(photo.encode("jpg")).info["comment"] == b"hello"
    assert photo.notes == ("JPEG cannot hold: text (parameters, Copyright, Long)",)


def test_comments_of_gif_and_several_of_jpeg_are_kept() -> None:
    gif = encoded(IMAGE.convert("P"), "GIF", comment=b"of a GIF")
    assert opened(result(gif).encode("png")).text["Comment"] == "of a GIF"
    two = jpeg(segment(0xFE, b"one"), segment(0xFE, b"two"))
    assert opened(result(two).encode("jpg")).info["comment"] == b"one\ntwo"


GAMMA = chunk(b"gAMA", struct.pack(">I", 100_000))
WIDE = chunk(b"cHRM", struct.pack(">8I", 31270, 32900, 68000, 32000, 26500, 69000, 15000, 6000))
PQ = chunk(b"cICP", bytes((9, 16, 0, 1)))
P3 = chunk(b"cICP", bytes((12, 13, 0, 1)))


@pytest.mark.parametrize(
    ("chunks", "lost"),
    [
        ((GAMMA,), "gamma"),
        ((GAMMA, WIDE), "gamma, chromaticities"),
        ((PQ,), "color description (cICP 9, 16)"),
        ((P3,), "color description (cICP 12, 13)"),
    ],
)
def test_color_of_png_is_kept_or_noted(chunks: tuple[bytes, ...], lost: str) -> None:
    photo = result(png(*chunks))
    written = photo.encode("png")
    assert all(part in written for part in chunks)
    assert photo.notes == ()
    photo.encode("jpg")
    assert photo.notes == (f"JPEG cannot hold: {lost}",)


def test_statement_of_srgb_is_no_loss() -> None:
    srgb = chunk(b"sRGB", b"\0"), chunk(b"gAMA", struct.pack(">I", 45455))
    photo = result(png(*srgb))
    assert all(part in photo.encode("png") for part in srgb)
    for form in ("jpg", "webp", "tif", "bmp"):
        photo.encode(form)
    assert photo.notes == ()


def test_color_of_converted_pixels_is_left_out() -> None:
    linear = profile(b"GRAY", b"kTRC", b"curv\0\0\0\0\0\0\0\0", b"XYZ ")
    photo = result(png(GAMMA, image=IMAGE.convert("L"), icc_profile=linear))
    assert b"gAMA" not in photo.encode("png")
    assert photo.notes == ()


def xmp_segment(attributes: str) -> bytes:
    packet = (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-'
        f'syntax-ns#"><rdf:Description rdf:about="" {attributes}/></rdf:RDF></x:xmpmeta>'
    )
    return segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + packet.encode())


GAIN_MAP = 'xmlns:hdrgm="http://ns.adobe.com/hdr-gain-map/1.0/" hdrgm:Version="1.0"'
MOTION = 'xmlns:c="http://ns.google.com/photos/1.0/camera/" c:MotionPhoto="1"'


@pytest.mark.parametrize(
    ("data", "lost"),
    [
        (
            encoded(IMAGE, "MPO", save_all=True, append_images=[IMAGE]),
            "1 more image(s) of the file, such as a gain map",
        ),
        (jpeg(xmp_segment(GAIN_MAP)), "the HDR gain map"),
        (jpeg(segment(0xE2, b"urn:iso:std:iso:ts:21496:-1\0\0\0\0\0")), "the HDR gain map"),
        (jpeg(xmp_segment(MOTION)), "the video of the motion photo"),
        (jpeg(segment(0xEB, b"JP\0\1jumb")), "content credentials (C2PA)"),
        (png(chunk(b"caBX", b"jumb")), "content credentials (C2PA)"),
        (
            jpeg(segment(0xE1, b"http://ns.adobe.com/xmp/extension/\0" + bytes(40))),
            "the second part of the XMP",
        ),
        (
            jpeg(segment(0xED, b"Photoshop 3.0\0" + resource(2000, b"path"))),
            "clipping paths",
        ),
        (jpeg(segment(0xE5, b"maker")), "data of the camera's maker (APP5)"),
        (
            encoded(IMAGE, "TIFF", tiffinfo={37724: b"Adobe Photoshop Document Data Block"}),
            "TIFF tags ImageSourceData",
        ),
    ],
)
def test_what_no_result_holds_is_noted(data: bytes, lost: str) -> None:
    assert read_photo(data).notes == (f"left out: {lost}",)


def test_additional_channels_of_a_tiff_are_noted() -> None:
    tifffile = pytest.importorskip("tifffile")
    stream = io.BytesIO()
    five = np.dstack([PICTURE, PICTURE[..., :2]])
    tifffile.imwrite(
        stream, five, photometric="rgb", extrasamples=["unassalpha", "unspecified"], metadata=None
    )
    assert read_photo(stream.getvalue()).notes == ("left out: additional channels",)


def test_descriptions_of_a_tiff_are_kept() -> None:
    tags = {269: "Document", 316: "Host", 33550: (1.0, 1.0, 0.0)}
    photo = result(encoded(IMAGE, "TIFF", tiffinfo=tags))
    assert photo.notes == ()
    written = opened(photo.encode("tif"))
    assert [written.tag_v2[tag] for tag in tags] == list(tags.values())


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tif", ".bmp"])
def test_plain_files_have_no_notes(suffix: str) -> None:
    gif = encoded(IMAGE.convert("P"), "GIF")
    opaque = encoded(IMAGE.convert("RGBA"), "PNG")
    for source in (jpeg(), png(), gif, opaque, encoded(IMAGE, "TIFF"), encoded(IMAGE, "BMP")):
        photo = result(source)
        assert photo.notes == ()
        photo.encode(suffix)
        assert photo.notes == ()


@pytest.mark.parametrize(
    ("suffix", "lost"),
    [
        (".webp", "IPTC (caption, credit, copyright), comment, resolution (300 dpi)"),
        (".tif", "comment"),
        (".bmp", "IPTC (caption, credit, copyright), comment"),
    ],
)
def test_what_the_format_cannot_hold_is_noted(suffix: str, lost: str) -> None:
    photo = result(PRESS)
    photo.encode(suffix)
    photo.encode(suffix)
    assert photo.notes == (f"{OUTPUT_FORMATS[suffix].name} cannot hold: {lost}",)
    stripped = result(PRESS)
    stripped.encode(suffix, strip=True)
    resolution = ("WEBP cannot hold: resolution (300 dpi)",) * (suffix == ".webp")
    assert stripped.notes == resolution


def test_transparency_is_noted_where_it_is_lost() -> None:
    photo = result(encoded(Image.fromarray(np.dstack([PICTURE, PICTURE[..., 0]])), "PNG"))
    for form in ("png", "webp", "tif"):
        photo.encode(form)
    assert photo.notes == ()
    photo.encode("jpg")
    assert photo.notes == ("JPEG cannot hold: transparency (blended with white)",)


def test_mark_that_bmp_cannot_hold_is_noted() -> None:
    lost = losses(OUTPUT_FORMATS[".bmp"], None, generated=True, strip=False)
    assert lost == ("BMP cannot hold: the mark that a region was generated",)


@pytest.mark.parametrize("suffix", ["avif", "heic"])
def test_stripped_heif_is_known_as_such(suffix: str, tmp_path: Any) -> None:
    if suffix == "heic":
        pytest.importorskip("pillow_heif")
    tags = Image.Exif()
    tags[0x010F] = "Maker"
    photo = read_photo(jpeg(exif=tags))
    for strip in (False, True):
        data = encode_image(suffix, photo.pixels, photo.extras, generated=True, strip=strip)
        (tmp_path / "out").write_bytes(data)
        assert is_stripped(tmp_path / "out") == strip


@pytest.mark.parametrize("suffix", ["jpg", "png", "tif"])
def test_strip_leaves_out_what_tells_of_people(suffix: str, tmp_path: Any) -> None:
    info = PngImagePlugin.PngInfo()
    info.add_text("Author", "me")
    sources = (PRESS, encoded(IMAGE, "PNG", pnginfo=info), result(PRESS).encode("tif"))
    for source in sources:
        photo = read_photo(source)
        data = encode_image(suffix, photo.pixels, photo.extras, strip=True)
        for word in (b"Caption", b"Photographer", b"hello", b"Author"):
            assert word not in data
        (tmp_path / "stripped").write_bytes(data)
        assert is_stripped(tmp_path / "stripped")
        (tmp_path / "kept").write_bytes(source)
        assert not is_stripped(tmp_path / "kept")
    assert opened(result(PRESS).encode(suffix, strip=True)).info["dpi"][0] == pytest.approx(
        300, abs=0.01
    )


def test_resolution_turns_with_the_photo() -> None:
    tags = Image.Exif()
    tags[0x0112] = 6
    assert read_photo(jpeg(dpi=(300, 200), exif=tags)).extras.dpi == (200, 300)


def write_all(photo: Photo) -> None:
    for suffix in ("jpg", "png", "tif"):
        encode_image(suffix, photo.pixels, photo.extras)


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=120), st.integers(0, 2))
def test_damaged_resources_do_no_harm(noise: bytes, how: int) -> None:
    block = (noise, resource(0x0404, IIM)[: len(noise)], resource(0x0404, noise) + noise)[how]
    resources = photoshop.read_resources(block)
    assert sum(map(len, resources.values())) <= len(block)
    # Pillow does not open a JPEG whose block ends within a resource's name: refused, not damaged.
    with contextlib.suppress(ImageReadError):
        write_all(read_photo(jpeg(segment(0xED, b"Photoshop 3.0\0" + block))))


@settings(max_examples=60, deadline=None)
@given(st.sampled_from([b"cICP", b"gAMA", b"cHRM", b"mDCV", b"tEXt"]), st.binary(max_size=80))
def test_damaged_chunks_do_no_harm(name: bytes, content: bytes) -> None:
    found, names = png_chunks.read_chunks(io.BytesIO(png(chunk(name, content))))
    assert name in names
    png_chunks.meanings(found)
    png_chunks.read_chunks(io.BytesIO(b"\x89PNG\r\n\x1a\n" + content))
