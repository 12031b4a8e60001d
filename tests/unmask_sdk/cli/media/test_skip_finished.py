"""A result counts only for the image that it was made from."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from unmask_sdk.cli.media.batch import Work, run
from unmask_sdk.cli.media.process_file import Options
from unmask_sdk.cli.media.skip_finished import FOLDER, FinishedResults, state_of
from unmask_sdk.cli.media.watch import arrivals

EYES = np.array([[250.0, 95.0], [310.0, 95.0]])
OLD = (1_577_836_800, 1_577_836_800)


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path, FinishedResults]:
    """An image, its finished result, and what is kept of both."""
    source, target = tmp_path / "in" / "a.bmp", tmp_path / "out" / "a.bmp"
    for path in (source, target):
        path.parent.mkdir()
        path.write_bytes(b"one person")
    os.utime(source, OLD)
    finished = FinishedResults(target.parent)
    assert not finished.is_up_to_date(source, target, strip=False)
    finished.remember(source, target, state_of(source))
    assert finished.is_up_to_date(source, target, strip=False)
    return source, target, finished


def older(source: Path) -> None:
    other = source.with_name("other")
    other.write_bytes(b"someone else")
    os.utime(other, (1, 1))
    other.replace(source)


def same_size_and_time(source: Path) -> None:
    source.write_bytes(b"two people")
    os.utime(source, OLD)


def same_inode_and_newer(source: Path) -> None:
    source.write_bytes(b"somebody")


def gone(source: Path) -> None:
    source.unlink()


@pytest.mark.parametrize("change", [older, same_size_and_time, same_inode_and_newer, gone])
def test_another_content_is_not_finished(
    change: Any, folders: tuple[Path, Path, FinishedResults]
) -> None:
    source, target, finished = folders
    change(source)
    assert not finished.is_up_to_date(source, target, strip=False)


def touched(source: Path, target: Path) -> None:
    os.utime(source, (2**31, 2**31))


def copied(source: Path, target: Path) -> None:
    shutil.copy(source, source.with_name("b"))
    source.with_name("b").replace(source)


def older_result(source: Path, target: Path) -> None:
    os.utime(target, (0, 0))


@pytest.mark.parametrize("change", [touched, copied, older_result])
def test_the_same_content_is_finished(
    change: Any, folders: tuple[Path, Path, FinishedResults], monkeypatch: pytest.MonkeyPatch
) -> None:
    source, target, finished = folders
    change(source, target)
    assert finished.is_up_to_date(source, target, strip=False)
    # It is read once, to find that out.
    monkeypatch.setattr("unmask_sdk.cli.media.skip_finished.sha256_of", None)
    assert finished.is_up_to_date(source, target, strip=False)


@pytest.mark.parametrize("content", [b"", b"[]", b'{"sha256": "0"}', b'{"state": {}, "sha'])
def test_a_damaged_note_counts_for_nothing(
    content: bytes, folders: tuple[Path, Path, FinishedResults]
) -> None:
    source, target, finished = folders
    (note,) = (p for p in (target.parent / FOLDER).rglob("*") if p.is_file())
    note.write_bytes(content)
    assert not finished.is_up_to_date(source, target, strip=False)


def test_an_image_that_changed_while_it_was_read_is_not_finished(tmp_path: Path) -> None:
    source, target = tmp_path / "a.jpg", tmp_path / "out" / "a.jpg"
    source.write_bytes(b"first")
    before = state_of(source)
    source.write_bytes(b"second, while the first was read")
    target.parent.mkdir()
    target.write_bytes(b"result")
    finished = FinishedResults(target.parent)
    finished.remember(source, target, before)
    assert not finished.is_up_to_date(source, target, strip=False)


def test_the_longest_name_and_a_folder_that_takes_no_note(tmp_path: Path) -> None:
    source, out = tmp_path / ("a" * 251 + ".jpg"), tmp_path / "out"
    source.write_bytes(b"x")
    out.mkdir()
    target = Path(shutil.copy(source, out))
    finished = FinishedResults(out)
    finished.remember(source, target, state_of(source))
    assert finished.is_up_to_date(source, target, strip=False)
    shutil.rmtree(out / FOLDER)
    (out / FOLDER).touch()
    finished.remember(source, target, state_of(source))
    assert not finished.is_up_to_date(source, target, strip=False)


def test_who_lies_in_the_folder_is_in_the_result(
    painter: Any, backdrop: Any, painted_artifacts: Path, tmp_path: Path
) -> None:
    work = Work(
        tmp_path / "out", "onnx", artifacts=painted_artifacts, options=Options(without_faces=True)
    )
    first, second = tmp_path / "1" / "a.png", tmp_path / "2" / "a.png"
    target = tmp_path / "out" / "a.png"
    for source, shade in ((first, 1.0), (second, 0.5)):
        source.parent.mkdir()
        Image.fromarray((painter(backdrop, EYES) * shade).astype(np.uint8)).save(source)
        os.utime(source, OLD)

    def top(path: Path) -> Any:
        with Image.open(path) as image:
            return np.asarray(image.convert("RGB"))[:30]

    def outcome(source: Path) -> bool:
        (done,) = run(work, [(source, target)])
        assert done.failure is None
        return done.done is not None

    assert outcome(first)
    assert not outcome(first)
    # A photo of that name from another folder.
    assert outcome(second)
    np.testing.assert_array_equal(top(target), top(second))
    # While the folder is watched, an older one replaces the first, as `mv` and `unzip` do.
    assert outcome(first)
    shutil.copy(target, second)
    os.utime(second, (1, 1))
    steps = iter((lambda: os.replace(second, first), bool, bool))

    def pause() -> bool:
        step = next(steps, None)
        return step is None or bool(step())

    jobs = arrivals(first.parent, work.out, pause=pause, report=print, withdraw=print)
    assert [job for job in jobs if job is not None] == [(first, target)]
