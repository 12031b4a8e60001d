"""Help texts, which are docstrings, on a terminal of any width; and shell completion."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from unmask_sdk.cli.commands import COMMANDS, GROUPS
from unmask_sdk.cli.help import help_of

ROOT = Path(__file__).parents[3]


def show_help(*arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "unmask_sdk", *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "COLUMNS": "240"},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_paragraphs_become_lines_and_lists_stay() -> None:
    def command() -> None:
        """First line.

        A paragraph of
        --two lines.

        - one
        - two
            set in
        """

    assert help_of(command) == (
        "First line.\n\nA paragraph of --two lines.\n\n- one\n- two\n    set in"
    )


@pytest.mark.parametrize(
    ("command", "usage", "words"),
    [
        (
            "image",
            "[OPTIONS] IN... ",
            "is a failure (`unmask folder` copies it). Files from which a",
        ),
        ("verify", "[OPTIONS] [ARTIFACT]... ", "Run the golden vectors"),
    ],
)
def test_sentences_and_usage_are_whole(command: str, usage: str, words: str) -> None:
    shown = show_help(command, "--help")
    assert f"{command} {usage}" in shown
    assert words in shown


def test_commands_are_in_groups() -> None:
    shown = show_help("-h")
    assert shown == show_help("--help")
    lines = iter(shown.splitlines())
    for group, entries in GROUPS.items():
        assert any(group in line for line in lines), group
        for name in entries:
            assert any(line.startswith(f"│ {name} ") for line in lines), name


@pytest.mark.parametrize(
    ("command", "usage"),
    [
        ("image", "image [OPTIONS] IN..."),
        ("video", "video [OPTIONS] IN --out OUT"),
        ("train", "train [OPTIONS] CONFIG --faces FACES --run RUN"),
        ("evaluate-locator", "evaluate-locator [OPTIONS] --faces FACES --landmarks LANDMARKS"),
        ("train-locator", "train-locator [OPTIONS] CONFIG"),
    ],
)
def test_the_usage_line_names_what_is_required(command: str, usage: str) -> None:
    # Long lines are wrapped.
    assert f"unmask_sdk {usage} " in " ".join(show_help(command, "-h").split())


def test_help_names_a_page_that_exists() -> None:
    assert all((ROOT / entry.page).is_file() for entry in COMMANDS.values())
    for command in ("image", "train"):
        assert f"Documentation: {COMMANDS[command].page}" in show_help(command, "-h")


COMPLETING = """
eval "$(unmask --show-completion)"
complete -p unmask
complete_words() { COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _unmask_completion unmask; }
complete_words unmask im && echo "${COMPREPLY[@]}"
complete_words unmask folder --wa && echo "${COMPREPLY[@]}"
complete_words unmask folder "" && echo "files: ${COMPREPLY[@]}"
"""


@pytest.mark.slow
def test_bash_completes_commands_and_options(tmp_path: Path) -> None:
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("needs bash")
    program = tmp_path / "unmask"
    program.write_text(f"#!{sys.executable}\nfrom unmask_sdk.cli import main\nmain()\n")
    program.chmod(0o755)
    done = subprocess.run(
        [bash, "--norc", "-c", COMPLETING],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"},
    )
    assert done.stderr == ""
    script, *words = done.stdout.splitlines()
    assert script.endswith("-F _unmask_completion unmask")
    assert [line.strip() for line in words] == ["image", "--watch", "files:"]
