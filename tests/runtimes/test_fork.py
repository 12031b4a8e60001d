"""A forked child leaves alone what its parent opened, and opens its own; nothing is pickled."""

from __future__ import annotations

import copy
import importlib
import os
import pickle
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from unmask_sdk import InvalidInputError, Session, load
from unmask_sdk.loading.load import open_runtime

pytestmark = pytest.mark.slow

FORK = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
# The parent runs the model, so that its threads have started, and forks. The child does `ACTION`
# and exits as programs do, not by `os._exit`. Then the parent's model still works.
PROGRAM = """
import os, signal, sys, numpy as np, unmask_sdk
from unmask_sdk.loading.load import open_runtime
runtime = sys.argv[1]
image = np.zeros((1, 256, 256, 3), np.uint8)
def opened(): return open_runtime(runtime=runtime, threads=THREADS)
model = opened()
before = model.run(image)
pid = os.fork()
if pid == 0:
    signal.alarm(120)
    try:
        ACTION
    except unmask_sdk.UnmaskError as error:
        print(type(error).__name__, error)
    sys.exit(0)
_, status = os.waitpid(pid, 0)
assert all(map(np.array_equal, model.run(image), before))
print("child", status)
"""
ACTIONS = {
    "exit": ("pass", ""),
    "close": ("model.close(); model.close()", ""),
    "use": ("model.run(image)", "RuntimeUnavailableError this {} runtime was opened before a fork"),
    "empty": ("model.run(image[:0])", "RuntimeUnavailableError this {} runtime was opened before"),
    "drop": ("del model; import gc; gc.collect()", ""),
    "own": ("print(all(map(np.array_equal, opened().run(image), before)))", "True"),
    "again": (
        "if os.fork() == 0: signal.alarm(120); model.run(image)",
        "RuntimeUnavailableError this {} runtime was",
    ),
}
REQUIRED = {
    "onnx": "onnxruntime",
    "openvino": "openvino",
    "tflite": "ai_edge_litert",
    "torch": "torch",
}


def run(runtime: str, action: str, threads: int = 2) -> str:
    program = PROGRAM.replace("ACTION", action).replace("THREADS", str(threads))
    done = subprocess.run(
        [sys.executable, "-c", program, runtime],
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.stdout.endswith("child 0\n"), done.stdout + done.stderr
    return done.stdout


@FORK
@pytest.mark.parametrize("action", ACTIONS)
def test_a_forked_child(action: str) -> None:
    code, words = ACTIONS[action]
    assert run("onnx", code).startswith(words.format("onnx"))


@FORK
@pytest.mark.parametrize("runtime", ["openvino", "tflite", "torch"])
@pytest.mark.parametrize("action", ["exit", "use"])
def test_a_forked_child_of_every_engine(runtime: str, action: str) -> None:
    pytest.importorskip(REQUIRED[runtime])
    code, words = ACTIONS[action]
    assert run(runtime, code).startswith(words.format(runtime))


@FORK
def test_pytorch_takes_one_thread_in_a_forked_child() -> None:
    pytest.importorskip("torch")
    assert "cannot run 2 threads in it; use threads=1" in run("torch", ACTIONS["own"][0])
    own = "open_runtime(runtime='torch')"
    code = f"own = {own}; print(own.info.threads, own.run(image)[0].shape)"
    assert run("torch", code).startswith("1 (1, 256, 256, 3)")


@pytest.mark.parametrize("copying", [pickle.dumps, copy.copy, copy.deepcopy])
def test_no_copy_is_made(copying: Any) -> None:
    pytest.importorskip("onnxruntime")
    with load("onnx", threads=1) as model:
        for held in (model, Session(model), model.locator, model.stream([]), {"model": model}):
            if copying is copy.copy and not hasattr(held, "close"):
                continue
            with pytest.raises(InvalidInputError, match="cannot be pickled or copied"):
                copying(held)
        result = model(np.zeros((64, 64, 3), np.uint8))
        assert pickle.loads(pickle.dumps(result)).image.shape == (64, 64, 3)  # noqa: S301


def test_a_pool_tells_why_it_takes_no_model() -> None:
    multiprocessing = importlib.import_module("multiprocessing")
    with (
        open_runtime(runtime="onnx", threads=1) as opened,
        multiprocessing.get_context("spawn").Pool(1) as pool,
        pytest.raises(InvalidInputError, match="open one in each worker process"),
    ):
        pool.map(opened.run, [np.zeros((1, 256, 256, 3), np.uint8)])
