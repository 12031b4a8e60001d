"""XMP: what is kept, what is removed, and the notice that a region was generated."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from unmask_sdk.imaging import xmp
from unmask_sdk.imaging.decode import Extras, read_photo
from unmask_sdk.imaging.encode import OUTPUT_FORMATS, write_image

PIXELS = np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8)
SOURCE_TYPE = f"{{{xmp.IPTC}}}DigitalSourceType"
TITLE = "{http://ns.adobe.com/photoshop/1.0/}Headline"
WITH_METADATA = [suffix for suffix, form in OUTPUT_FORMATS.items() if form.metadata]


def packet(inside: str = "", attributes: str = "") -> bytes:
    return (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>'
        f'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="{xmp.RDF}">'
        '<rdf:Description rdf:about="" xmlns:photoshop="http://ns.adobe.com/photoshop/1.0/"'
        ' xmlns:tiff="http://ns.adobe.com/tiff/1.0/" xmlns:xmp="http://ns.adobe.com/xap/1.0/"'
        f' xmlns:iptc="{xmp.IPTC}" photoshop:Headline="J\u00e4ger &amp; Co" {attributes}>{inside}'
        "</rdf:Description></rdf:RDF></x:xmpmeta>" + " " * 200 + '<?xpacket end="w"?>'
    ).encode()


def properties(content: bytes | None) -> dict[str, list[str | None]]:
    """Reads a packet with another parser than the one that wrote it."""
    assert content is not None
    found: dict[str, list[str | None]] = {}
    for description in ElementTree.fromstring(content).iter(f"{{{xmp.RDF}}}Description"):
        for name, value in description.items():
            found.setdefault(name, []).append(value)
        for node in description:
            found.setdefault(node.tag, []).append(node.text)
    return found


def test_no_packet_without_content() -> None:
    assert xmp.build_packet(None, generated=False) is None
    assert xmp.build_packet(b"rubbish", generated=False) is None


@pytest.mark.parametrize("old", [None, b"", b"rubbish", packet()[:-250], packet() * 2])
def test_packet_with_only_the_notice(old: bytes | None) -> None:
    found = properties(xmp.build_packet(old, generated=True))
    assert found[SOURCE_TYPE] == [xmp.GENERATED]
    assert TITLE not in found


def test_notice_is_added_to_the_properties() -> None:
    once = xmp.build_packet(packet("<xmp:Rating>5</xmp:Rating>"), generated=True)
    found = properties(once)
    assert found[SOURCE_TYPE] == [xmp.GENERATED]
    assert found[TITLE] == ["J\u00e4ger & Co"]
    assert found["{http://ns.adobe.com/xap/1.0/}Rating"] == ["5"]
    assert b"<xmp:Rating>" in (once or b"")  # Prefixes stay, for readers that go by them.
    assert xmp.build_packet(once, generated=True) == once


@pytest.mark.parametrize("as_element", [True, False])
@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("digitalCapture", "compositeWithTrainedAlgorithmicMedia"),
        ("trainedAlgorithmicMedia", "trainedAlgorithmicMedia"),
    ],
)
def test_older_source_type_is_replaced_unless_it_is_stronger(
    old: str, new: str, as_element: bool
) -> None:
    value = xmp.SOURCE_TYPES + old
    given = (
        packet(f"<iptc:DigitalSourceType>\n {value} </iptc:DigitalSourceType>")
        if as_element
        else packet(attributes=f'iptc:DigitalSourceType="{value}"')
    )
    (found,) = properties(xmp.build_packet(given, generated=True))[SOURCE_TYPE]
    assert (found or "").strip() == xmp.SOURCE_TYPES + new
    (kept,) = properties(xmp.build_packet(given, generated=False))[SOURCE_TYPE]
    assert (kept or "").strip() == value


def test_properties_of_the_old_file_are_removed() -> None:
    old = packet("<xmp:Thumbnails>face</xmp:Thumbnails>", 'tiff:Orientation="6" tiff:Make="M"')
    found = properties(xmp.build_packet(old, generated=False))
    assert sorted(name.split("}")[1] for name in found) == ["Headline", "Make", "about"]


def test_entities_and_deep_nesting_are_refused() -> None:
    doctype = b'<!DOCTYPE a [<!ENTITY e "ee">]>'
    for bad in (doctype + packet(), packet("<xmp:a>" * 99 + "</xmp:a>" * 99), packet(" " * 2**20)):
        assert xmp.build_packet(bad, generated=False) is None


@given(st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 255)), max_size=8))
def test_damaged_packet_never_raises(changes: list[tuple[int, int]]) -> None:
    content = bytearray(packet("<xmp:Rating>5</xmp:Rating>"))
    for place, value in changes:
        content[place % len(content)] = value
    assert properties(xmp.build_packet(bytes(content), generated=True))[SOURCE_TYPE]


@pytest.mark.parametrize("suffix", WITH_METADATA)
def test_every_format_has_the_notice(suffix: str, tmp_path: Path) -> None:
    if suffix in (".heic", ".heif"):
        pytest.importorskip("pillow_heif")
    path = tmp_path / f"a{suffix}"
    write_image(path, PIXELS, Extras(xmp=packet()), generated=True)
    found = properties(read_photo(path).extras.xmp)
    assert found[SOURCE_TYPE] == [xmp.GENERATED]
    assert found[TITLE] == ["J\u00e4ger & Co"]
    write_image(path, PIXELS, Extras(xmp=packet()), generated=True, strip=True)
    assert sorted(name.split("}")[1] for name in properties(read_photo(path).extras.xmp)) == [
        "DigitalSourceType",
        "about",
    ]
    write_image(path, PIXELS, Extras(xmp=packet()))
    assert SOURCE_TYPE not in properties(read_photo(path).extras.xmp)
    write_image(path, PIXELS, Extras(xmp=packet()), strip=True)
    assert read_photo(path).extras.xmp is None


def test_notice_is_written_even_if_the_rest_is_too_long(tmp_path: Path) -> None:
    long = packet(f"<xmp:Label>{'a' * 70_000}</xmp:Label>")
    write_image(tmp_path / "a.jpg", PIXELS, Extras(xmp=long), generated=True)
    found = properties(read_photo(tmp_path / "a.jpg").extras.xmp)
    assert found[SOURCE_TYPE] == [xmp.GENERATED]
    assert TITLE not in found


def test_rotated_photo_is_not_rotated_again(tmp_path: Path) -> None:
    """Pillow and others use the orientation in XMP if EXIF has none."""
    turned = packet(attributes='tiff:Orientation="6"')
    image = Image.fromarray(PIXELS)
    image.save(tmp_path / "in.webp", lossless=True, xmp=turned)
    photo = read_photo(tmp_path / "in.webp")
    assert photo.pixels.shape == (30, 20, 3)
    write_image(tmp_path / "out.png", photo.pixels, photo.extras)
    np.testing.assert_array_equal(read_photo(tmp_path / "out.png").pixels, photo.pixels)


def test_tiff_with_damaged_exif_has_the_notice(tmp_path: Path) -> None:
    write_image(
        tmp_path / "a.tif", PIXELS, Extras(exif=b"Exif\0\0II*\0" + bytes(2)), generated=True
    )
    assert properties(read_photo(tmp_path / "a.tif").extras.xmp)[SOURCE_TYPE] == [xmp.GENERATED]
