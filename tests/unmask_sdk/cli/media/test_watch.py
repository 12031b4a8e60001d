"""What `unmask folder --watch` takes up, and when."""

from __future__ import annotations

import os
from pathlib import Path

from unmask_sdk.cli.media.batch import Outcome
from unmask_sdk.cli.media.process_file import Failed
from unmask_sdk.cli.media.progress import BatchProgress
from unmask_sdk.cli.media.watch import arrivals


def test_a_picture_is_taken_once_it_is_complete(tmp_path):
    (tmp_path / "in").mkdir()
    looks = iter(range(9))

    def step() -> bool:
        look = next(looks)
        if look == 1:
            (tmp_path / "in" / "a.jpg").write_bytes(b"half")
        if look == 2:
            (tmp_path / "in" / "a.jpg").write_bytes(b"halves")
        if look == 5:
            (tmp_path / "in" / "a.jpg").write_bytes(b"another")
        return look == 8

    found, round_ = [], 0
    messages: list[str] = []
    for job in arrivals(
        tmp_path / "in",
        tmp_path / "out",
        pause=step,
        report=messages.append,
        withdraw=messages.remove,
    ):
        if job is None:
            round_ += 1
        else:
            found.append((round_, job[0].name))
    assert found == [(4, "a.jpg"), (7, "a.jpg")]
    assert messages == []


def test_what_hinders_a_watch_is_told_once_each_time_it_comes(tmp_path):
    source = tmp_path / "in"
    source.mkdir()
    looks = iter(range(9))

    def step() -> bool:
        look = next(looks)
        if look == 1:
            (source / "round").symlink_to("round")
            (source / "a.jpg").write_bytes(b"x")
        if look == 4:
            for name in ("a.gif", "a.png", "a.gif.png"):
                (source / name).write_bytes(b"x")
        if look == 5:
            (source / "a.gif").unlink()
        return look == 8

    messages: list[tuple[int, str]] = []
    withdrawn: list[tuple[int, str]] = []
    round_, found = 0, set()
    jobs = arrivals(
        source,
        tmp_path / "out",
        pause=step,
        report=lambda line: messages.append((round_, line)),
        withdraw=lambda line: withdrawn.append((round_, line)),
    )
    for job in jobs:
        if job is None:
            round_ += 1
        else:
            found.add(job[0].name)
    assert found == {"a.jpg", "a.png", "a.gif.png"}
    assert [number for number, _ in messages] == [2, 5, 6]
    for (_, line), words in zip(messages, ("round cannot", "both be", "round cannot"), strict=True):
        assert words in line
    # Images that could not be reported apart hid the first problem, until one of them was removed.
    assert withdrawn == [(5, messages[0][1]), (6, messages[1][1])]


def outcome(source: Path, failure: str | None) -> Outcome:
    failed = None if failure is None else Failed("ImageReadError", failure)
    return Outcome((source, source), None, failed)


def test_a_failure_counts_only_if_it_stays(tmp_path, capsys, monkeypatch):
    clock = 100.0
    monkeypatch.setattr("unmask_sdk.cli.media.progress.time.monotonic", lambda: clock)
    paths = {name: tmp_path / name for name in ("slow", "gone", "fixed", "wrong", "old")}
    for path in paths.values():
        path.write_bytes(b"half")
    os.utime(paths["old"], (1, 1))
    report = BatchProgress(settle=10.0)
    report.follow([outcome(path, f"{name} is cut") for name, path in paths.items()], None)
    # Nobody writes to it any more.
    assert capsys.readouterr().err == "unmask: error: old is cut\n"
    assert report.failed == 5
    clock += 9
    paths["slow"].write_bytes(b"whole")
    paths["gone"].unlink()
    report.print_settled()
    assert report.failed == 3
    report.follow([outcome(paths["fixed"], None)], None)
    clock += 2
    report.print_settled()
    report.print_settled()
    assert capsys.readouterr().err == "unmask: error: wrong is cut\n"
    assert report.failed == 2
    # Also what was printed counts no more once it is fixed.
    report.follow([outcome(paths["old"], None)], None)
    report.fail("a folder")
    report.withdraw("a folder")
    assert report.failed == 1
    paths["wrong"].write_bytes(b"x")
    report.print_summary()
    assert report.failed == 0
    assert "failed" not in capsys.readouterr().err
