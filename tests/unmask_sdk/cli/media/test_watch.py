"""What `unmask folder --watch` takes up, and when."""

from __future__ import annotations

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
    for job in arrivals(tmp_path / "in", tmp_path / "out", pause=step, report=messages.append):
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
    round_, found = 0, set()
    jobs = arrivals(
        source, tmp_path / "out", pause=step, report=lambda s: messages.append((round_, s))
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
