"""`unmask folder` as a user runs it, and the parts that are hard to reach so."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from unmask_sdk.benchmarks.malformed import check, make
from unmask_sdk.cli.media.batch import Work, run
from unmask_sdk.cli.media.process_file import Options
from unmask_sdk.cli.media.skip_finished import FOLDER, FinishedResults, state_of
from unmask_sdk.cli.media.targets import check_inside, plan
from unmask_sdk.cli.media.watch import arrivals
from unmask_sdk.errors import InvalidInputError

EYES = np.array([[250.0, 95.0], [310.0, 95.0]])
CODE = "from unmask_sdk.cli import main; main()"


@pytest.fixture
def photo(painter, backdrop) -> Image.Image:
    return Image.fromarray(painter(backdrop, EYES))


@pytest.fixture
def work(painted_artifacts: Path, tmp_path: Path) -> Work:
    options = Options(without_faces=True)
    return Work(tmp_path / "out", "onnx", artifacts=painted_artifacts, options=options, workers=2)


def unmask(
    painted_artifacts: Path, folder: Path, *arguments: object, code: str = CODE
) -> subprocess.Popen[str]:
    fixed = ["folder", "--artifacts", str(painted_artifacts), "--runtime", "onnx"]
    return subprocess.Popen(
        [sys.executable, "-c", code, *fixed, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=folder,
    )


def names(folder: Path) -> list[str]:
    found = (p.relative_to(folder) for p in folder.rglob("*") if p.is_file())
    return sorted(p.as_posix() for p in found if FOLDER not in p.parts)


@pytest.mark.parametrize(
    ("workers", "threads", "taken"), [(1, None, None), (2, None, 1), (1, 3, 3), (2, 3, 3)]
)
def test_pictures_at_once_share_the_processors(work: Work, workers, threads, taken):
    with replace(work, workers=workers, threads=threads).load() as model:
        assert model.runtime.threads == taken


@pytest.mark.slow
def test_a_tree_is_done_and_done_only_once(photo, backdrop, painter, painted_artifacts, tmp_path):
    for name in ("a.png", "deep/er/b.jpg", "c.gif"):
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        photo.save(tmp_path / "in" / name)
    Image.fromarray(painter(backdrop, EYES, (140, 180, 220))).save(tmp_path / "in" / "bare.png")
    Image.fromarray(backdrop).save(tmp_path / "in" / "nobody.jpg")
    (tmp_path / "in" / "text.jpg").write_text("hello")
    process = unmask(painted_artifacts, tmp_path, "in", "in/out")
    output, errors = process.communicate(timeout=120)
    assert process.returncode == 1
    wanted = ["a.png", "bare.png", "c.png", "deep/er/b.jpg", "nobody.jpg"]
    assert names(tmp_path / "in" / "out") == wanted
    assert len(output.splitlines()) == 5
    first, last = errors.splitlines()
    assert first.startswith("unmask: error: in/text.jpg")
    for count in ("unmasked: 3", "without a mask: 1", "without a face: 1", "failed: 1"):
        assert count in last
    copied = (tmp_path / "in" / "nobody.jpg").read_bytes()
    assert (tmp_path / "in" / "out" / "nobody.jpg").read_bytes() == copied
    # What is finished stays; what has changed, or is gone, is done once more.
    (tmp_path / "in" / "text.jpg").unlink()
    (tmp_path / "in" / "out" / "c.png").unlink()
    photo.resize((320, 240)).save(tmp_path / "in" / "a.png")
    os.utime(tmp_path / "in" / "nobody.jpg", ns=(2**62, 2**62))  # The same content.
    process = unmask(painted_artifacts, tmp_path, "in", "in/out", "--workers", 1)
    output, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    assert sorted(line.split(":")[0] for line in output.splitlines()) == [
        "in/out/a.png",
        "in/out/c.png",
    ]
    assert "finished before: 3" in errors


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["none", "out"], "is not a folder"),
        (["in", "file"], "is a file"),
        (["in", "out", "--watch", "--ray"], "cannot be combined"),
        (["empty", "out"], "holds no images"),
        (["in", "in"], "would be overwritten"),
        (["in", "in", "--watch"], "OUT in is IN"),
        (["empty", "./empty", "--watch"], "OUT empty is IN"),
        (["clash", "out", "--watch"], "both be written"),
    ],
)
def test_bad_arguments_are_one_line(photo, painted_artifacts, tmp_path, arguments, words):
    (tmp_path / "in").mkdir()
    (tmp_path / "empty").mkdir()
    (tmp_path / "clash").mkdir()
    photo.save(tmp_path / "in" / "a.png")
    for name in ("a.gif", "a.png", "a.gif.png"):
        (tmp_path / "clash" / name).write_text("x")
    (tmp_path / "file").write_text("x")
    process = unmask(painted_artifacts, tmp_path, *arguments)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 1
    assert errors.count("\n") == 1
    assert words in errors


def described(photo: Image.Image, path: Path, **options: object) -> None:
    tags = Image.Exif()
    tags[0x010F] = "Maker"
    tags[0x8825] = {1: "N"}
    path.parent.mkdir(exist_ok=True)
    photo.save(path, exif=tags.tobytes(), **options)


@pytest.mark.slow
def test_strip_passes_over_no_result_that_tells_of_its_photo(
    photo, backdrop, painter, painted_artifacts, tmp_path
):
    bare = Image.fromarray(painter(backdrop, EYES, (140, 180, 220)))
    text = PngInfo()
    text.add_text("GPS", "52.5, 13.4")
    for name in ("a.jpg", "b.png", "c.webp", "d.tif"):
        described(photo, tmp_path / "in" / name)
    described(bare, tmp_path / "in" / "copied.jpg")
    bare.save(tmp_path / "in" / "said.png", pnginfo=text)
    photo.save(tmp_path / "in" / "plain.png")

    def run(*options: str) -> tuple[list[str], str]:
        process = unmask(painted_artifacts, tmp_path, "in", "out", *options)
        output, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors
        return sorted(Path(line.split(":")[0]).name for line in output.splitlines()), errors

    run()
    everything = names(tmp_path / "in")
    done, errors = run("--strip")
    assert done == [name for name in everything if name != "plain.png"]
    assert "finished before: 1, " in errors
    for name in everything:
        with Image.open(tmp_path / "out" / name) as image:
            assert 0x010F not in image.getexif()
            assert not image.getexif().get_ifd(0x8825)
            assert "GPS" not in image.info
    # And once only.
    done, errors = run("--strip")
    assert done == []
    assert "finished before: 7; results finished before keep their earlier options" in errors
    # Without it, results stay as they are, and that is said.
    assert "--again redoes them" in run("--quality", "30")[1]
    done, errors = run("--again")
    assert done == everything
    assert "finished before" not in errors


def test_watching_with_strip_takes_up_results_that_tell(photo, tmp_path):
    for name in ("described.jpg", "stripped.jpg"):
        described(photo, tmp_path / "in" / name)
    described(photo, tmp_path / "out" / "described.jpg", quality=60)
    photo.save(tmp_path / "out" / "stripped.jpg")
    finished = FinishedResults(tmp_path / "out")
    for name in ("described.jpg", "stripped.jpg"):
        source = tmp_path / "in" / name
        finished.remember(source, tmp_path / "out" / name, state_of(source))
    looks = iter((False, False, True))
    messages: list[str] = []
    jobs = arrivals(
        tmp_path / "in",
        tmp_path / "out",
        strip=True,
        pause=lambda: next(looks),
        report=messages.append,
        withdraw=messages.remove,
    )
    assert [job[0].name for job in jobs if job is not None] == ["described.jpg"]
    assert messages == []


def test_links_lead_no_result_out_of_the_folder(photo, work, tmp_path):
    (tmp_path / "in" / "sub").mkdir(parents=True)
    photo.save(tmp_path / "in" / "sub" / "a.png")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "sub").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InvalidInputError, match="a link in"):
        plan([tmp_path / "in"], tmp_path / "out")
    # A link that turns up later is refused as well.
    job = (tmp_path / "in" / "sub" / "a.png", tmp_path / "out" / "sub" / "a.png")
    (outcome,) = run(work, [job])
    assert outcome.failure is not None
    assert "a link in" in outcome.failure.message
    assert not names(tmp_path / "elsewhere")
    # OUT itself may be a link, and links may lead to places within it.
    (tmp_path / "link").symlink_to(tmp_path / "out")
    (tmp_path / "out" / "inner").symlink_to(tmp_path / "out")
    check_inside(tmp_path / "link", tmp_path / "link" / "inner" / "new" / "a.png")


def test_malformed_files(photo, work, tmp_path):
    small = photo.resize((160, 120))
    sound = make(tmp_path / "in", small, 70)
    jobs, _ = plan([tmp_path / "in"], work.out)
    outcomes = list(run(work, jobs))
    assert sorted(outcome.job for outcome in outcomes) == sorted(jobs)
    lines = "\n".join(f"unmask: error: {o.failure.message}" for o in outcomes if o.failure)
    assert check(tmp_path, sound, lines, 1) == []
    assert len(lines.splitlines()) > 25


def test_a_stop_leaves_whole_files_alone(photo, work, tmp_path):
    (tmp_path / "in").mkdir()
    for number in range(12):
        photo.save(tmp_path / "in" / f"{number}.bmp")
    jobs, _ = plan([tmp_path / "in"], work.out)
    outcomes = run(work, jobs)
    next(outcomes)
    outcomes.close()
    assert 1 <= len(names(work.out)) < 12
    for name in names(work.out):
        Image.open(work.out / name).load()
    rest = [outcome for outcome in run(work, jobs) if outcome.done is not None]
    assert len(rest) + len(names(work.out)) >= 12
    assert len(names(work.out)) == 12


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="signals are POSIX")
def test_an_interrupt_leaves_the_report(photo, painted_artifacts, tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "0.jpg").write_text("hello")
    photo.save(tmp_path / "in" / "1.png")
    for number in range(2, 12):
        shutil.copy(tmp_path / "in" / "1.png", tmp_path / "in" / f"{number}.png")
    process = unmask(painted_artifacts, tmp_path, "in", "out", "--workers", 1)
    assert process.stdout is not None
    assert "1 unmasked" in process.stdout.readline()
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 130
    failure, counts, last = errors.splitlines()
    assert failure.startswith("unmask: error: in/0.jpg")
    assert counts.startswith("unmask: unmasked: ")
    assert counts.endswith(", failed: 1")
    assert last == "unmask: interrupted"


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="signals are POSIX")
@pytest.mark.parametrize("command", ["image", "folder"])
def test_sigterm_leaves_no_half_of_a_file(photo, painted_artifacts, tmp_path, command):
    (tmp_path / "in").mkdir()
    for number in range(12):
        photo.resize((2560, 1920)).save(tmp_path / "in" / f"{number}.png", compress_level=1)
    fixed = ["--artifacts", str(painted_artifacts), "--runtime", "onnx"]
    arguments = ["in", "-o", "out"] if command == "image" else ["in", "out", "--workers", "2"]
    process = subprocess.Popen(
        [sys.executable, "-c", CODE, command, *fixed, *arguments],
        stderr=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
    )
    while not list(tmp_path.glob("out/.*.part")):  # From then on it is writing.
        assert process.poll() is None
        time.sleep(0.001)
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 143
    assert errors.splitlines()[-1] == "unmask: terminated"
    assert "error" not in errors
    found = names(tmp_path / "out")
    assert len(found) < 12
    for name in found:
        Image.open(tmp_path / "out" / name).load()


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="signals are POSIX")
def test_watching(photo, painted_artifacts, tmp_path):
    (tmp_path / "in").mkdir()
    process = unmask(painted_artifacts, tmp_path, "in", "out", "--watch")
    assert process.stdout is not None
    assert process.stderr is not None
    assert process.stderr.readline().startswith("watching in")
    photo.save(tmp_path / "new.jpg")
    shutil.move(tmp_path / "new.jpg", tmp_path / "in" / "new.jpg")
    assert process.stdout.readline().startswith("out/new.jpg: 1 face, 1 unmasked")
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 0
    assert "unmasked: 1" in errors


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="signals are POSIX")
def test_a_watch_tells_failures_as_they_happen(photo, painted_artifacts, tmp_path):
    (tmp_path / "in").mkdir()
    photo.save(tmp_path / "whole.jpg")
    content = (tmp_path / "whole.jpg").read_bytes()
    (tmp_path / "in" / "cut.jpg").write_bytes(content[: len(content) // 2])
    os.utime(tmp_path / "in" / "cut.jpg", (1, 1))
    process = unmask(painted_artifacts, tmp_path, "in", "out", "--watch")
    assert process.stderr is not None
    assert process.stderr.readline().startswith("watching in")
    assert process.stderr.readline().startswith("unmask: error: in/cut.jpg")
    (tmp_path / "in" / "round").symlink_to("round")
    assert process.stderr.readline().startswith("unmask: error: the folder in/round cannot be read")
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert errors == "unmask: failed: 2\n"


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="signals are POSIX")
def test_a_watch_ends_within_a_backlog(photo, painted_artifacts, tmp_path):
    (tmp_path / "in").mkdir()
    photo.save(tmp_path / "in" / "0.png")
    for number in range(1, 20):
        shutil.copy(tmp_path / "in" / "0.png", tmp_path / "in" / f"{number}.png")
    process = unmask(painted_artifacts, tmp_path, "in", "out", "--watch", "--workers", 1)
    assert process.stdout is not None
    first = process.stdout.readline()
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=60)
    assert process.returncode == 0
    done = [first, *output.splitlines()]
    assert len(done) < 10
    # What was begun is finished, and counted.
    assert len(names(tmp_path / "out")) == len(done)
    assert errors.splitlines()[-1] == f"unmask: unmasked: {len(done)}"


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="signals are POSIX")
@pytest.mark.parametrize(("sent", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_second_signal_does_not_wait(photo, painted_artifacts, tmp_path, sent, code):
    (tmp_path / "in").mkdir()
    photo.save(tmp_path / "in" / "a.png")
    # A disk that hangs.
    slow = f"import os, time; os.replace = lambda *_: time.sleep(100); {CODE}"
    process = unmask(painted_artifacts, tmp_path, "in", "out", "--watch", code=slow)
    while not list(tmp_path.glob("out/.*.part")):
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(sent)
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(1)
    process.send_signal(sent)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == code
    assert errors.splitlines()[1:] == [f"unmask: {'interrupted' if code == 130 else 'terminated'}"]
