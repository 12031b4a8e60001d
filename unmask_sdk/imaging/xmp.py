"""XMP: the packet that is written to the new file, with the notice of a generated region.

A file whose masks were removed is marked as the IPTC specifies: its `DigitalSourceType` is
"edited using generative AI". All other properties of the photo's XMP are kept, except those that
are no longer true.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from xml.dom import minidom
from xml.parsers import expat

from PIL import Image

RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
IPTC = "http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
SOURCE_TYPES = "http://cv.iptc.org/newscodes/digitalsourcetype/"
# A photo that was taken, with a region that a trained network generated.
GENERATED = SOURCE_TYPES + "compositeWithTrainedAlgorithmicMedia"
# An image that was generated completely; this value is kept.
_STRONGER = SOURCE_TYPES + "trainedAlgorithmicMedia"

# Longer or deeper packets are not read: they are not descriptions, and cost memory and time.
MAX_BYTES = 1 << 20
MAX_DEPTH = 64

# Only true of the old file: the orientation, thumbnails of the photo with its masks, and images
# that followed it in the file (depth, gain map, video).
_STALE = (
    ("http://ns.adobe.com/tiff/1.0/", "Orientation"),
    ("http://ns.adobe.com/xap/1.0/", "Thumbnails"),
)
_STALE_NAMESPACES = frozenset(
    {
        "http://ns.adobe.com/xmp/note/",
        "http://ns.adobe.com/hdr-gain-map/1.0/",
        "http://ns.google.com/photos/1.0/camera/",
        "http://ns.google.com/photos/1.0/container/",
        "http://ns.google.com/photos/1.0/depthmap/",
        "http://ns.google.com/photos/1.0/image/",
    }
)

# Prefix of a packet in a JPEG, and its largest length.
JPEG = b"http://ns.adobe.com/xap/1.0/\0"
MAX_SEGMENT = 65_533 - len(JPEG)

_EMPTY = f'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="{RDF}"/></x:xmpmeta>'.encode()
_HEAD = '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>\n'
_TAIL = '\n<?xpacket end="w"?>'


def build_packet(old: bytes | None, *, generated: bool) -> bytes | None:
    """Returns the XMP packet to write.

    Args:
        old: The photo's packet; an invalid one is ignored.
        generated: Whether a region of the image was generated.

    Returns:
        UTF-8; `None` if there is nothing to write.
    """
    document = None if old is None else _parse(old)
    if document is None:
        if not generated:
            return None
        document = _parse(_EMPTY)
        assert document is not None  # `_EMPTY` is valid.
    (rdf,) = document.getElementsByTagNameNS(RDF, "RDF")
    for description in _descriptions(rdf):
        for node in list(_properties(description)):
            if (node.namespaceURI, node.localName) in _STALE or (
                node.namespaceURI in _STALE_NAMESPACES
            ):
                _remove(description, node)
    if generated:
        _mark(document, rdf)
    text: str = _HEAD + document.documentElement.toxml() + _TAIL
    return text.encode()


def read_packet(image: Image.Image) -> bytes | None:
    """Returns the packet of a Pillow image, as it was in the file."""
    found: object = image.info.get("xmp") or image.info.get("XML:com.adobe.xmp")
    if found is None:
        # Before version 11 Pillow did not parse the segment of a JPEG.
        segments = [part for name, part in getattr(image, "applist", ()) if name == "APP1"]
        found = next((part[len(JPEG) :] for part in segments if part.startswith(JPEG)), None)
    if isinstance(found, str):
        return found.encode()
    return found if isinstance(found, bytes) else None


def jpeg_segment(packet: bytes) -> bytes:
    """Returns a packet of at most `MAX_SEGMENT` bytes as a segment of a JPEG file."""
    content = JPEG + packet
    return b"\xff\xe1" + (len(content) + 2).to_bytes(2, "big") + content


def _parse(old: bytes) -> Any | None:
    """Parses a packet; returns `None` if it is invalid, too long or nested too deeply."""
    text = old.strip(b"\0 \t\r\n")
    if len(text) > MAX_BYTES:
        return None
    try:
        _check(text)
        document = minidom.parseString(text)
    except (expat.ExpatError, ValueError, LookupError):
        return None
    return document if len(document.getElementsByTagNameNS(RDF, "RDF")) == 1 else None


def _check(text: bytes) -> None:
    """Refuses entities, which may expand without limit, and deep nesting."""
    depth = 0

    def refuse(*_: object) -> None:
        raise ValueError("XMP must not have a document type")

    def down(*_: object) -> None:
        nonlocal depth
        depth += 1
        if depth > MAX_DEPTH:
            raise ValueError("too deep")

    def up(*_: object) -> None:
        nonlocal depth
        depth -= 1

    parser = expat.ParserCreate()
    parser.StartDoctypeDeclHandler = refuse
    parser.StartElementHandler, parser.EndElementHandler = down, up
    parser.Parse(text, True)


def _descriptions(rdf: Any) -> list[Any]:
    return [
        node
        for node in rdf.childNodes
        if node.nodeType == node.ELEMENT_NODE
        and (node.namespaceURI, node.localName) == (RDF, "Description")
    ]


def _properties(description: Any) -> Iterator[Any]:
    """Yields the properties; a property is an attribute or an element, with the same meaning."""
    yield from description.attributes.values()
    yield from (node for node in description.childNodes if node.nodeType == node.ELEMENT_NODE)


def _remove(description: Any, node: Any) -> None:
    if node.nodeType == node.ATTRIBUTE_NODE:
        description.removeAttributeNode(node)
    else:
        description.removeChild(node)


def _value(node: Any) -> str:
    if node.nodeType == node.ATTRIBUTE_NODE:
        return str(node.value)
    inner = "".join(child.data for child in node.childNodes if child.nodeType == child.TEXT_NODE)
    return re.sub(r"\s", "", inner) or str(node.getAttributeNS(RDF, "resource"))


def _mark(document: Any, rdf: Any) -> None:
    for description in _descriptions(rdf):
        for node in list(_properties(description)):
            if (node.namespaceURI, node.localName) == (IPTC, "DigitalSourceType"):
                if _value(node) == _STRONGER:
                    return
                _remove(description, node)
    descriptions = _descriptions(rdf)
    if not descriptions:
        description = document.createElementNS(RDF, "rdf:Description")
        description.setAttribute("xmlns:rdf", RDF)
        description.setAttributeNS(RDF, "rdf:about", "")
        rdf.appendChild(description)
        descriptions = [description]
    notice = document.createElementNS(IPTC, "Iptc4xmpExt:DigitalSourceType")
    notice.setAttribute("xmlns:Iptc4xmpExt", IPTC)
    notice.appendChild(document.createTextNode(GENERATED))
    descriptions[0].appendChild(notice)
