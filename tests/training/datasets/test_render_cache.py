"""Rendering crop caches in several processes, in the background, and after an interruption."""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest

from unmask_sdk.errors import DataError, TrainingError
from unmask_sdk.training.datasets.crop_cache import CropCacheConfig
from unmask_sdk.training.datasets.landmark_file import read_landmarks
from unmask_sdk.training.datasets.render_cache import BackgroundRendering, open_crop_cache

CONFIG = CropCacheConfig(size=32, variants=1, split="train", per_person=None, limit=None)
# Each face is in the set several times. Tests that stop the rendering take so many that it would
# take much longer.
SOME, MANY = 3, 100


@pytest.fixture
def folder(faces_folder, tmp_path):
    """A copy of the faces that a test may change."""
    return shutil.copytree(faces_folder, tmp_path / "faces")


@pytest.fixture(scope="module")
def faces(faces_folder):
    """The eight faces to train with."""
    return CONFIG.choose(read_landmarks(faces_folder / "landmarks.npz"))


@pytest.fixture(scope="module")
def complete(faces_folder, faces, tmp_path_factory):
    """All faces several times, rendered in this process."""
    return open_crop_cache(faces_folder, faces * SOME, CONFIG, tmp_path_factory.mktemp("complete"))


def begin(folder, faces, root, workers=2, first=5):
    order = np.random.default_rng(0).permutation(len(faces))
    return BackgroundRendering(folder, faces, CONFIG, root, workers, None, order, first)


def wait_until(condition, rendering=None):
    deadline = time.monotonic() + 100
    while not condition():
        if rendering is not None:
            rendering.check()
        assert time.monotonic() < deadline
        time.sleep(0.01)


def files(root):
    """Name and content of the files of the only cache under a folder."""
    (cache,) = root.iterdir()
    return {file.name: file.read_bytes() for file in cache.iterdir()}


def arrays(cache):
    return [cache.truth, cache.valid, *cache.masked, *cache.mask]


def rendered_rows(cache, count):
    """The rows that `rendered.json` lists."""
    stored = bytes.fromhex(json.loads((cache / "rendered.json").read_text())["rendered"])
    bits = np.unpackbits(np.frombuffer(stored, np.uint8), count=count)
    return np.flatnonzero(bits)


def test_rows_can_be_read_while_others_are_rendered(faces_folder, faces, complete, tmp_path):
    seen = 0
    with begin(faces_folder, faces * SOME, tmp_path / "a") as rendering:
        assert not rendering.is_ready
        while not rendering.is_complete:
            wait_until(lambda seen=seen: rendering.cache.rendered.sum() > seen, rendering)
            rows = np.flatnonzero(rendering.cache.rendered)
            seen = len(rows)
            for array, expected in zip(arrays(rendering.cache), arrays(complete), strict=True):
                assert (array[rows] == expected[rows]).all()
    assert multiprocessing.active_children() == []
    # In the end it is what is rendered before use, byte by byte.
    open_crop_cache(faces_folder, faces * SOME, CONFIG, tmp_path / "b", workers=2)
    assert files(tmp_path / "a") == files(tmp_path / "b")
    assert "rendered.json" not in files(tmp_path / "a")


def test_a_complete_cache_is_used_as_it_is(faces_folder, faces, tmp_path):
    open_crop_cache(faces_folder, faces, CONFIG, tmp_path)
    before = files(tmp_path)
    with begin(faces_folder, faces, tmp_path) as rendering:
        assert rendering.is_ready
        assert rendering.is_complete
        rendering.check()
        assert multiprocessing.active_children() == []
    assert files(tmp_path) == before


def test_leaving_stops_the_rendering_and_keeps_what_there_is(
    faces_folder, faces, complete, tmp_path
):
    with begin(faces_folder, faces * MANY, tmp_path) as rendering:
        wait_until(lambda: rendering.is_ready, rendering)
    assert multiprocessing.active_children() == []
    (cache,) = tmp_path.iterdir()
    assert not (cache / "pack.json").exists()
    rows = rendered_rows(cache, len(faces) * MANY)
    assert (rows == np.flatnonzero(rendering.cache.rendered)).all()
    assert 5 <= len(rows) < len(faces) * MANY
    assert (np.load(cache / "truth.npy")[rows] == complete.truth[:][rows % 8]).all()
    assert (begin(faces_folder, faces * MANY, tmp_path).cache.rendered.nonzero()[0] == rows).all()


def interrupt(folder, faces, root):
    """Renders five rows, then meets an image that cannot be read; it is whole again afterwards."""
    image = folder / faces[5].name
    content, status = image.read_bytes(), image.stat()
    for some in (b"x" * len(content), content):
        image.write_bytes(some)
        os.utime(image, ns=(status.st_atime_ns, status.st_mtime_ns))
        if some != content:
            with pytest.raises(DataError, match="cannot read an image"):
                open_crop_cache(folder, faces, CONFIG, root)
    (cache,) = root.iterdir()
    assert rendered_rows(cache, 8).tolist() == [0, 1, 2, 3, 4]
    assert not (cache / "pack.json").exists()
    # Pixels that change if a row is rendered again.
    for file in cache.glob("*.npy"):
        array = np.load(file, mmap_mode="r+")
        array[:] = 7
        array.flush()
    return cache


