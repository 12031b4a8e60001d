"""`unmask export triton`: which files are in a model repository, and what is refused.

`tests/serving/` reads the configurations with Triton's own parser, and serves them.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from unmask_process import run_unmask as unmask
from unmask_sdk.core.manifest import Artifact, read_manifest, sha256_of
from unmask_sdk.errors import ArtifactError, ConfigError, ExportError, InvalidInputError
from unmask_sdk.export.triton.model_config import network_config
from unmask_sdk.export.triton.plan_script import plan_profile
from unmask_sdk.export.triton.repository import export_repository
from unmask_sdk.serving.networks import model_name

SHIPPED = read_manifest()
# Stands for NVIDIA's trtexec: writes its arguments to the plan that it was to build.
TRTEXEC = """\
#!/bin/sh
for argument; do
    case $argument in --saveEngine=*) plan=${argument#--saveEngine=} ;; esac
done
printf '%s\\n' "$@" > "$plan"
"""


def files(folder: Path) -> list[str]:
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


def test_command_writes_networks_and_the_model_of_photos(tmp_path: Path) -> None:
    done = unmask("export", "triton", "-o", str(tmp_path / "models"))
    assert done.returncode == 0, done.stderr
    assert files(tmp_path / "models") == [
        "unmask-256/1/model.onnx",
        "unmask-256/1/unmask-256.safetensors",
        "unmask-256/config.pbtxt",
        "unmask-aligner/1/aligner.safetensors",
        "unmask-aligner/1/model.onnx",
        "unmask-aligner/config.pbtxt",
        "unmask-detector/1/detector.safetensors",
        "unmask-detector/1/model.onnx",
        "unmask-detector/config.pbtxt",
        "unmask/1/manifest.json",
        "unmask/1/model.py",
        "unmask/config.pbtxt",
    ]
    names = "unmask, unmask-256 (fp32), unmask-detector (fp32), unmask-aligner (fp32)"
    assert done.stdout == f"{tmp_path / 'models'}: {names}\n"


@pytest.mark.parametrize(
    ("backend", "format", "precision", "model"),
    [
        ("onnxruntime", "onnx", "fp32", "unmask-256"),
        ("tensorrt", "trt", "int8", "unmask-256-lite"),
        ("python", "onnx", "int8", "unmask-256"),
    ],
)
def test_files_are_those_of_the_manifest(
    backend: str, format: str, precision: str, model: str, tmp_path: Path
) -> None:
    networks = export_repository(tmp_path, backend=backend, precision=precision, model=model)
    assert [a.role for a in networks] == ["unmasker", "detector", "aligner"]
    unmasker = networks[0]
    assert (unmasker.name, unmasker.format, unmasker.precision) == (model, format, precision)
    assert list(read_manifest(tmp_path / "unmask" / "1").artifacts) == networks
    for artifact in networks:
        assert artifact in SHIPPED.artifacts
        folder = tmp_path / model_name(artifact) / "1"
        assert sha256_of(folder / "model.onnx") == artifact.sha256
        if backend == "python":
            listed = read_manifest(folder)
            (entry,) = listed.artifacts
            assert listed.path(entry) == folder / "model.onnx"


def test_networks_open_in_their_new_folders(tmp_path: Path) -> None:
    ort = pytest.importorskip("onnxruntime")
    for artifact in export_repository(tmp_path, model="unmask-256-lite"):
        content = tmp_path / model_name(artifact) / "1" / "model.onnx"
        providers = ["CPUExecutionProvider"]
        assert ort.InferenceSession(content, providers=providers).get_outputs()


def test_models_of_others_stay(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    export_repository(tmp_path)
    assert (tmp_path / "other").is_dir()


def test_own_artifacts_are_used(tmp_path: Path) -> None:
    own = tmp_path / "own"
    shutil.copytree(SHIPPED.folder, own)
    (own / "unmask-256-fp32.onnx").write_bytes(b"damaged")
    with pytest.raises(ArtifactError, match=r"own.unmask-256-fp32\.onnx has 7 bytes, expected"):
        export_repository(tmp_path / "models", artifacts=own)
    assert not (tmp_path / "models").exists()


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"backend": "onnx"}, ConfigError, "'onnx'; known are onnxruntime, tensorrt, python"),
        ({"precision": "int8"}, ConfigError, "session.x64quantprecision"),
        ({"precision": "int4"}, ArtifactError, "there is no int4 unmasker"),
        ({"model": "small"}, InvalidInputError, "no unmasker named 'small'"),
    ],
)
def test_what_cannot_be_served_is_refused(
    arguments: dict[str, str], error: type[Exception], words: str, tmp_path: Path
) -> None:
    with pytest.raises(error, match=words):
        export_repository(tmp_path / "models", **arguments)
    assert not (tmp_path / "models").exists()


def test_models_that_are_there_are_not_overwritten(tmp_path: Path) -> None:
    export_repository(tmp_path, backend="tensorrt")
    before = files(tmp_path)
    with pytest.raises(InvalidInputError, match="unmask is there already; remove it"):
        export_repository(tmp_path)
    assert files(tmp_path) == before


def test_an_unmasker_may_not_take_the_name_of_another_model(
    tmp_path: Path, renamed: Callable[[str], Path]
) -> None:
    with pytest.raises(InvalidInputError, match="the unmasker is named 'unmask-aligner', as"):
        export_repository(tmp_path / "models", artifacts=renamed("unmask-aligner"))


@pytest.fixture
def renamed(tmp_path: Path) -> Callable[[str], Path]:
    """Makes a folder of artifacts whose unmasker has another name."""

    def make(name: str) -> Path:
        folder = tmp_path / "renamed"
        shutil.copytree(SHIPPED.folder, folder)
        text = (folder / "manifest.json").read_text(encoding="utf-8")
        text = text.replace('"name": "unmask-256"', f'"name": "{name}"')
        text = text.replace('"name": "unmask-256-lite"', f'"name": "{name}"')
        (folder / "manifest.json").write_text(text, encoding="utf-8")
        return folder

    return make


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["onnx", "--backend", "python"], "belong to `unmask export triton`"),
        (["triton", "--weights", "a.safetensors"], "give --artifacts DIR"),
    ],
)
def test_options_of_another_format_are_refused(arguments: list[str], words: str) -> None:
    done = unmask("export", *arguments)
    assert done.returncode == 1
    assert words in " ".join(done.stderr.split())


def test_a_file_for_one_image_at_a_time_is_refused() -> None:
    artifact = fp32("unmasker")
    (spec,) = artifact.inputs
    single = replace(artifact, inputs=(replace(spec, shape=(1, *spec.shape[1:])),))
    with pytest.raises(ExportError, match="takes one image at a time"):
        network_config(single, "onnxruntime")


@pytest.mark.skipif(os.name == "nt", reason="needs a POSIX shell")
def test_plan_script_builds_every_plan(tmp_path: Path) -> None:
    networks = export_repository(tmp_path / "models", backend="tensorrt")
    trtexec = tmp_path / "trtexec"
    trtexec.write_text(TRTEXEC, encoding="utf-8")
    trtexec.chmod(0o755)
    script = tmp_path / "models" / "build_plans.sh"
    environment = {**os.environ, "TRTEXEC": str(trtexec)}
    done = subprocess.run(["sh", str(script)], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    for artifact in networks:
        folder = tmp_path / "models" / model_name(artifact) / "1"
        assert sorted(p.name for p in folder.iterdir()) == ["model.onnx", "model.plan"]
        given = (folder / "model.plan").read_text(encoding="utf-8").splitlines()
        assert f"--onnx={model_name(artifact)}/1/model.onnx" in given
        shapes = plan_profile(artifact.role).shapes(artifact.inputs[0])
        for option, shape in zip(("minShapes", "optShapes", "maxShapes"), shapes, strict=True):
            assert f"--{option}=image:{'x'.join(map(str, shape))}" in given


@pytest.mark.parametrize("role", ["unmasker", "detector", "aligner"])
def test_networks_run_the_smallest_plan_shape(role: str) -> None:
    ort = pytest.importorskip("onnxruntime")
    artifact = fp32(role)
    session = ort.InferenceSession(SHIPPED.path(artifact))
    smallest, _, _ = plan_profile(role).shapes(artifact.inputs[0])
    outputs = session.run(None, {"image": np.zeros(smallest, np.uint8)})
    assert [x.dtype for x in outputs] == [spec.dtype for spec in artifact.outputs]


@pytest.mark.engine
@pytest.mark.parametrize("role", ["unmasker", "detector", "aligner"])
def test_tensorrt_builds_plans_of_these_shapes(role: str, tmp_path: Path) -> None:
    pytest.importorskip("tensorrt_rtx")
    from unmask_sdk.runtimes.engines.build import build
    from unmask_sdk.runtimes.engines.library import find_library

    networks = export_repository(tmp_path, backend="tensorrt", model="unmask-256-lite")
    (artifact,) = (a for a in networks if a.role == role)
    content = (tmp_path / model_name(artifact) / "1" / "model.onnx").read_bytes()
    shapes = plan_profile(role).shapes(artifact.inputs[0])
    assert build(find_library(), content, shapes, capability="8.6").engine


def fp32(role: str) -> Artifact:
    return next(a for a in SHIPPED.find(role=role, formats=("onnx",)) if a.precision == "fp32")
