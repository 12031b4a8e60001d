"""The code of docs/api.md runs unchanged, and the page names everything public."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import unmask_sdk

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")


def write_video(photo: Path, path: Path) -> None:
    """Writes a video that shows a photo for five frames."""
    av = pytest.importorskip("av")
    with av.open(str(path), "w") as file, Image.open(photo) as image:
        stream = file.add_stream("libx264", rate=10, options={"preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = *image.size, "yuv420p"
        frame = av.VideoFrame.from_image(image)
        for _ in range(5):
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))


def test_code_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("onnxruntime")
    pytest.importorskip("pytest_benchmark")
    shutil.copy(ROOT / "examples" / "surgical.jpg", tmp_path / "photo.jpg")
    write_video(tmp_path / "photo.jpg", tmp_path / "in.mp4")
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    blocks = re.findall(r"^```python\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
    assert len(blocks) == 7
    for block in blocks:
        exec(block, names)
    assert names["result"].faces[0].masked
    assert names["report"].frames == 5
    assert len(names["results"]) == 2
    assert names["live"].faces
    assert (tmp_path / "unmasked.png").exists()
    assert (tmp_path / "out.mp4").exists()


@pytest.mark.parametrize("name", [n for n in unmask_sdk.__all__ if n != "__version__"])
def test_page_names_everything_public(name: str) -> None:
    assert re.search(rf"\b{name}\b", PAGE)
