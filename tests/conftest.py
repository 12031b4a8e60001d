"""Fixtures for all tests: tiny models with random weights, exported like the real ones, and faces.

The faces are variations of one public-domain photo of an astronaut, with face meshes.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from artifact_folders import add_artifacts
from shared_folders import make_once
from tiny_networks import save_tiny_networks

# Read when torch and OpenMP are first imported. Parallel workers get one thread each; with more,
# their threads wait for one another.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")
# As in `unmask_sdk.runtimes.openvino`, which tests may import after OpenVINO: its telemetry forks a
# process, and forks among other threads can hang.
sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
# Marks of the tests that the fast tier leaves out, and marks that fixtures bring.
TIERS = ("slow", "engine", "gpu", "mac", "browser", "serving")
FAST = f"not ({' or '.join(TIERS)})"
# Exports take half a minute each; `library` is TensorRT-RTX, which builds engines.
MARK_OF_FIXTURE = {
    "every_artifact": "engine",
    "every_unmasker": "engine",
    "exported_again": "slow",
    "library": "engine",
    "tiny_artifacts": "slow",
    "tiny_packages": "engine",
    "tiny_trt": "engine",
}
MODULE_MARK = re.compile(r"^pytestmark = \[?\s*pytest\.mark\.(\w+)", re.MULTILINE)
# The astronaut's eye centers in pixels, as MediaPipe's face mesh has them.
ASTRONAUT_EYES = ((203.5, 102.2), (247.0, 104.6))


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Keeps the fast tier from importing files of which it runs nothing.

    They import converters, which takes longer than the tests of the fast tier do.
    """
    if config.option.markexpr != FAST or not collection_path.match("test_*.py"):
        return None
    mark = MODULE_MARK.search(collection_path.read_text(encoding="utf-8"))
    return True if mark is not None and mark[1] in TIERS else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks tests by the fixtures that they use."""
    for item in items:
        for fixture in getattr(item, "fixturenames", ()):
            if fixture in MARK_OF_FIXTURE:
                item.add_marker(MARK_OF_FIXTURE[fixture])


@pytest.fixture(scope="session", autouse=True)
def interruptible() -> None:
    """Makes Ctrl-C and a hang-up end commands, also where a shell started the tests without them.

    Programs that tests start inherit that a signal is ignored, but no handler.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)
    hangup = getattr(signal, "SIGHUP", None)  # Windows has none.
    if hangup is not None and signal.getsignal(hangup) == signal.SIG_IGN:
        signal.signal(hangup, lambda *_: None)


