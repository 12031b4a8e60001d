"""Silencing converters: nothing is printed, and everything is restored."""

from __future__ import annotations

import logging
import sys
import warnings

import pytest

from unmask_sdk.export.quiet_converters import LOGGERS, quiet_converters


def test_warnings_logs_and_stderr_are_silenced(
    capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with quiet_converters():
            warnings.warn("ignored", stacklevel=1)
            logging.getLogger(LOGGERS[0]).warning("ignored")
            print("ignored", file=sys.stderr)
            print("shown")
    assert capsys.readouterr() == ("shown\n", "")
    assert caplog.records == []


def test_standard_output_is_silenced_on_request(capsys: pytest.CaptureFixture[str]) -> None:
    with quiet_converters(stdout=True):
        print("ignored")
    assert capsys.readouterr().out == ""


def test_levels_are_restored_after_an_error() -> None:
    logger = logging.getLogger(LOGGERS[0])
    before = logger.level
    levels = []

    def fail() -> None:
        levels.append(logger.level)
        raise KeyError

    with pytest.raises(KeyError), quiet_converters():
        fail()
    assert levels == [logging.ERROR]
    assert logger.level == before
