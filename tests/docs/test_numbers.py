"""Numbers in the documentation and in help are those of the files and of the code."""

from __future__ import annotations

import math
import re
from pathlib import Path

import pytest

import npm_packages
from unmask_sdk.core.manifest import read_manifest

ROOT = Path(__file__).parents[2]
# Of the two files of a network in fp32.
ENDS = ("-fp32.onnx", ".safetensors")
README = (ROOT / "README.md").read_text(encoding="utf-8")


def page(name: str) -> str:
    return (ROOT / "docs" / name).read_text(encoding="utf-8")


def found(pattern: str, text: str) -> tuple[float, ...]:
    """The numbers of the one sentence that matches."""
    (match,) = re.finditer(pattern, " ".join(text.split()))
    return tuple(map(float, match.groups()))


def rows(text: str) -> dict[str, list[str]]:
    """The cells of a document's tables by the first cell."""
    lines = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| ")]
    return {first: rest for first, *rest in lines}


@pytest.mark.parametrize("name", ["README.md", "MODEL_CARD.md"])
def test_model_files_have_the_sizes_of_the_table(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    (block,) = re.findall(r"<!-- release:sizes -->\n(.*?)<!-- /release:sizes -->", text, re.DOTALL)
    table = rows(block)
    artifacts = read_manifest().artifacts
    heads = [head.removesuffix(", MB").split() for head in table["network"][2:]]
    for model in ("unmask-256", "unmask-256-lite"):
        size = {(a.format, a.precision): a.total_bytes for a in artifacts if a.name == model}
        expected = [f"{size[format, precision] / 1e6:.1f}" for format, precision in heads]
        assert table[f"`{model}`"][2:] == expected
    floats = [a for a in artifacts if (a.format, a.precision) == ("onnx", "fp32")]
    locator = sum(a.total_bytes for a in floats if a.role != "unmasker")
    assert found(r"face locator adds ([\d.]+) MB in fp32", block) == (round(locator / 1e6, 1),)


def test_phone_files_have_the_sizes_of_the_table() -> None:
    pytest.importorskip("torch")
    from unmask_sdk.benchmarks.documented_sizes import PHONE, phone_sizes

    text = page("phone.md")
    assert len(PHONE.findall(text)) == 6
    assert phone_sizes(ROOT, text) == text


@pytest.mark.slow
def test_readme_has_the_sizes_of_package_and_environment() -> None:
    pytest.importorskip("setuptools", "77")
    from unmask_sdk.benchmarks.install_size import environments, wheel_size

    wheel = wheel_size(ROOT)
    others = environments(ROOT / "docs")["cpu"]["others"]
    package, packed, environment = found(
        r"package is (\d+) MB with every model format, as a wheel (\d+) MB; .* about (\d+) MB\.",
        README,
    )
    # Work on the code changes the sizes a little; the release measures them anew.
    assert package == pytest.approx(wheel.installed / 1e6, abs=1.5)
    assert packed == pytest.approx(wheel.packed / 1e6, abs=1.5)
    assert environment == pytest.approx((others + wheel.installed) / 1e6, abs=7)


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md"])
def test_size_of_the_development_environment(name: str) -> None:
    from unmask_sdk.benchmarks.install_size import environments

    text = (ROOT / name).read_text(encoding="utf-8")
    gigabytes = environments(ROOT / "docs")["dev"]["others"] / 1e9
    assert found(r"installs PyTorch and every converter[,(\s]+([\d.]+) GB", text) == (
        round(gigabytes, 1),
    )


def test_download_of_the_page_is_the_total_of_its_table() -> None:
    from unmask_sdk.web.models import model_files

    table = rows(page("web.md"))
    models = model_files()
    for model in ("unmask-256", "unmask-256-lite"):
        size = len(models[f"{model}-int8.onnx"]) / 1e6
        assert float(table[f"`{model}`, int8"][0]) == pytest.approx(size, abs=0.006)
        parts = [
            cells
            for title, cells in table.items()
            if re.match(rf"ONNX Runtime Web|face locator|page,|`{model}`, int8", title)
        ]
        assert len(parts) == 4
        total = [float(cell.strip("*")) for cell in table[f"**all, with `{model}`**"]]
        for column in (0, 1):
            expected = sum(float(cells[column]) for cells in parts)
            assert total[column] == pytest.approx(expected, abs=0.03)
    names = [f"{role}{end}" for role in ("detector", "aligner") for end in ENDS]
    locator = sum(len(models[name]) for name in names) / 1e6
    size = float(table["face locator (detector and aligner), fp32"][0])
    assert size == pytest.approx(locator, abs=0.006)
    totals = [
        round(float(table[f"**all, with `{model}`**"][1].strip("*")), 1)
        for model in ("unmask-256", "unmask-256-lite")
    ]
    said = r"\(([\d.]+) MB to download with brotli, ([\d.]+) MB with the lite model\)"
    assert list(found(said, README)) == totals


def test_build_has_the_size_that_the_page_names() -> None:
    pytest.importorskip("torch")
    from unmask_sdk.benchmarks.web_size import build_size

    npm_packages.install()
    assert found(r"The build is (\d+) MB", page("web.md")) == (round(build_size(ROOT) / 1e6),)


def test_training_names_the_disk_that_the_crops_need() -> None:
    yaml = pytest.importorskip("yaml")
    pytest.importorskip("torch")
    from unmask_sdk.cli.training.train import train
    from unmask_sdk.training.datasets.crop_cache import CropCacheConfig

    text = (ROOT / "training" / "configs" / "unmask-256.yaml").read_text(encoding="utf-8")
    needed: dict[int, float] = {}
    for stage in yaml.safe_load(text)["stages"]:
        crops = CropCacheConfig(stage["size"], stage["variants"], "train", None, None)
        needed[crops.size] = sum(map(math.prod, crops.shapes(1).values())) / 1e6
    assert sorted(needed) == [128, 256]
    stated = r"([\d.]+) MB of disk per face at 128 px, ([\d.]+) MB at 256 px"
    assert found(stated, train.__doc__ or "") == (round(needed[128], 1), round(needed[256], 1))
    stated = (
        r"([\d.]+) MB of disk per face: "
        r"([\d.]+) MB for the stage at 128 px, ([\d.]+) MB for the stage at 256 px"
    )
    assert found(stated, page("training.md")) == (
        round(sum(needed.values())),
        round(needed[128], 1),
        round(needed[256], 1),
    )


def test_fp16_files_are_those_that_the_pages_name() -> None:
    """The pages say that the fp16 ONNX files are TensorRT's, and that `onnx` gets none."""
    fp16 = {a.format for a in read_manifest().artifacts if a.file.endswith("-fp16.onnx")}
    assert fp16 == {"trt"}
    assert "the package lists its fp16 ONNX files for `trt` alone" in " ".join(
        page("runtimes.md").split()
    )


def test_build_of_an_engine_needs_the_memory_that_the_page_names() -> None:
    from unmask_sdk.runtimes.engines import build

    assert found(r"A build needs ([\d.]+) GB of free memory", page("jetson.md")) == (
        build.NEEDED / 2**30,
    )


def test_conformance_suite_has_the_number_of_tests_that_the_page_names() -> None:
    from unmask_sdk.runtimes import conformance

    def count(cls: type) -> int:
        tests = [getattr(cls, name) for name in dir(cls) if name.startswith("test_")]
        marks = [getattr(test, "pytestmark", []) for test in tests]
        return sum(math.prod(len(mark.args[1]) for mark in of_test) for of_test in marks)

    assert found(r"(\d+) on the unmasker, (\d+) on detector and aligner", page("runtimes.md")) == (
        count(conformance.RuntimeConformance),
        2 * count(conformance.LocatorConformance),
    )
