"""Hooks of the documentation site (mkdocs.yml).

The pages are written for readers of the repository. For the site, documents of the repository root
become pages, links to them and between pages are kept, and links to source files become plain
text: the project has no public home yet that they could point to.
"""

from __future__ import annotations

import posixpath
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mkdocs.plugins import event_priority
from mkdocs.structure.files import File

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parent.parent
# Documents of the repository root, and the pages that they become.
PAGES = {
    "README.md": "index.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "LICENSE-WEIGHTS.md": "license-weights.md",
    "MODEL_CARD.md": "model-card.md",
    "SECURITY.md": "security.md",
    "training/LOG.md": "training-log.md",
}
_SOURCES = {page: source for source, page in PAGES.items()}
# [text](target) and ![text](target), with or without an anchor.
_LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^)\s#]+)(#[^)\s]*)?\)")

_layout: tempfile.TemporaryDirectory[str] | None = None


# Before mkdocstrings reads its settings.
@event_priority(100)
def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Shows mkdocstrings the packages as they are installed."""
    global _layout
    _layout = tempfile.TemporaryDirectory(prefix="unmask-docs-")
    subprocess.run([sys.executable, ROOT / ".ci" / "installed-layout", _layout.name], check=True)
    handlers: dict[str, Any] = config.plugins["mkdocstrings"].config["handlers"]
    handlers["python"]["paths"] = [_layout.name]
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds the documents of the repository root."""
    for source, page in PAGES.items():
        text = (ROOT / source).read_text(encoding="utf-8")
        files.append(File.generated(config, page, content=text))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Rewrites relative links from places in the repository to places on the site."""
    here = page.file.src_uri
    folder = posixpath.dirname(_SOURCES.get(here, f"docs/{here}"))

    def link(match: re.Match[str]) -> str:
        mark, text, target, anchor = match.groups()
        if "://" in target or target.startswith("mailto:"):
            return match[0]
        source = posixpath.normpath(posixpath.join(folder, target))
        uri = PAGES.get(source, source.removeprefix("docs/"))
        file = files.get_file_from_path(uri)
        if file is None or not file.inclusion.is_included():
            if not (ROOT / source).exists():
                return match[0]  # The strict build reports it.
            return text if text.startswith("`") else f"`{text}`"
        place = posixpath.relpath(uri, posixpath.dirname(here) or ".")
        return f"{mark}[{text}]({place}{anchor or ''})"

    return _LINK.sub(link, markdown)


def on_shutdown() -> None:
    """Removes the link tree."""
    if _layout is not None:
        _layout.cleanup()
