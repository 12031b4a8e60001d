"""Every ONNX file that is shipped computes its golden vectors in Chromium."""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import asdict, replace

import numpy as np
import pytest

import npm_packages
from unmask_sdk.core.manifest import read_manifest
from unmask_sdk.golden_vectors import compare, worst
from web_calls import ModuleCaller

pytestmark = pytest.mark.browser

MANIFEST = read_manifest()
FILES = [
    artifact
    for artifact in MANIFEST.artifacts
    # A page opens the locator in fp32.
    if artifact.format in ("onnx", "trt")
    and (artifact.role == "unmasker" or artifact.precision != "int8")
]
NETWORKS = "../tests/networks.js"


def golden(artifact):
    with np.load(MANIFEST.golden_path(artifact)) as data:
        return (
            {spec.name: data[f"in_{spec.name}"] for spec in artifact.inputs},
            {spec.name: data[f"out_{spec.name}"] for spec in artifact.outputs},
        )


def tensor(array):
    return {"data": array.ravel(), "dims": list(array.shape)}


def entry(artifact):
    """The entry as `manifest.json` has it."""
    return json.loads(json.dumps(asdict(artifact)))


def test_there_are_twelve_files():
    assert len(FILES) == 12


def run(call, artifact, inputs, folder="/artifacts", backend="wasm"):
    tensors = {name: tensor(value) for name, value in inputs.items()}
    found = call(NETWORKS, "runFile", folder, entry(artifact), tensors, backend)
    assert found["threads"] == 1
    return {k: t["data"].reshape(t["dims"]) for k, t in found["outputs"].items()}


def check_golden(call, artifact, **options):
    inputs, expected = golden(artifact)
    outputs = run(call, artifact, inputs, **options)
    deviation = worst(
        (compare(name, value, outputs[name], images=len(value)), value)
        for name, value in expected.items()
    )
    assert deviation.within(artifact.golden), deviation.against(artifact.golden)


@pytest.mark.parametrize("artifact", FILES, ids=lambda artifact: artifact.file)
def test_golden_vectors(npm, call, artifact):
    check_golden(call, artifact)


def web_files():
    entries = json.loads((npm_packages.WEB / "models/manifest.json").read_text())["artifacts"]
    by_file = {artifact.file: artifact for artifact in FILES}
    return [
        replace(by_file[entry["file"]], sha256=entry["sha256"], bytes=entry["bytes"])
        for entry in entries
    ]


def test_files_of_the_web_package(npm):
    """They are those of this package, which run above."""
    files = web_files()
    assert len(files) == 6
    for artifact in files:
        assert artifact in FILES
        content = (npm_packages.WEB / "models" / artifact.file).read_bytes()
        assert hashlib.sha256(content).hexdigest() == artifact.sha256


def test_webgpu(npm, chromium, web_server):
    """Emulated on the CPU, which takes seconds: the detector stands for all networks."""
    arguments = ["--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader"]
    path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))))
    with chromium.browser_type.launch(executable_path=path, args=arguments) as browser:
        page = browser.new_page()
        page.goto(f"{web_server.address}/tests/blank.html")
        detector = next(a for a in web_files() if a.name == "detector")
        check_golden(ModuleCaller(page, web_server), detector, folder="/models", backend="webgpu")


def test_a_file_that_was_changed_is_refused(call):
    changed = entry(FILES[0]) | {"sha256": "0" * 64}
    with pytest.raises(Exception, match=r"ArtifactError: .*was changed or damaged: .* SHA-256"):
        call(NETWORKS, "runFile", "/artifacts", changed, {}, "wasm")


def test_a_file_that_is_missing_is_reported(call):
    absent = entry(FILES[0]) | {"file": "absent.onnx"}
    with pytest.raises(Exception, match=r"ArtifactError: .*absent\.onnx cannot be loaded: .* 404"):
        call(NETWORKS, "runFile", "/artifacts", absent, {}, "wasm")


def test_inputs_are_checked(npm, call):
    artifact = next(a for a in FILES if a.name == "aligner")
    wrong = {"image": tensor(np.zeros((1, 100, 112, 3), np.uint8))}
    with pytest.raises(Exception, match=r"takes image: uint8 \[\*, 112, 112, 3\]; got .*\[1, 100"):
        call(NETWORKS, "runFile", "/artifacts", entry(artifact), wrong, "wasm")
