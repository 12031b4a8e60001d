"""Help texts, which are docstrings, on a terminal of any width."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from unmask_sdk.cli.help import help_of


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
    done = subprocess.run(
        [sys.executable, "-m", "unmask_sdk", command, "--help"],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "COLUMNS": "240"},
    )
    assert done.returncode == 0
    assert f"{command} {usage}" in done.stdout
    assert words in done.stdout
