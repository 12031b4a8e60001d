"""`load()`: an explicit choice works or raises, `auto` explains itself."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import unmask_sdk
from unmask_sdk.core.manifest import read_manifest
from unmask_sdk.core.sample_images import draw_masked_faces
from unmask_sdk.errors import (
    ArtifactError,
    DeviceMismatchError,
    InvalidInputError,
    RuntimeUnavailableError,
)
from unmask_sdk.loading.choose import choose
from unmask_sdk.loading.load import candidates, open_runtime
from unmask_sdk.loading.open_artifact import open_artifact
from unmask_sdk.runtimes.registry import ENTRIES, find_runtime, why_unavailable

EXAMPLES = Path(__file__).parents[3] / "examples"

pytest.importorskip("onnxruntime")


def test_auto_takes_the_first_usable_runtime_and_explains_the_others(
    painted_artifacts: Path,
) -> None:
    manifest = read_manifest(painted_artifacts)
    opened, considered = choose((manifest,), "auto", "auto")
    *passed_over, chosen = considered
    names = [entry.name for entry in ENTRIES]
    assert [c.name for c in considered] == names[: len(considered)]
    assert len(considered) <= names.index("onnx") + 1
    for candidate in passed_over:
        entry = find_runtime(candidate.name)
        files = manifest.find(role="unmasker", formats=entry.formats)
        assert why_unavailable(entry) is not None or not files
        assert not candidate.usable
        assert candidate.reason
        assert candidate.fix
    assert why_unavailable(find_runtime(chosen.name)) is None
    assert opened.info.runtime == chosen.name
    assert chosen.usable
    assert chosen.fix is None


def test_auto_without_anything_usable_lists_the_reasons(painted_artifacts: Path) -> None:
    with pytest.raises(
        RuntimeUnavailableError,
        match=r"^no runtime runs on device='npu'; leave it out, or ask for cuda or cpu"
        r"\. Considered:\n  trt: .*\n  cuda: (.*\n)*  onnx: .*\n(.*\n)*  torch: ",
    ):
        open_runtime(device="npu", artifacts=painted_artifacts)


def test_auto_on_a_device_that_is_not_there_names_what_runs_on_it(tiny_artifacts: Path) -> None:
    torch = pytest.importorskip("torch")
    if torch.cuda.is_available():
        assert open_runtime(device="cuda", artifacts=tiny_artifacts).info.device == "cuda"
        return
    with pytest.raises(
        RuntimeUnavailableError,
        match=r"(?s)^no runtime .* device='cuda' \(trt, cuda, torch would\).* no CUDA device",
    ):
        open_runtime(device="cuda", artifacts=tiny_artifacts)


def test_auto_does_not_pass_over_a_damaged_file(own_painted: Path) -> None:
    (own_painted / "unmasker.onnx").write_bytes(b"")
    with pytest.raises(ArtifactError, match="0 bytes"):
        open_runtime(artifacts=own_painted)


@pytest.mark.parametrize("name", ["trt", "tensorrt", "cuda", "coreml"])
def test_explicit_choice_that_cannot_work_says_why_and_what_mends_it(
    painted_artifacts: Path, name: str
) -> None:
    if why_unavailable(find_runtime(name)) is None:
        pytest.skip(f"{name} is usable here")
    with pytest.raises(RuntimeUnavailableError, match=r"(exists on|driver).*; "):
        open_runtime(runtime=name, artifacts=painted_artifacts)


def test_precision_that_is_not_there_is_refused(painted_artifacts: Path) -> None:
    for precision in ("int8", "fp16"):
        fix = f"ask for the precision fp32, or unmask export onnx --precision {precision} -o DIR"
        with pytest.raises(ArtifactError, match=f"no {precision} unmasker.*; {fix}"):
            open_runtime(runtime="onnx", precision=precision, artifacts=painted_artifacts)
    # No export would help.
    with pytest.raises(ArtifactError, match=r"no int4 unmasker.*; ask for the precision fp32$"):
        open_runtime(runtime="onnx", precision="int4", artifacts=painted_artifacts)


def test_missing_role_is_refused(own_artifacts: Path) -> None:
    file = own_artifacts / "manifest.json"
    data = json.loads(file.read_text())
    data["artifacts"] = [a for a in data["artifacts"] if a["format"] != "onnx"]
    file.write_text(json.dumps(data))
    with pytest.raises(ArtifactError, match="no unmasker that ONNX Runtime"):
        open_runtime(runtime="onnx", artifacts=own_artifacts)


def test_engine_on_another_device_is_an_error(
    painted_artifacts: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "liar.py").write_text(
        "from unmask_sdk.runtimes.base import Runtime, RuntimeInfo\n"
        "class Liar(Runtime[str]):\n"
        "    def _open(self, path, device, threads):\n"
        "        return 'x', RuntimeInfo('liar', 'slow', 'cpu', 'fp32', None)\n"
        "    def _run(self, handle, inputs):\n"
        "        return inputs\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    from dataclasses import replace

    entry = replace(find_runtime("onnx"), module="liar", class_name="Liar", devices=("cuda",))
    manifest = read_manifest(painted_artifacts)
    artifact = manifest.find(role="unmasker", formats=("onnx",))[0]
    with pytest.raises(DeviceMismatchError, match="fp32 on cuda, got fp32 on cpu"):
        open_artifact(manifest, artifact, entry)


def test_load_opens_all_three_networks(painted_artifacts: Path) -> None:
    model = unmask_sdk.load("cpu", threads=1, artifacts=painted_artifacts)
    unmasked, masks = model.crops(draw_masked_faces(2, 256, 256))
    assert unmasked.shape == (2, 256, 256, 3)
    assert masks.dtype == np.uint8
    assert model.selection[-1].name == "onnx"


def test_load_that_fails_half_way_closes_what_it_opened(
    own_painted: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from unmask_sdk.runtimes.onnx import OnnxRuntime

    closed = []
    close = OnnxRuntime.close
    monkeypatch.setattr(
        OnnxRuntime, "close", lambda self: (closed.append(self.artifact.role), close(self))
    )
    (own_painted / "aligner.onnx").write_bytes(b"")
    with pytest.raises(ArtifactError, match="0 bytes"):
        unmask_sdk.load("onnx", artifacts=own_painted)
    assert closed == ["detector", "unmasker"]
    with unmask_sdk.load("onnx"):
        assert closed == ["detector", "unmasker"]


def test_load_refuses_nonsense(painted_artifacts: Path) -> None:
    with pytest.raises(InvalidInputError, match="unknown runtime"):
        unmask_sdk.load("fastest", artifacts=painted_artifacts)
    with pytest.raises(InvalidInputError, match=r"no precision 'int3'; known are: fp16, int8"):
        unmask_sdk.load(precision="int3", artifacts=painted_artifacts)
    with pytest.raises(InvalidInputError, match=r"artifacts must be a path; got 3"):
        unmask_sdk.load(artifacts=3)
    for threads in (0, 1.5, True, 10**9):
        with pytest.raises(InvalidInputError, match=f"threads .* from 1 to 1024; got {threads}"):
            unmask_sdk.load("onnx", threads=threads, artifacts=painted_artifacts)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"model": ["a"]}, r"model must be a name; got \['a'\]"),
        ({"precision": None}, "precision must be a name; got None"),
        ({"runtime": 3}, "runtime must be a name; got 3"),
        (
            {"runtime": "unmask-256-lite"},
            "is a model, not a runtime; use model=",
        ),
        ({"runtime": "onnx", "device": ""}, "device must be a name; got ''"),
    ],
)
def test_names_that_are_none_are_refused(arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidInputError, match=words):
        unmask_sdk.load(**arguments)


def test_names_of_runtimes_may_be_in_capitals() -> None:
    assert find_runtime("ONNX") is find_runtime("onnx")
    assert find_runtime("TensorRT") is find_runtime("trt")


def test_a_precision_that_no_usable_runtime_has_is_told_first() -> None:
    words = r"no runtime that is usable here has w8 \(.*onnx has fp32 and int8"
    with pytest.raises(RuntimeUnavailableError, match=words):
        unmask_sdk.load(precision="w8", device="cpu")


@pytest.mark.parametrize(
    ("runtime", "precision", "locator"),
    [
        ("onnx", "int8", "int8"),
        ("onnx", "fp32", "fp32"),
        ("openvino", "int8", "int8"),
        ("openvino", "fp32", "fp32"),
        ("tflite", "int8", "int8"),
        ("trt", "int8", "fp16"),
    ],
)
def test_the_locator_is_int8_where_that_is_faster(
    runtime: str, precision: str, locator: str
) -> None:
    model = "unmask-256-lite"
    files = [artifact for _, artifact in candidates(runtime, precision, model=model)]
    assert {a.role: a.precision for a in files} == {
        "unmasker": precision,
        "detector": locator,
        "aligner": locator,
    }
    if why_unavailable(find_runtime(runtime)) is None:
        with unmask_sdk.load(runtime, precision, model=model) as opened:
            assert len(opened(EXAMPLES / "surgical.jpg").faces) == 1