@pytest.mark.parametrize("workers", [1, 2])
def test_an_interrupted_rendering_goes_on_with_what_is_missing(
    folder, faces, complete, tmp_path, workers
):
    cache = interrupt(folder, faces, tmp_path / "packs")
    again = open_crop_cache(folder, faces, CONFIG, tmp_path / "packs", workers)
    for array, expected in zip(arrays(again), arrays(complete), strict=True):
        assert (array[:5] == 7).all()
        assert (array[5:] == expected[5:8]).all()
    assert not (cache / "rendered.json").exists()


@pytest.mark.parametrize("damage", ["text", "list", "bits", "array", "other shape", "landmarks"])
def test_rows_that_are_not_certain_are_rendered_again(folder, faces, complete, tmp_path, damage):
    cache = interrupt(folder, faces, tmp_path / "packs")
    progress = cache / "rendered.json"
    stored = json.loads(progress.read_text())
    if damage == "text":
        progress.write_text("{")
    elif damage == "list":
        progress.write_text("[]")
    elif damage == "bits":
        progress.write_text(json.dumps({**stored, "rendered": ""}))
    elif damage == "array":
        os.truncate(cache / "mask_0.npy", 0)
    elif damage == "other shape":
        np.save(cache / "mask_0.npy", np.zeros((4, 4), np.uint8))
    else:
        faces = [*faces[:-1], replace(faces[-1], landmarks=faces[-1].landmarks + 20)]
    again = open_crop_cache(folder, faces, CONFIG, tmp_path / "packs")
    for array, expected in zip(arrays(again), arrays(complete), strict=True):
        assert (array[:7] == expected[:7]).all()


PROGRAM = """
import multiprocessing, sys
import numpy as np
from pathlib import Path
from unmask_sdk.training.datasets import render_cache
from unmask_sdk.training.datasets.crop_cache import CropCacheConfig
from unmask_sdk.training.datasets.landmark_file import read_landmarks

if __name__ == "__main__":
    render_cache.SAVE_SECONDS = 0.0
    folder, packs, times = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
    config = CropCacheConfig(32, 1, "train", None, None)
    faces = read_landmarks(folder / "landmarks.npz") * times
    order = np.arange(8 * times)
    with render_cache.BackgroundRendering(
        folder, faces, config, packs, 2, None, order, 5
    ) as rendering:
        while not rendering.is_ready:
            rendering.check()
        print(*(child.pid for child in multiprocessing.active_children()), flush=True)
        input()
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="POSIX only")
def test_a_killed_process_leaves_whole_rows_and_no_processes(
    faces_folder, faces, complete, tmp_path
):
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    with subprocess.Popen(
        [sys.executable, program, faces_folder, tmp_path / "packs", str(MANY)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    ) as process:
        assert process.stdout is not None
        workers = [int(pid) for pid in process.stdout.readline().split()]
        process.kill()
    assert len(workers) == 2
    wait_until(lambda: not any(map(is_running, workers)))
    (cache,) = (tmp_path / "packs").iterdir()
    assert not (cache / "pack.json").exists()
    rows = rendered_rows(cache, len(faces) * MANY)
    # The last one may not have been listed.
    assert 4 <= len(rows) < len(faces) * MANY
    assert (np.load(cache / "truth.npy")[rows] == complete.truth[:][rows % 8]).all()
    again = begin(faces_folder, faces * MANY, tmp_path / "packs")
    assert (np.flatnonzero(again.cache.rendered) == rows).all()


def is_running(pid):
    try:
        os.kill(pid, 0)
    except OSError:
        return False
    return True


@pytest.mark.parametrize("workers", [1, 2])
def test_a_face_that_cannot_be_rendered_is_named(folder, faces, tmp_path, workers):
    broken = replace(faces[0], name="set/person0/broken.png")
    (folder / broken.name).write_bytes(b"no image")
    impossible = replace(faces[3], landmarks=np.full((468, 2), np.nan))
    for face in (broken, impossible):
        packs = tmp_path / "packs"
        with (
            begin(folder, [*faces[:5], face, *faces * SOME], packs, workers) as rendering,
            pytest.raises(DataError, match=rf"{face.name}.*landmark file"),
        ):
            wait_until(lambda: False, rendering)
        assert multiprocessing.active_children() == []
        (cache,) = packs.iterdir()
        assert not (cache / "pack.json").exists()
        assert 5 not in rendered_rows(cache, 6 + 8 * SOME)


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="POSIX only")
def test_a_process_that_is_killed_stops_the_rendering(faces_folder, faces, tmp_path):
    with begin(faces_folder, faces * MANY, tmp_path) as rendering:
        wait_until(lambda: rendering.is_ready, rendering)
        for child in multiprocessing.active_children():
            child.kill()
        with pytest.raises(TrainingError, match=r"that rendered set/.*\.png ended .* -9.*workers"):
            wait_until(lambda: False, rendering)
