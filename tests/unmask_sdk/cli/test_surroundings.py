"""Places that commands are started in: closed streams, no home, a terminal that closes."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX")

EYES = np.array([[250.0, 95.0], [310.0, 95.0]])
CODE = "from unmask_sdk.cli import main; main()"


@pytest.fixture
def photo(painter: Any, backdrop: Any, tmp_path: Path) -> Path:
    path = tmp_path / "photo.png"
    Image.fromarray(painter(backdrop, EYES)).save(path)
    return path


def unmask(
    *arguments: object, closed: str = "", **options: Any
) -> subprocess.CompletedProcess[str]:
    """Runs a command; `closed` is a redirection of the shell, such as `>&-`."""
    line = ["sh", "-c", f'exec "$@" {closed}', "sh", sys.executable, "-c", CODE]
    settings: dict[str, Any] = {"capture_output": True, "text": True, "timeout": 120} | options
    return subprocess.run([*line, *map(str, arguments)], **settings)


def fixed(artifacts: Path) -> list[object]:
    return ["--artifacts", artifacts, "--runtime", "onnx"]


@pytest.mark.slow
@pytest.mark.parametrize("closed", [">&-", "<&- >&- 2>&-"])
def test_closed_streams_do_not_stop_a_command(
    closed: str, photo: Path, painted_artifacts: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out.png"
    done = unmask("image", photo, "-o", out, *fixed(painted_artifacts), closed=closed)
    assert (done.returncode, done.stderr) == (0, "")
    Image.open(out).load()


@pytest.mark.slow
def test_data_is_not_read_from_or_written_to_a_closed_stream(
    photo: Path, painted_artifacts: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out.png"
    done = unmask("image", "-", "-o", out, *fixed(painted_artifacts), closed="<&-")
    assert done.returncode == 1
    assert done.stderr.startswith("unmask: error: stdin: standard input is closed; pipe")
    assert not out.exists()
    done = unmask("image", photo, "-o", "-", *fixed(painted_artifacts), closed=">&-")
    assert done.returncode == 1
    assert "standard output is closed; pipe it into a program, or name a file" in done.stderr
    assert done.stderr.count("\n") == 1
    # The null device, asked for, is not closed.
    done = unmask("image", photo, "-o", "-", *fixed(painted_artifacts), closed=">/dev/null")
    assert done.returncode == 0


def test_what_is_printed_past_python_lands_in_no_file(tmp_path: Path) -> None:
    code = (
        "import os; from unmask_sdk.cli.streams import fill_closed_streams as fill; fill();"
        f"file = open({str(tmp_path / 'photo')!r}, 'wb'); os.system('echo from the engine')"
    )
    line = ["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", sys.executable, "-c", code]
    assert subprocess.run(line, timeout=60).returncode == 0
    assert (tmp_path / "photo").read_bytes() == b""


def test_streams_that_are_none_are_filled() -> None:
    code = (
        "import sys; sys.stdin = sys.stdout = None; sys.stderr.close();"
        f"sys.argv[1:] = ['--version']; {CODE}"
    )
    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == 0


@pytest.mark.slow
@pytest.mark.parametrize("ignored", [False, True], ids=["", "nohup"])
def test_a_hang_up_ends_as_sigterm_does(
    ignored: bool, photo: Path, painted_artifacts: Path, tmp_path: Path
) -> None:
    (tmp_path / "in").mkdir()
    with Image.open(photo) as image:
        image.resize((1600, 1200)).save(tmp_path / "in" / "0.png", compress_level=1)
    for number in range(1, 4):
        shutil.copy(tmp_path / "in" / "0.png", tmp_path / "in" / f"{number}.png")
    arguments = ["image", "in", "-o", "out", *map(str, fixed(painted_artifacts))]
    # Not by preexec_fn, which can hang among threads.
    hangup = "signal.signal(signal.SIGHUP, signal.SIG_IGN)" if ignored else ""
    process = subprocess.Popen(
        [sys.executable, "-c", f"import signal; {hangup}\n{CODE}", *arguments],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
    )
    while not list(tmp_path.glob("out/.*.part")):  # From then on it is writing.
        assert process.poll() is None
        time.sleep(0.001)
    process.send_signal(signal.SIGHUP)
    _, errors = process.communicate(timeout=120)
    written = [p for p in (tmp_path / "out").rglob("*.p*") if not p.name.endswith(".json")]
    if ignored:
        assert (process.returncode, len(written)) == (0, 4)
    else:
        assert process.returncode == 129
        assert errors.splitlines()[-1] == "unmask: hung up"
        assert len(written) < 4
    for path in written:
        Image.open(path).load()


def homeless() -> dict[str, str]:
    """An environment without a home, in which `~` is looked up for a user without an entry."""
    return {k: v for k, v in os.environ.items() if k not in ("HOME", "XDG_CACHE_HOME")}


HOMELESS = f"import os; os.getuid = lambda: 54321; {CODE}"


@pytest.mark.slow
def test_no_home_is_one_line(tmp_path: Path) -> None:
    line = [sys.executable, "-c", HOMELESS, "cache"]
    done = subprocess.run(line, capture_output=True, text=True, timeout=60, env=homeless())
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "set UNMASK_CACHE to an absolute path" in done.stderr
    line = [sys.executable, "-c", HOMELESS, "doctor", "--artifacts", str(tmp_path)]
    done = subprocess.run(line, capture_output=True, text=True, timeout=120, env=homeless())
    assert "Nothing is cached: " in done.stdout
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("name", ["~nobody-of-this-name/cache", "cache"])
def test_a_cache_variable_that_names_no_folder_is_one_line(name: str, tmp_path: Path) -> None:
    (tmp_path / "gone").mkdir()
    code = f"import os; os.chdir({str(tmp_path / 'gone')!r}); os.rmdir(os.getcwd()); {CODE}"
    done = subprocess.run(
        [sys.executable, "-P" if sys.version_info >= (3, 11) else "-E", "-c", code, "cache"],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "UNMASK_CACHE": name},
    )
    assert done.returncode == 1
    words = "unmask: error: engines cannot be stored: there is no folder for a cache"
    assert done.stderr.startswith(f"{words} (UNMASK_CACHE={name}: ")


@pytest.mark.slow
def test_limits_without_a_home_are_measured_each_time(painted_artifacts: Path) -> None:
    code = (
        "import os; os.getuid = lambda: 54321; import unmask_sdk;"
        f"print(unmask_sdk.load('onnx', max_ms=1e6, artifacts={str(painted_artifacts)!r}))"
    )
    line = [sys.executable, "-c", code]
    done = subprocess.run(line, capture_output=True, text=True, timeout=120, env=homeless())
    assert done.stdout.startswith("Unmasker(onnx")
