"""Which picture goes where, and what is refused before any work."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from unmask_sdk.cli.targets import plan
from unmask_sdk.errors import ImageWriteError, InvalidInputError


def touch(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x")
    return path


def test_one_picture_goes_to_a_file_or_into_a_folder(tmp_path: Path) -> None:
    photo = touch(tmp_path / "a.jpg")
    assert plan([photo], tmp_path / "b.png") == [(photo, tmp_path / "b.png")]
    assert plan([photo], tmp_path / "out") == [(photo, tmp_path / "out" / "a.jpg")]
    (tmp_path / "v1.0").mkdir()
    assert plan([photo], tmp_path / "v1.0") == [(photo, tmp_path / "v1.0" / "a.jpg")]


def test_several_keep_their_names(tmp_path: Path) -> None:
    photos = [touch(tmp_path / name) for name in ("a.jpg", "b.gif", "c", "d.JPG", "e.tar.heic")]
    targets = [target.name for _, target in plan(photos, tmp_path / "out")]
    assert targets == ["a.jpg", "b.png", "c.png", "d.JPG", "e.tar.png"]


def test_folders_keep_their_tree_and_leave_out_the_rest(tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    for name in ("b/c/d.png", "a.jpg", "notes.txt", ".hidden.jpg", ".git/e.jpg", "f.heic"):
        touch(photos / name)
    out = photos / "out"
    touch(out / "a.jpg")
    jobs = plan([photos], out)
    assert [(str(s.relative_to(photos)), str(t.relative_to(out))) for s, t in jobs] == [
        ("a.jpg", "a.jpg"),
        (os.path.join("b", "c", "d.png"), os.path.join("b", "c", "d.png")),
        ("f.heic", "f.png"),
    ]


@pytest.mark.parametrize("name", ["a.gif", "a.txt", "a.jpg.bak"])
def test_an_out_that_says_no_format_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(ImageWriteError, match=r"\.jpg"):
        plan([touch(tmp_path / "a.jpg")], tmp_path / name)


def test_several_need_a_folder(tmp_path: Path) -> None:
    photos = [touch(tmp_path / "a.jpg"), touch(tmp_path / "b.jpg")]
    for out in (touch(tmp_path / "file"), tmp_path / "new.png"):
        with pytest.raises(InvalidInputError, match="need a folder"):
            plan(photos, out)
        with pytest.raises(InvalidInputError, match="need a folder"):
            plan([tmp_path], out)


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    touch(tmp_path / "in" / "notes.txt")
    with pytest.raises(InvalidInputError, match="no pictures"):
        plan([tmp_path / "in"], tmp_path / "out")


def test_two_to_one_file_are_refused(tmp_path: Path) -> None:
    a, b = touch(tmp_path / "1" / "a.jpg"), touch(tmp_path / "2" / "a.jpg")
    for photos in ([a, b], [a, a], [a.parent, b.parent], [a, a.with_suffix(".png").parent]):
        with pytest.raises(InvalidInputError, match="both be written"):
            plan(photos, tmp_path / "out")
    heic = touch(tmp_path / "1" / "b.heic")
    with pytest.raises(InvalidInputError, match="both be written"):
        plan([heic, touch(tmp_path / "1" / "b.png")], tmp_path / "out")


def test_an_input_is_never_written_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    a, b = touch(tmp_path / "a.jpg"), touch(tmp_path / "b.jpg")
    monkeypatch.chdir(tmp_path)
    cases = [([a], a), ([a], Path("a.jpg")), ([a, b], tmp_path), ([tmp_path], tmp_path)]
    cases.append(([a], tmp_path / "x" / ".." / "a.jpg"))
    (tmp_path / "x").mkdir()
    if hasattr(os, "link"):
        os.link(a, tmp_path / "same.jpg")
        cases.append(([a], tmp_path / "same.jpg"))
    for photos, out in cases:
        with pytest.raises(InvalidInputError, match="written over"):
            plan(photos, out)


def test_what_is_missing_is_left_for_reading_to_report(tmp_path: Path) -> None:
    gone = tmp_path / "gone.jpg"
    assert plan([gone], tmp_path / "out.jpg") == [(gone, tmp_path / "out.jpg")]
