"""Real model files whose answers are known: they take strong blue paint for a mask.

Trained networks come and go; these stay, so that what is tested is everything round a network. A
face is a patch of blue paint; strong blue is a mask, pale blue a face without one. The fill is
one colour of skin.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from unmask_sdk.core.arrays import AnyArray
from unmask_sdk.core.manifest import Artifact, Golden, TensorSpec, sha256_of
from unmask_sdk.faces.align import crop_matrix

SKIN = (200, 150, 120)
STRONG, PALE = (20, 60, 230), (140, 180, 220)
# In the canonical crop: the painted patch, and with it the face's box.
CENTRE, AXES = (128, 175), (50, 45)
BOX_CENTRE, BOX_SIDES = (128, 140), (124, 158)
EYE_DISTANCE = 60
# Eye distance over the square root of the painted area.
RATIO = EYE_DISTANCE / float(np.sqrt(np.pi * AXES[0] * AXES[1]))


def paint(image: AnyArray, eyes: Any, colour: tuple[int, int, int] = STRONG) -> AnyArray:
    """Paints a patch over the lower face, and gives the picture."""
    inverse = np.linalg.inv(np.vstack([crop_matrix(eyes), [0, 0, 1]]))
    angle = np.linspace(0, 2 * np.pi, 200)
    points = np.stack([CENTRE[0] + AXES[0] * np.cos(angle), CENTRE[1] + AXES[1] * np.sin(angle)], 1)
    outline = points @ inverse[:2, :2].T + inverse[:2, 2]
    painted = image.copy()
    cv2.fillPoly(painted, [np.rint(outline * 16).astype(np.int32)], colour, cv2.LINE_AA, shift=4)
    return painted


class Graph:
    """Writes an ONNX graph a node at a time."""

    def __init__(self) -> None:
        self.onnx = pytest.importorskip("onnx")
        self.nodes: list[Any] = []

    def op(self, kind: str, *inputs: Any, **attributes: Any) -> str:
        """Adds a node; arrays and numbers among the inputs become constants."""
        names = [i if isinstance(i, str) else self._constant(i) for i in inputs]
        output = f"t{len(self.nodes)}"
        self.nodes.append(self.onnx.helper.make_node(kind, names, [output], **attributes))
        return output

    def _constant(self, value: Any) -> str:
        array = np.asarray(value)
        if array.dtype == np.float64:
            array = array.astype(np.float32)
        output = f"t{len(self.nodes)}"
        tensor = self.onnx.numpy_helper.from_array(array, output)
        self.nodes.append(self.onnx.helper.make_node("Constant", [], [output], value=tensor))
        return output

    def paint(self, low: float, high: float) -> str:
        """Says where `image` is bluer than red, 0 to 1, `[N, H, W, 1]`."""
        pixels = self.op("Cast", "image", to=1)
        red, blue = (self.op("Gather", pixels, np.array([c]), axis=3) for c in (0, 2))
        much = self.op("Sub", self.op("Sub", blue, red), float(low))
        return self.op("Clip", self.op("Div", much, float(high - low)), 0.0, 1.0)

    def places(self, like: str, axis: int, step: int = 1) -> str:
        """Gives the pixel coordinates along an axis, at the centres of cells of `step` pixels."""
        length = self.op("Gather", self.op("Shape", like), np.array(axis), axis=0)
        count = self.op("Div", length, np.array(step))
        cells = self.op("Range", np.array(0), count, np.array(1))
        centres = self.op("Add", self.op("Mul", self.op("Cast", cells, to=1), float(step)), 0.0)
        shape = [1, 1, 1, 1]
        shape[axis] = -1
        return self.op("Reshape", self.op("Add", centres, (step - 1) / 2), np.array(shape))

    def total(self, value: str) -> str:
        """Sums over the picture: `[N, 1, 1, 1]`."""
        return self.op("ReduceSum", value, np.array([1, 2, 3]), keepdims=1)

    def patch(self, cover: str) -> tuple[str, str, str, str]:
        """Measures a painted patch: x, y, the eye distance that goes with it, and 1 if it is there.

        Each is `[N, 1, 1, 1]`.
        """
        area = self.total(cover)
        some = self.op("Max", area, 1.0)
        x, y = (
            self.op("Div", self.total(self.op("Mul", cover, self.places(cover, axis))), some)
            for axis in (2, 1)
        )
        there = self.op("Cast", self.op("Greater", area, 6.0), to=1)
        return x, y, self.op("Mul", self.op("Sqrt", some), RATIO), there

    def save(
        self, path: Path, side: int | None, outputs: dict[str, tuple[str, TensorSpec]]
    ) -> None:
        """Names the outputs, and writes the file."""
        helper, kinds = self.onnx.helper, {"uint8": 2, "float32": 1}
        infos = []
        for name, (tensor, spec) in outputs.items():
            self.nodes.append(helper.make_node("Identity", [tensor], [name]))
            infos.append(helper.make_tensor_value_info(name, kinds[spec.dtype], spec.shape))
        side = (
            [None, None] if path.stem == "detector" else [112 if "align" in path.stem else 256] * 2
        )
        image = helper.make_tensor_value_info("image", 2, [None, *side, 3])
        graph = helper.make_graph(self.nodes, path.stem, [image], infos)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        self.onnx.checker.check_model(model)
        self.onnx.save(model, path)


def _unmasker(path: Path, side: int | None) -> Any:
    g = Graph()
    mask = g.op("Round", g.op("Mul", g.paint(120, 160), 255.0))
    opacity = g.op("Div", mask, 255.0)
    pixels = g.op("Cast", "image", to=1)
    skin = np.array(SKIN, np.float32)
    change = g.op("Mul", g.op("Sub", skin, pixels), opacity)
    unmasked = g.op("Cast", g.op("Round", g.op("Add", pixels, change)), to=2)
    specs = (
        TensorSpec("unmasked", "uint8", (None, 256, 256, 3)),
        TensorSpec("mask", "uint8", (None, 256, 256, 1)),
    )
    g.save(
        path, side, {"unmasked": (unmasked, specs[0]), "mask": (g.op("Cast", mask, to=2), specs[1])}
    )
    return specs


def _detector(path: Path, side: int | None) -> Any:
    g = Graph()
    cover = g.paint(40, 60)
    x, y, distance, there = g.patch(cover)
    lift = (BOX_CENTRE[1] - CENTRE[1]) / EYE_DISTANCE
    y = g.op("Add", y, g.op("Mul", distance, lift))
    off_x = g.op("Sub", x, g.places(cover, 2, 8))
    off_y = g.op("Sub", y, g.places(cover, 1, 8))
    square = g.op("Add", g.op("Mul", off_x, off_x), g.op("Mul", off_y, off_y))
    near = g.op("Sub", 1.3, g.op("Div", g.op("Sqrt", square), 12.0))
    heat = g.op("Squeeze", g.op("Mul", g.op("Clip", near, 0.0, 1.0), there), np.array([3]))
    flat = g.op("Mul", square, 0.0)
    parts = []
    for off, side in zip((off_x, off_y), BOX_SIDES, strict=True):
        length = g.op("Mul", distance, side / EYE_DISTANCE)
        parts.append(g.op("Add", g.op("Div", off, length), flat))
    for side in BOX_SIDES:
        length = g.op("Mul", distance, side / EYE_DISTANCE / 8)
        parts.append(g.op("Add", g.op("Log", length), flat))
    box = g.op("Concat", *parts, axis=3)
    specs = (
        TensorSpec("heat", "float32", (None, None, None)),
        TensorSpec("box", "float32", (None, None, None, 4)),
    )
    g.save(path, side, {"heat": (heat, specs[0]), "box": (box, specs[1])})
    return specs


def _aligner(path: Path, side: int | None) -> Any:
    g = Graph()
    x, y, distance, there = g.patch(g.paint(40, 60))
    centre = g.op("Reshape", g.op("Concat", x, y, axis=3), np.array([-1, 1, 2]))
    unit = g.op("Reshape", distance, np.array([-1, 1, 1]))
    face = np.array([[-30, -63], [30, -63], [0, -20], [-22, 10], [22, 10]]) / EYE_DISTANCE
    points = g.op("Add", centre, g.op("Mul", face[None], unit))
    points = g.op("Div", g.op("Add", points, 0.5), 112.0)
    specs = (
        TensorSpec("points", "float32", (None, 5, 2)),
        TensorSpec("score", "float32", (None,)),
    )
    score = g.op("Reshape", there, np.array([-1]))
    g.save(path, side, {"points": (points, specs[0]), "score": (score, specs[1])})
    return specs


@pytest.fixture(scope="session")
def painted_artifacts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the three networks and its manifest. Do not change it."""
    pytest.importorskip("onnxruntime")
    from unmask_sdk.export.manifest import write

    folder = tmp_path_factory.mktemp("painted")
    entries = []
    for role, build, side in (
        ("unmasker", _unmasker, 256),
        ("detector", _detector, None),
        ("aligner", _aligner, 112),
    ):
        path = folder / f"{role}.onnx"
        outputs = build(path, side)
        digest = sha256_of(path)
        entries.append(
            Artifact(
                name=role,
                role=role,
                format="onnx",
                precision="fp32",
                file=path.name,
                package=None,
                sha256=digest,
                bytes=path.stat().st_size,
                inputs=(TensorSpec("image", "uint8", (None, side, side, 3)),),
                outputs=outputs,
                weights_sha256=digest,
                calibration_sha256=None,
                tools={},
                golden=Golden(path.name, digest, 0.0),
                parity=(),
            )
        )
    write(folder, entries, {})
    return folder


@pytest.fixture(scope="session")
def painted_model(painted_artifacts: Path) -> Any:
    """A model of the three networks, one thread."""
    from unmask_sdk import load

    return load("onnx", threads=1, artifacts=painted_artifacts)


@pytest.fixture
def locked(tmp_path: Path) -> Iterator[Path]:
    """A folder that may not be written to, also by root."""
    folder = tmp_path / "locked"
    folder.mkdir(mode=0o500)
    found = [f for f in (folder, Path("/proc/sys")) if f.is_dir() and not os.access(f, os.W_OK)]
    if not found:
        pytest.skip("needs a folder that root may not write to")
    yield found[0]
    folder.rmdir()


@pytest.fixture(scope="session")
def painter() -> Callable[..., AnyArray]:
    """`paint(image, eyes, colour)`."""
    return paint


@pytest.fixture(scope="session")
def backdrop() -> AnyArray:
    """A photograph without any blue, uint8 `[480, 640, 3]`."""
    data = pytest.importorskip("skimage.data")
    image = cv2.resize(data.astronaut(), (640, 480), interpolation=cv2.INTER_AREA)
    image[..., 2] = np.minimum(image[..., 2], image[..., 0])
    return image
