"""What is taken for a URL, and what for a file."""

from __future__ import annotations

from pathlib import Path

import pytest

from unmask_sdk.cli.media.url_check import refuse_url
from unmask_sdk.errors import InvalidInputError


@pytest.mark.parametrize(
    "given", ["http://a.b/c.jpg", "HTTPS://a.b/c.jpg", "s3://a/b.png", "rtsp+x://a"]
)
def test_urls_are_refused_as_they_were_given(given: str) -> None:
    with pytest.raises(InvalidInputError, match="download it") as caught:
        refuse_url(Path(given))
    assert str(caught.value).startswith(f"{given} is a URL")


@pytest.mark.parametrize("given", ["a.jpg", "c:/a.jpg", "12:30.jpg", "http:", "a/http://b", "-"])
def test_other_names_are_files(given: str) -> None:
    refuse_url(Path(given))


def test_a_file_may_have_such_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "http:").mkdir()
    (tmp_path / "http:" / "a.jpg").write_bytes(b"x")
    refuse_url(Path("http:/a.jpg"))
