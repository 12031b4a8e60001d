"""Valid files from which the fuzzer starts: from nothing it would rarely find a format's header."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageCms

# Modes by format; RGBA tests transparency, L and CMYK the conversion.
MODES = {
    "JPEG": ("RGB", "L", "CMYK"),
    "PNG": ("RGB", "RGBA", "P", "I;16", "1"),
    "WEBP": ("RGB", "RGBA"),
    "TIFF": ("RGB", "RGBA", "CMYK", "LAB", "I;16"),
    "BMP": ("RGB", "L"),
    "GIF": ("P",),
    "PPM": ("RGB", "L"),
}


def write(target: str, corpus: Path, entry: dict[str, Any]) -> None:
    """Fills a folder with valid inputs of a target.

    Args:
        target: A target of the harness.
        corpus: Folder to write to.
        entry: A manifest entry for the artifact.
    """
    corpus.mkdir(parents=True, exist_ok=True)
    for number, data in enumerate(SEEDS[target](entry)):
        (corpus / f"seed-{number:02d}").write_bytes(data)


def _pictures(_: dict[str, Any]) -> list[bytes]:
    pixels = np.random.default_rng(0).integers(0, 256, (9, 13, 3), np.uint8)
    photo = Image.fromarray(pixels)
    icc = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    made = []
    for form, modes in MODES.items():
        for mode in modes:
            image = photo.convert("L").convert("I;16") if mode == "I;16" else photo.convert(mode)
            for options in ({}, {"exif": _exif(), "icc_profile": icc}):
                file = io.BytesIO()
                image.save(file, form, **options)
                made.append(file.getvalue())
    return made


def _exif() -> bytes:
    tags = Image.Exif()
    tags[0x010F], tags[0x0112] = "Maker", 6
    tags.get_ifd(0x8769)[0x9003] = "2024:01:01 00:00:00"
    tags.get_ifd(0x8825)[2] = (52.0, 31.0, 12.5)
    return tags.tobytes()


def _metadata(_: dict[str, Any]) -> list[bytes]:
    packet = (
        b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF '
        b'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about="" '
        b'xmlns:dc="http://purl.org/dc/elements/1.1/" dc:format="image/jpeg"/></rdf:RDF>'
        b"</x:xmpmeta>"
    )
    exif = _exif().removeprefix(b"Exif\0\0")
    # The harness halves its input.
    length = max(len(exif), len(packet))
    return [exif.ljust(length, b"\0") + packet.ljust(length), packet]


def _videos(_: dict[str, Any]) -> list[bytes]:
    import av

    made = []
    for form in ("mp4", "matroska", "mpegts", "flv", "avi", "gif"):
        file = io.BytesIO()
        with av.open(file, "w", format=form) as new:
            codec = {"gif": "gif", "avi": "mpeg4"}.get(form, "libx264")
            video = new.add_stream(codec, rate=10)
            video.width, video.height = 64, 48
            video.pix_fmt = "rgb8" if form == "gif" else "yuv420p"
            for value in range(6):
                frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 40 * value, np.uint8))
                new.mux(video.encode(frame))
            new.mux(video.encode(None))
        made.append(file.getvalue())
    return made


def _manifests(entry: dict[str, Any]) -> list[bytes]:
    return [json.dumps({"schema": 1, "artifacts": many}).encode() for many in ([], [entry])]


def _fields(_: dict[str, Any]) -> list[bytes]:
    # One for every position in the manifest, and values of every type.
    values = (b"1", b"-1.5", b"null", b"[]", b"{}", b'"../a"', b'"a/b"', b"true", b'"\\ud800"')
    return [bytes([number]) + values[number % len(values)] for number in range(64)]


def _artifacts(_: dict[str, Any]) -> list[bytes]:
    from onnx import TensorProto, helper

    image = helper.make_tensor_value_info("image", TensorProto.UINT8, ["N", 256, 256, 3])
    outputs = [
        helper.make_tensor_value_info(name, TensorProto.UINT8, ["N", 256, 256, channels])
        for name, channels in (("unmasked", 3), ("mask", 1))
    ]
    made = []
    for kind, attributes in (("Identity", {}), ("Split", {"axis": 3, "num_outputs": 3})):
        parts = ["mask", "green", "blue"] if kind == "Split" else ["copy"]
        nodes = [
            helper.make_node("Identity", ["image"], ["unmasked"]),
            helper.make_node(kind, ["image"], parts, **attributes),
        ]
        graph = helper.make_graph(nodes, "tiny", [image], outputs[: 2 if kind == "Split" else 1])
        opset = [helper.make_opsetid("", 18)]
        made.append(helper.make_model(graph, ir_version=8, opset_imports=opset).SerializeToString())
    return made


SEEDS = {
    "picture": _pictures,
    "metadata": _metadata,
    "video": _videos,
    "manifest": _manifests,
    "field": _fields,
    "artifact": _artifacts,
}
