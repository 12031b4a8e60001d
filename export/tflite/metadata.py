"""Writes metadata into TFLite files.

They are there twice: in the form of `metadata_schema.fbs`, which Android Studio and the metadata
extractors of TFLite Support and MediaPipe read, and complete as JSON.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.tools import flatbuffer_utils

from unmask_sdk.export.metadata import AUTHOR, Metadata

# Names of the buffers, and the identifier of the first one's schema.
STANDARD, COMPLETE = "TFLITE_METADATA", "unmask-sdk"
_IDENTIFIER = b"M001"
# The oldest version of the schema that has all fields written here.
_PARSER_VERSION = "1.0.0"
# Constants after the graph begin at multiples of this many bytes.
_ALIGNMENT = 16


def with_metadata(content: bytes, metadata: Metadata) -> bytes:
    """Returns a file with metadata; its operators and constants stay as they are.

    Args:
        content: A file of one graph.
        metadata: Its metadata.
    """
    model = schema.ModelT.InitFromPackedBuf(content, 0)
    model.description = metadata.summary()
    (graph,), (signature,) = model.subgraphs, model.signatureDefs
    names = {e.tensorIndex: e.name.decode() for e in (*signature.inputs, *signature.outputs)}
    inputs, outputs = ([names[k] for k in indices] for indices in (graph.inputs, graph.outputs))
    added = {
        STANDARD: _standard(metadata, inputs, outputs),
        COMPLETE: json.dumps(metadata.fields(), indent=1).encode(),
    }
    model.metadata = model.metadata or []
    for name, data in added.items():
        entry = schema.MetadataT()
        entry.name, entry.buffer = name, len(model.buffers)
        model.metadata.append(entry)
        buffer = schema.BufferT()
        buffer.data = np.frombuffer(data, np.uint8)
        model.buffers.append(buffer)
    return _pack(model, content)


def read_metadata(content: bytes) -> dict[str, str]:
    """Returns the complete metadata of a file by key; empty if it has none."""
    model = schema.ModelT.InitFromPackedBuf(content, 0)
    for entry in model.metadata or ():
        if entry.name.decode() == COMPLETE:
            fields: dict[str, str] = json.loads(bytes(model.buffers[entry.buffer].data))
            return fields
    return {}


def _pack(model: Any, content: bytes) -> bytes:
    """Returns the file of a changed model; constants that lie after the graph move with its end."""
    outside = {k: buffer.offset for k, buffer in enumerate(model.buffers) if buffer.offset}
    graph = flatbuffer_utils.convert_object_to_bytearray(model)
    if not outside:
        return bytes(graph)
    start = min(outside.values())
    graph += bytes(-len(graph) % _ALIGNMENT)
    packed = schema.Model.GetRootAs(graph, 0)
    for k, offset in outside.items():
        moved = len(graph) + offset - start
        flatbuffer_utils.update_packed_buffer(packed.Buffers(k), offset=moved)
    return bytes(graph) + content[start:]


def _standard(metadata: Metadata, inputs: Sequence[str], outputs: Sequence[str]) -> bytes:
    """Returns a `ModelMetadata` table. Numbers are those of the fields in `metadata_schema.fbs`."""
    builder = flatbuffers.Builder(1024)
    ends = [
        _vector(builder, [_table(builder, {0: name, 1: texts[name]}) for name in names])
        for names, texts in ((inputs, metadata.inputs), (outputs, metadata.outputs))
    ]
    graph = _table(builder, {2: ends[0], 3: ends[1]})
    fields: dict[int, str | int] = {
        0: metadata.name,
        1: metadata.summary(),
        2: metadata.version,
        3: _vector(builder, [graph]),
        4: AUTHOR,
        5: metadata.license,
        7: _PARSER_VERSION,
    }
    builder.Finish(_table(builder, fields), file_identifier=_IDENTIFIER)
    return bytes(builder.Output())


def _table(builder: flatbuffers.Builder, fields: Mapping[int, str | int]) -> int:
    """Writes a table; its fields are texts, or places of vectors."""
    places = {
        number: builder.CreateString(value) if isinstance(value, str) else value
        for number, value in fields.items()
    }
    builder.StartObject(max(fields) + 1)
    for number, place in places.items():
        builder.PrependUOffsetTRelativeSlot(number, place, 0)
    return int(builder.EndObject())


def _vector(builder: flatbuffers.Builder, tables: Sequence[int]) -> int:
    """Writes a vector of tables."""
    builder.StartVector(4, len(tables), 4)
    for place in reversed(tables):
        builder.PrependUOffsetTRelative(place)
    return int(builder.EndVector())
