"""Metadata in TFLite files, read with the schema's own rules and by LiteRT."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from unmask_sdk.core.manifest import Artifact, read_manifest
from unmask_sdk.core.sample_images import draw_masked_faces
from unmask_sdk.runtimes.tflite import TFLiteRuntime

pytest.importorskip("ai_edge_quantizer")
flatbuffers = pytest.importorskip("flatbuffers")
schema = pytest.importorskip("ai_edge_litert.schema_py_generated")
from unmask_sdk.export.metadata import metadata_of  # noqa: E402
from unmask_sdk.export.tflite.metadata import STANDARD, read_metadata, with_metadata  # noqa: E402
from unmask_sdk.export.tflite.precision import operators  # noqa: E402

pytestmark = pytest.mark.engine

# Shipped files keep large constants after the graph, tiny ones inside it.
SHIPPED = read_manifest()
LARGE = next(a for a in SHIPPED.artifacts if a.file == "unmask-256-lite-int8.tflite")


def tiny(folder: Path, role: str = "unmasker") -> Artifact:
    found = read_manifest(folder).artifacts
    return next(a for a in found if (a.format, a.role) == ("tflite", role))


class Table:
    """A table of a flat buffer whose schema is not at hand: fields by number."""

    def __init__(self, data: bytes, position: int) -> None:
        self.table = flatbuffers.table.Table(data, position)

    def text(self, field: int) -> str:
        return self.table.String(self.table.Pos + self.offset(field)).decode()

    def tables(self, field: int) -> list[Table]:
        offset = self.offset(field)
        start = self.table.Vector(offset)
        places = [start + 4 * k for k in range(self.table.VectorLen(offset))]
        return [Table(self.table.Bytes, self.table.Indirect(place)) for place in places]

    def offset(self, field: int) -> int:
        return self.table.Offset(4 + 2 * field)


@pytest.mark.parametrize("role", ["unmasker", "detector", "aligner"])
def test_exported_file_has_its_metadata(tiny_artifacts: Path, role: str) -> None:
    artifact = tiny(tiny_artifacts, role)
    content = (tiny_artifacts / artifact.file).read_bytes()
    expected = metadata_of(artifact)
    assert read_metadata(content) == expected.fields()
    model = schema.ModelT.InitFromPackedBuf(content, 0)
    assert model.description.decode() == expected.summary()
    (entry,) = (e for e in model.metadata if e.name.decode() == STANDARD)
    data = bytes(model.buffers[entry.buffer].data)
    assert data[4:8] == b"M001"
    found = Table(data, int.from_bytes(data[:4], "little"))
    # Fields by their order in metadata_schema.fbs.
    assert [found.text(k) for k in (0, 1, 2, 4, 5)] == [
        expected.name,
        expected.summary(),
        expected.version,
        "unmask-sdk",
        expected.license,
    ]
    (graph,) = found.tables(3)
    for field, texts, specs in (
        (2, expected.inputs, artifact.inputs),
        (3, expected.outputs, artifact.outputs),
    ):
        tensors = [(tensor.text(0), tensor.text(1)) for tensor in graph.tables(field)]
        assert sorted(tensors) == sorted((spec.name, texts[spec.name]) for spec in specs)


def test_tensors_are_described_in_the_order_of_the_graph(tiny_artifacts: Path) -> None:
    """Readers match descriptions and tensors by their order."""
    artifact = tiny(tiny_artifacts)
    content = (tiny_artifacts / artifact.file).read_bytes()
    model = schema.ModelT.InitFromPackedBuf(content, 0)
    (graph,) = model.subgraphs
    channels = [int(graph.tensors[index].shape[-1]) for index in graph.outputs]
    (entry,) = (e for e in model.metadata if e.name.decode() == STANDARD)
    data = bytes(model.buffers[entry.buffer].data)
    (described,) = Table(data, int.from_bytes(data[:4], "little")).tables(3)
    names = [tensor.text(0) for tensor in described.tables(3)]
    assert names == ["unmasked" if count == 3 else "mask" for count in channels]


def test_metadata_changes_no_operator_and_no_output(tmp_path: Path) -> None:
    before = SHIPPED.path(LARGE).read_bytes()
    after = with_metadata(before, metadata_of(LARGE))
    assert operators(after) == operators(before)
    model = schema.ModelT.InitFromPackedBuf(after, 0)
    offsets = [buffer.offset for buffer in model.buffers if buffer.offset]
    assert offsets, "constants after the graph"
    assert all(offset % 16 == 0 for offset in offsets)
    file = tmp_path / "changed.tflite"
    file.write_bytes(after)
    images = draw_masked_faces(1, 256, 256)
    found = [TFLiteRuntime(path, LARGE).run(images) for path in (SHIPPED.path(LARGE), file)]
    for one, other in zip(*found, strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_file_without_metadata_reads_as_empty() -> None:
    empty = schema.ModelT()
    assert read_metadata(bytes(pack(empty))) == {}


def pack(model: object) -> bytearray:
    from ai_edge_litert.tools import flatbuffer_utils

    return flatbuffer_utils.convert_object_to_bytearray(model)
