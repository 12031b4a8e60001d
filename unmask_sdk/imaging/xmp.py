"""XMP: what goes with a picture into the file written, and the notice that part is generated.

A file whose masks were taken off says so in the words of the IPTC: its `DigitalSourceType` is
"edited using generative AI". Whatever else the photo's own XMP says stays, except what is no
longer true of the picture.
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
# The photo is one that was taken, with a region that a trained network made up.
GENERATED = SOURCE_TYPES + "compositeWithTrainedAlgorithmicMedia"
# A picture that was made up as a whole stays one.
_STRONGER = SOURCE_TYPES + "trainedAlgorithmicMedia"

# Longer or deeper packets are not read: they are no descriptions, and cost memory and time.
MAX_BYTES = 1 << 20
MAX_DEPTH = 64

# True of the old file alone: which way up the pixels were stored, thumbnails of the photo with its
# masks, and pictures that lay behind it in the file (depth, gain map, video).
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

# What a packet in a JPEG begins with, and how long it may be then.
JPEG = b"http://ns.adobe.com/xap/1.0/\0"
MAX_SEGMENT = 65_533 - len(JPEG)

_EMPTY = f'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="{RDF}"/></x:xmpmeta>'.encode()
_HEAD = '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>\n'
_TAIL = '\n<?xpacket end="w"?>'


def build_packet(old: bytes | None, *, generated: bool) -> bytes | None:
    """Gives the XMP packet to write.

    Args:
        old: The photo's own packet; one that cannot be understood counts as none.
        generated: Whether a region of the picture was generated.

    Returns:
        UTF-8; None if there is nothing to say.
    """
    document = None if old is None else _parse(old)
    if document is None:
        if not generated:
            return None
        document = _parse(_EMPTY)
        assert document is not None  # It is our own.
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
    """Gives the packet that came with a Pillow image, as it was in the file."""
    found: object = image.info.get("xmp") or image.info.get("XML:com.adobe.xmp")
    if found is None:
        # Before version 11 Pillow left a JPEG's among its segments.
        segments = [part for name, part in getattr(image, "applist", ()) if name == "APP1"]
        found = next((part[len(JPEG) :] for part in segments if part.startswith(JPEG)), None)
    if isinstance(found, str):
        return found.encode()
    return found if isinstance(found, bytes) else None


def jpeg_segment(packet: bytes) -> bytes:
    """Gives a packet as a JPEG's segment; at most `MAX_SEGMENT` bytes long."""
    content = JPEG + packet
    return b"\xff\xe1" + (len(content) + 2).to_bytes(2, "big") + content


def _parse(old: bytes) -> Any | None:
    """Reads a packet; None unless it is one, of a size and depth that can be trusted."""
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
    """Refuses entities, which may unfold without end, and nesting without end."""
    depth = 0

    def refuse(*_: object) -> None:
        raise ValueError("a document type has no place in XMP")

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
    """A property is an attribute or an element: both mean the same."""
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
