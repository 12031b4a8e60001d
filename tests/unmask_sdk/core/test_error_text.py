"""Exceptions as one line."""

from __future__ import annotations

import pytest

from unmask_sdk.core.error_text import one_line, one_line_with_type
from unmask_sdk.errors import ConfigError


@pytest.mark.parametrize(
    ("error", "line", "typed"),
    [
        (ValueError("a\n\n  b "), "a b", "ValueError: a b"),
        (MemoryError(), "MemoryError", "MemoryError"),
        (ConfigError("not valid; set x"), "not valid; set x", "not valid; set x"),
    ],
)
def test_errors_are_one_line(error: Exception, line: str, typed: str) -> None:
    assert one_line(error) == line
    assert one_line_with_type(error) == typed
