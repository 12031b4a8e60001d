"""Reads and writes the few parts of protocol buffers that ONNX files need."""

from __future__ import annotations

from collections.abc import Callable, Iterator

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_FIXED = {_FIXED64: 8, _FIXED32: 4}


def read_fields(message: bytes) -> Iterator[tuple[int, int | bytes, bytes]]:
    """Yields the fields of a message.

    Each is its number; a number or its bytes; and the field as it stands in the message.
    """
    at = 0
    while at < len(message):
        start = at
        tag, at = _read_varint(message, at)
        wire = tag & 7
        value: int | bytes
        if wire == _VARINT:
            value, at = _read_varint(message, at)
        else:
            size, at = _read_varint(message, at) if wire == _BYTES else (_FIXED[wire], at)
            value = message[at : at + size]
            at += size
        yield tag >> 3, value, message[start:at]


def read_varints(packed: bytes) -> list[int]:
    """Returns the numbers of a packed field."""
    numbers, at = [], 0
    while at < len(packed):
        number, at = _read_varint(packed, at)
        numbers.append(number)
    return numbers


def replace_messages(message: bytes, field: int, change: Callable[[bytes], list[bytes]]) -> bytes:
    """Replaces each message of a field by those that a function makes of it."""
    parts = []
    for number, value, raw in read_fields(message):
        if number == field and isinstance(value, bytes):
            parts += [bytes_field(field, changed) for changed in change(value)]
        else:
            parts.append(raw)
    return b"".join(parts)


def number_field(field: int, number: int) -> bytes:
    """Returns a field with a whole number."""
    return _varint(field << 3 | _VARINT) + _varint(number)


def bytes_field(field: int, content: bytes | str) -> bytes:
    """Returns a field with bytes, a text or a message."""
    data = content.encode() if isinstance(content, str) else content
    return _varint(field << 3 | _BYTES) + _varint(len(data)) + data


def _read_varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
        shift += 7


def _varint(number: int) -> bytes:
    data = bytearray()
    while number > 127:
        data.append(number & 127 | 128)
        number >>= 7
    return bytes((*data, number))