@pytest.fixture(scope="session")
def tiny_weights(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Random weights of a tiny unmasker, detector and aligner, as `unmask train` writes them."""
    pytest.importorskip("torch")
    return save_tiny_networks(tmp_path_factory.mktemp("weights"))


@pytest.fixture(scope="session")
def conversions() -> dict[Path, dict[str, bytes]]:
    """What exports in this process share: each of the tiny networks is converted once.

    Not for tests that compare one export with another.
    """
    return {}


@pytest.fixture(scope="session")
def tiny_artifacts(
    tiny_weights: list[Path],
    conversions: dict[Path, dict[str, bytes]],
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """A folder with the tiny networks exported, and its manifest. Do not change it.

    They are there as ONNX and, where its converter is installed, as TFLite.
    """
    for name in ("onnx", "onnxscript", "onnxruntime"):
        pytest.importorskip(name)
    from unmask_sdk.core.optional_deps import missing_packages
    from unmask_sdk.export.formats import EXPORTERS
    from unmask_sdk.export.run_export import export

    def fill(folder: Path) -> None:
        export("onnx", tiny_weights, folder, conversions=conversions)
        if not missing_packages(EXPORTERS["tflite"].requires):
            export("tflite", tiny_weights, folder)

    return make_once(tmp_path_factory, "tiny-artifacts", fill)


def absent_converters() -> list[str]:
    """Returns the packages that exporting every format needs and that are not installed."""
    from unmask_sdk.core.optional_deps import missing_packages
    from unmask_sdk.export.formats import EXPORTERS

    return sorted({name for e in EXPORTERS.values() for name in missing_packages(e.requires)})


@pytest.fixture(scope="session")
def every_artifact(tiny_weights: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the tiny unmasker in every format and precision. Do not change it.

    `report.json` in it holds the arguments of each call of `progress`, and the format,
    precision and number of parity values of each artifact that `export_all` returned.
    """
    absent = absent_converters()
    if absent:
        pytest.skip(f"needs {', '.join(absent)}")
    from unmask_sdk.export.all_formats import export_all

    def fill(folder: Path) -> None:
        steps: list[tuple[str, int, int]] = []
        made = export_all(tiny_weights[:1], folder, progress=lambda *step: steps.append(step))
        artifacts = [
            (m.artifact.format, m.artifact.precision, len(m.artifact.parity)) for m in made
        ]
        report = {"artifacts": artifacts, "steps": steps}
        (folder / "report.json").write_text(json.dumps(report), encoding="utf-8")

    return make_once(tmp_path_factory, "every-artifact", fill)


@pytest.fixture(scope="session")
def add_unmasker(tiny_weights: list[Path], request: pytest.FixtureRequest) -> Callable[..., None]:
    """A function that adds the tiny unmasker to a folder: `add_unmasker(folder, "trt", "int8", …)`.

    Its files are those of `every_artifact`, or are exported where that cannot be made.
    """

    def add(folder: Path, format: str, *precisions: str) -> None:
        if not absent_converters():
            source = request.getfixturevalue("every_artifact")
            add_artifacts(folder, source, [(format, precision) for precision in precisions])
            return
        from unmask_sdk.export.run_export import export

        for precision in precisions:
            export(format, tiny_weights[:1], folder, precision=precision)

    return add


@pytest.fixture(scope="session")
def tiny_packages(
    tiny_weights: list[Path],
    add_unmasker: Callable[..., None],
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """The tiny networks as Core ML packages, the unmasker in every precision. Do not change it."""
    pytest.importorskip("coremltools")
    from unmask_sdk.export.run_export import export

    def fill(folder: Path) -> None:
        export("coreml", tiny_weights[1:], folder)
        add_unmasker(folder, "coreml", "fp32", "fp16", "w8", "w8a8")

    return make_once(tmp_path_factory, "tiny-packages", fill)


@pytest.fixture
def own_artifacts(tiny_artifacts: Path, tmp_path: Path) -> Path:
    """A copy of `tiny_artifacts` that a test may damage."""
    return Path(shutil.copytree(tiny_artifacts, tmp_path / "artifacts"))


@pytest.fixture(scope="session")
def tiny_trt(
    tiny_weights: list[Path],
    conversions: dict[Path, dict[str, bytes]],
    add_unmasker: Callable[..., None],
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """A folder with the tiny networks exported to TensorRT: fp16, and the unmasker in int8.

    Do not change it.
    """
    for name in ("onnx", "onnxscript", "onnxruntime"):
        pytest.importorskip(name)
    from unmask_sdk.export.run_export import export

    def fill(folder: Path) -> None:
        export("trt", tiny_weights[1:], folder, precision="fp16", conversions=conversions)
        add_unmasker(folder, "trt", "fp16", "int8")

    return make_once(tmp_path_factory, "tiny-trt", fill)


@pytest.fixture(scope="session")
def astronaut() -> tuple[Any, Any]:
    """Photo uint8 `[512, 512, 3]` and mesh `[468, 2]`: the mean face, aligned by the eyes."""
    data = pytest.importorskip("skimage.data")
    from unmask_sdk.faces.align import crop_matrix, transform_points
    from unmask_sdk.training.synthesis.mesh import mean_face

    mesh = transform_points(cv2.invertAffineTransform(crop_matrix(ASTRONAUT_EYES)), mean_face())
    return data.astronaut(), mesh


@pytest.fixture(scope="session")
def faces_folder(astronaut: tuple[Any, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten images of five "people", the last of them held out, and `landmarks.npz`."""
    from unmask_sdk.faces.align import transform_points

    folder = tmp_path_factory.mktemp("faces")
    picture, mesh = astronaut
    rng = np.random.default_rng(0)
    names, meshes, splits = [], [], []
    for index in range(10):
        matrix = cv2.getRotationMatrix2D((225, 110), rng.uniform(-15, 15), rng.uniform(0.7, 1.2))
        changed = cv2.warpAffine(picture, matrix, (400, 360), borderMode=cv2.BORDER_REFLECT)
        changed = np.clip(changed * rng.uniform(0.6, 1.2, 3), 0, 255).astype(np.uint8)
        name = f"set/person{index // 2}/{index}.png"
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(folder / name), changed[..., ::-1])
        names.append(name)
        meshes.append(transform_points(matrix, mesh))
        splits.append("val" if index >= 8 else "train")
    np.savez(
        folder / "landmarks.npz",
        name=np.array(names),
        split=np.array(splits),
        landmarks=np.stack(meshes).astype(np.float32),
    )
    return folder
