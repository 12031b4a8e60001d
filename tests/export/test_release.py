"""Numbers in the documents: written between their markers, or not at all."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch")
from unmask_sdk.errors import ConfigError
from unmask_sdk.export.release import (
    DOCUMENTS,
    FOLDERS,
    check_root,
    replace_blocks,
    speed_table,
    undone_on_failure,
    write_documents,
)

PAGE = "a\n<!-- release:speed -->\nold\n<!-- /release:speed -->\nb\n"


def test_a_block_is_replaced_and_the_rest_stays():
    new = replace_blocks(PAGE, {"speed": "fast\nfaster", "sizes": "x"}, "README.md")
    assert new == PAGE.replace("old", "fast\nfaster")
    assert replace_blocks(new, {"speed": "old"}, "README.md") == PAGE


def test_backslashes_are_text():
    assert r"\1 \n" in replace_blocks(PAGE, {"speed": r"\1 \n"}, "README.md")


def test_unknown_and_unclosed_blocks_are_reported():
    with pytest.raises(ConfigError, match=r"README.md marks release:speed"):
        replace_blocks(PAGE, {}, "README.md")
    with pytest.raises(ConfigError, match="no end"):
        replace_blocks("<!-- release:speed -->\nold", {"speed": "x"}, "README.md")


def test_no_document_changes_if_one_is_wrong(tmp_path):
    fill_documents(tmp_path)
    (tmp_path / "MODEL_CARD.md").write_text("<!-- release:speed -->\n")
    before = state(tmp_path)
    with pytest.raises(ConfigError):
        write_documents(tmp_path, {"speed": "new"})
    assert state(tmp_path) == before
    (tmp_path / "MODEL_CARD.md").write_text("nothing to fill\n")
    write_documents(tmp_path, {"speed": "new"})
    assert "new" in (tmp_path / "README.md").read_text()
    assert state(tmp_path).keys() == {tmp_path / name for name in DOCUMENTS}


def test_folder_that_is_not_a_clone_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"README\.md"):
        check_root(tmp_path)


def test_clone_that_is_not_installed_is_refused(tmp_path):
    for name in FOLDERS:
        (tmp_path / name).mkdir(parents=True)
    fill_documents(tmp_path)
    with pytest.raises(ConfigError, match=r"not the clone that is installed.*pip install -e"):
        check_root(tmp_path)


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="sets a POSIX locale")
def test_documents_are_utf8_in_every_locale(tmp_path):
    fill_documents(tmp_path)
    code = (
        "from pathlib import Path; from unmask_sdk.export.release import write_documents;"
        "write_documents(Path('.'), {'speed': '\\u2265 9'})"
    )
    plain = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=os.environ | plain, check=True)
    assert "≥ 9" in (tmp_path / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("fails", [True, False])
def test_changed_files_are_restored_on_failure(tmp_path, fails):
    for name in ("a/changed", "a/deep/gone", "a/same"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    before = state(tmp_path)
    try:
        with undone_on_failure(tmp_path / "a", tmp_path / "new"):
            (tmp_path / "a" / "changed").write_text("other")
            (tmp_path / "a" / "deep" / "gone").unlink()
            (tmp_path / "new").mkdir()
            (tmp_path / "new" / "file").touch()
            after = state(tmp_path)
            if fails:
                raise KeyboardInterrupt
    except KeyboardInterrupt:
        pass
    assert state(tmp_path) == (before if fails else after)


def fill_documents(root):
    """Writes every document of a release, with one marked block."""
    for name in DOCUMENTS:
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_text(f"naïve\n{PAGE}", encoding="utf-8")


def state(folder):
    """The content of every file in a folder."""
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_projects_own_documents_can_be_filled():
    check_root(Path(__file__).parents[2])


def test_speed_table():
    row = {"name": "test_unmasker[1]", "stats": {"median": 0.0205}, "extra_info": {"load_ms": 3}}
    table = speed_table({"benchmarks": [row], "machine_info": {"cpu": {"brand_raw": "X"}}})
    assert "| unmasker[1] | 20.5 ms | load ms 3 |" in table
    assert "On X" in table
