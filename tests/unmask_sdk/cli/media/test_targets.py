"""Which picture goes where, and what is refused before any work."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from unmask_sdk.cli.media.targets import PICTURES
from unmask_sdk.cli.media.targets import plan as plan_all
from unmask_sdk.errors import ImageWriteError, InvalidInputError
from unmask_sdk.imaging.encode import OUTPUT_FORMATS


def touch(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x")
    return path


def plan(inputs: list[Path], out: Path) -> list[tuple[Path, Path]]:
    jobs, unread = plan_all(inputs, out)
    assert unread == []
    return jobs


def test_one_picture_goes_to_a_file_or_into_a_folder(tmp_path: Path) -> None:
    photo = touch(tmp_path / "a.jpg")
    assert plan([photo], tmp_path / "b.png") == [(photo, tmp_path / "b.png")]
    assert plan([photo], tmp_path / "out") == [(photo, tmp_path / "out" / "a.jpg")]
    (tmp_path / "v1.0").mkdir()
    assert plan([photo], tmp_path / "v1.0") == [(photo, tmp_path / "v1.0" / "a.jpg")]


def test_several_keep_their_names(tmp_path: Path) -> None:
    photos = [touch(tmp_path / name) for name in ("a.jpg", "b.gif", "c", "d.JPG", "e.tar.pgm")]
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
        ("f.heic", "f.heic"),
    ]


@pytest.mark.parametrize("name", ["a.gif", "a.txt", "a.jpg.bak"])
def test_an_out_that_says_no_format_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(ImageWriteError, match=r"\.jpg"):
        plan([touch(tmp_path / "a.jpg")], tmp_path / name)


def test_several_need_a_folder(tmp_path: Path) -> None:
    photos = [touch(tmp_path / "a.jpg"), touch(tmp_path / "b.jpg")]
    for out in (touch(tmp_path / "file"), tmp_path / "new.png"):
        with pytest.raises(InvalidInputError, match="OUT must be a folder"):
            plan(photos, out)
        with pytest.raises(InvalidInputError, match="OUT must be a folder"):
            plan([tmp_path], out)


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    touch(tmp_path / "in" / "notes.txt")
    with pytest.raises(InvalidInputError, match="no images"):
        plan([tmp_path / "in"], tmp_path / "out")


def test_two_to_one_file_are_refused(tmp_path: Path) -> None:
    a, b = touch(tmp_path / "1" / "a.jpg"), touch(tmp_path / "2" / "a.jpg")
    for photos in ([a, b], [a, a], [a.parent, b.parent], [a, a.with_suffix(".png").parent]):
        with pytest.raises(InvalidInputError, match="both be written"):
            plan(photos, tmp_path / "out")


def test_clashing_names_are_kept_whole(tmp_path: Path) -> None:
    names = ("a.gif", "a.ppm", "b.png", "b.ppm", "c.ppm", "d/b.png")
    photos = [touch(tmp_path / "in" / name) for name in names]
    out = tmp_path / "out"
    wanted = ["a.gif.png", "a.ppm.png", "b.png", "b.ppm.png", "c.png"]
    assert [t.relative_to(out).as_posix() for _, t in plan([tmp_path / "in"], out)] == [
        *wanted,
        "d/b.png",
    ]
    assert [target.name for _, target in plan(photos[:5], out)] == wanted


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
        with pytest.raises(InvalidInputError, match="overwritten"):
            plan(photos, out)


def test_what_is_missing_is_left_for_reading_to_report(tmp_path: Path) -> None:
    gone = tmp_path / "gone.jpg"
    assert plan([gone], tmp_path / "out.jpg") == [(gone, tmp_path / "out.jpg")]


def test_one_picture_onto_a_file_without_extension_is_told_so(tmp_path: Path) -> None:
    with pytest.raises(ImageWriteError, match="has no extension"):
        plan([touch(tmp_path / "a.jpg")], touch(tmp_path / "file"))


def test_links_to_folders_are_followed_and_not_round_and_round(tmp_path: Path) -> None:
    photos, elsewhere = tmp_path / "photos", tmp_path / "elsewhere"
    touch(photos / "a.jpg")
    touch(elsewhere / "deep" / "b.jpg")
    (photos / "link").symlink_to(elsewhere)
    (elsewhere / "deep" / "back").symlink_to(elsewhere)
    (elsewhere / "deep" / "home").symlink_to(photos)
    (photos / "gone").symlink_to(tmp_path / "nowhere")
    out = tmp_path / "out"
    targets = [target.relative_to(out).as_posix() for _, target in plan([photos], out)]
    assert targets == ["a.jpg", "link/deep/b.jpg"]


def test_folders_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    photo = touch(photos / "a.jpg")
    (photos / "round").symlink_to(photos / "round")
    _bottomless(photos)
    jobs, unread = plan_all([photos], tmp_path / "out")
    assert jobs == [(photo, tmp_path / "out" / "a.jpg")]
    assert [line.split(": ")[-1] for line in sorted(unread, key=len)] == [
        "Too many levels of symbolic links",
        "File name too long",
    ]
    photo.unlink()
    with pytest.raises(InvalidInputError, match="cannot be read: File name too long"):
        plan_all([photos], tmp_path / "out")


def _bottomless(folder: Path) -> None:
    """Makes folders in each other until the system, for root as well, refuses the path."""
    here = os.open(folder, os.O_RDONLY)
    for _ in range(25):
        os.mkdir("d" * 200, dir_fd=here)
        inner = os.open("d" * 200, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = inner
    os.close(here)


def test_names_that_are_too_long_are_left_for_reading_to_report(tmp_path: Path) -> None:
    long = tmp_path / ("a" * 300 + ".jpg")
    assert plan([long], tmp_path / "out.jpg") == [(long, tmp_path / "out.jpg")]
    assert plan([tmp_path / "a.jpg"], long) == [(tmp_path / "a.jpg", long)]


def test_what_can_be_written_is_looked_for() -> None:
    assert set(OUTPUT_FORMATS) <= PICTURES
