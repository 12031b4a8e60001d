"""The registry: plain data, other packages' runtimes, and reasons."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from tiny_networks import TINY
from unmask_sdk.core.optional_deps import install_command
from unmask_sdk.core.sample_images import draw_masked_faces
from unmask_sdk.errors import InvalidInputError, MissingDependencyError, RuntimeUnavailableError
from unmask_sdk.loading.load import open_runtime
from unmask_sdk.runtimes.registry import (
    ALIASES,
    ENTRIES,
    GROUP,
    find_runtime,
    runtime_class,
    why_unavailable,
)


def test_every_runtime_of_the_design_is_listed() -> None:
    names = {entry.name for entry in ENTRIES}
    assert names == {"trt", "cuda", "coreml", "openvino", "onnx", "tflite", "torch"}
    assert set(ALIASES.values()) <= names


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
def test_an_unusable_runtime_says_why_and_what_mends_it(entry) -> None:  # type: ignore[no-untyped-def]
    trouble = why_unavailable(entry)
    if trouble is None:
        assert runtime_class(entry).__name__ == entry.class_name
    else:
        assert trouble.reason
        assert trouble.fix in str(trouble.as_error())


def test_alias_finds_its_runtime() -> None:
    assert find_runtime("cpu") is find_runtime("onnx")


def test_unknown_name_lists_the_known() -> None:
    with pytest.raises(InvalidInputError, match=r"unknown runtime 'npu'.*onnx.*torch"):
        find_runtime("npu")


def test_missing_package_is_named_with_the_command() -> None:
    entry = dataclasses.replace(find_runtime("onnx"), requires=("no_such_engine",))
    trouble = why_unavailable(entry)
    assert trouble is not None
    assert trouble.error is MissingDependencyError
    assert "no_such_engine" in trouble.reason
    assert trouble.fix == install_command("cpu")


def test_several_missing_packages_are_told_as_such() -> None:
    trouble = why_unavailable(
        dataclasses.replace(find_runtime("torch"), requires=("no_such", "nor_this"))
    )
    assert trouble is not None
    assert trouble.reason.endswith("needs no_such and nor_this, which are not installed")


def test_a_missing_package_within_a_missing_package_is_missing() -> None:
    trouble = why_unavailable(dataclasses.replace(find_runtime("onnx"), requires=("nope.sub",)))
    assert trouble is not None
    assert trouble.error is MissingDependencyError
    assert "nope.sub" in trouble.reason


def test_engine_that_does_not_import_is_a_clear_error() -> None:
    with pytest.raises(RuntimeUnavailableError, match="does not import"):
        runtime_class(
            dataclasses.replace(find_runtime("onnx"), module="unmask_sdk.runtimes.no_such_file")
        )


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Another package, as installed: its code and its entry points."""
    (tmp_path / "mirror_runtime.py").write_text(
        "from pathlib import Path\n"
        "from unmask_sdk.runtimes.base import Runtime, RuntimeInfo\n"
        "from unmask_sdk.runtimes.registry import RuntimeEntry\n"
        "import numpy as np\n"
        "ENTRY = RuntimeEntry('mirror', 'Mirror', 'mirror_runtime', 'Mirror', (), ('onnx',),\n"
        "    ('fp32',), ('cpu',), ('linux', 'darwin', 'win32'), 'pip install mirror')\n"
        "class Mirror(Runtime[str]):\n"
        "    def _open(self, path, device, threads):\n"
        "        return 'glass', RuntimeInfo('mirror', 'glass', 'cpu', 'fp32', None)\n"
        "    def _run(self, handle, inputs):\n"
        "        return [inputs[0][:, :, ::-1].copy(), np.zeros_like(inputs[0][..., :1])]\n"
    )
    info = tmp_path / "mirror_runtime-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: mirror-runtime\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        f"[{GROUP}]\n"
        "mirror = mirror_runtime:ENTRY\n"
        "broken = mirror_runtime:NOTHING\n"
        "other = mirror_runtime:Path\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


@pytest.mark.usefixtures("plugin")
def test_runtime_of_another_package_runs_when_named(tiny_artifacts: Path) -> None:
    images = draw_masked_faces(2, TINY, TINY)
    with open_runtime(runtime="mirror", artifacts=tiny_artifacts) as opened:
        unmasked, _ = opened.run(images)
    assert (unmasked == images[:, :, ::-1]).all()


@pytest.mark.usefixtures("plugin")
def test_runtime_of_another_package_that_does_not_load_is_a_clear_error() -> None:
    with pytest.raises(RuntimeUnavailableError, match=r"'broken'.*does not load"):
        find_runtime("broken")
    with pytest.raises(RuntimeUnavailableError, match=r"'other'.*not a RuntimeEntry"):
        find_runtime("other")
