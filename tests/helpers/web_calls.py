"""Calls functions of JavaScript modules in a page, with NumPy arrays in and out, exactly."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from web_server import WebServer

# By the name of the typed array in JavaScript.
DTYPES = {
    "Uint8Array": np.uint8,
    "Uint8ClampedArray": np.uint8,
    "Int8Array": np.int8,
    "Uint16Array": np.uint16,
    "Int16Array": np.int16,
    "Uint32Array": np.uint32,
    "Int32Array": np.int32,
    "Float32Array": np.float32,
    "Float64Array": np.float64,
}
NAMES = {np.dtype(t): name for name, t in DTYPES.items() if name != "Uint8ClampedArray"}


class Flat:
    """An array that the function takes as a typed array without a shape."""

    def __init__(self, values: Any) -> None:
        self.values = np.asarray(values).ravel()


class ModuleCaller:
    """Calls functions of modules of `web/src` in a page.

    Arguments: an array uint8 or float32 with two or three dimensions becomes a `Raster`; every
    other array, and one in `Flat`, a typed array of the same values (bool as `Uint8Array`).
    Numbers, texts, booleans, None (`null`), and lists and dictionaries of all these, stay what they
    are.

    Results: a `Raster` becomes an array `[H, W]` or `[H, W, C]`, `ImageData` `[H, W, 4]`, a typed
    array one with one dimension; `undefined` becomes None, any other object a dictionary.

    An exception of the function is raised as `playwright.sync_api.Error`, with its message.
    """

    def __init__(self, page: Any, server: WebServer) -> None:
        self._page = page
        self._server = server

    def __call__(self, module: str, name: str, *arguments: Any) -> Any:
        """Returns what an exported function returns, awaited if it is a promise.

        Args:
            module: File under `web/src`, such as `imaging/resize.js`.
            name: Of the export.
            *arguments: See the class.
        """
        return self._send("call", module, name, arguments)

    def changed(self, module: str, name: str, *arguments: Any) -> list[Any]:
        """Calls a function that changes its arguments; returns them, and last what it returned."""
        result: list[Any] = self._send("changed", module, name, arguments)
        return result

    def constant(self, module: str, name: str) -> Any:
        """Returns an exported value that is not a function."""
        return self._send("constant", module, name, ())

    def milliseconds(self, module: str, name: str, *arguments: Any, repeat: int = 20) -> float:
        """Returns the median time of a call, after calls that warm up for a tenth of a second.

        Arguments are not copied between calls.
        """
        return float(self._send("time", module, name, arguments, repeat))

    def _send(self, way: str, module: str, name: str, arguments: Any, repeat: int = 1) -> Any:
        self._server.outgoing = pack(list(arguments))
        self._page.evaluate(
            "async ([way, module, name, repeat]) =>"
            ' (await import("/tests/harness.js"))[way](`/src/${module}`, name, repeat)',
            [way, module, name, repeat],
        )
        return unpack(self._server.incoming)


def pack(value: Any) -> bytes:
    """Returns a value as its JSON's length (four bytes), its JSON, and the bytes of its arrays."""
    parts: list[bytes] = []
    header = json.dumps(_encode(value, parts)).encode()
    header += b" " * (-len(header) % 8 + 4)  # Typed arrays begin at multiples of their item's size.
    return len(header).to_bytes(4, "little") + header + b"".join(parts)


def unpack(data: bytes) -> Any:
    """Returns the value that `harness.js` packed."""
    length = int.from_bytes(data[:4], "little")
    return _decode(json.loads(data[4 : 4 + length]), data[4 + length :])


def _encode(value: Any, parts: list[bytes]) -> Any:
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, (np.ndarray, Flat)):
        array = value.values if isinstance(value, Flat) else value
        if array.dtype == np.bool_:
            array = array.view(np.uint8)
        raster = array.ndim in (2, 3) and array.dtype in (np.uint8, np.float32)
        shape = array.shape if raster else None
        start = sum(map(len, parts))
        parts.append(array.tobytes())
        parts.append(b"\0" * (-len(parts[-1]) % 8))
        return {"$array": NAMES[array.dtype], "start": start, "length": array.size, "shape": shape}
    if isinstance(value, dict):
        return {name: _encode(item, parts) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_encode(item, parts) for item in value]
    if isinstance(value, float) and not np.isfinite(value):
        return {"$number": {np.inf: "Infinity", -np.inf: "-Infinity"}.get(value, "NaN")}
    return value


def _decode(value: Any, data: bytes) -> Any:
    if isinstance(value, list):
        return [_decode(item, data) for item in value]
    if not isinstance(value, dict):
        return value
    if "$number" in value:
        return float(value["$number"])
    if "$array" in value:
        found = np.frombuffer(data, DTYPES[value["$array"]], value["length"], value["start"])
        return found.reshape(value["shape"]) if "shape" in value else found
    return {name: _decode(item, data) for name, item in value.items()}
