"""What pyproject.toml cannot say about the build.

- Nothing is built in the clone's `build/`: setuptools packs whatever lies there, so files that were
  removed since an earlier build would stay in the wheel.
- The wheel holds the documents that belong to the weights.
- The description on PyPI has absolute links, because relative ones lead nowhere there.
"""

from __future__ import annotations

import atexit
import re
import shutil
import tempfile
from pathlib import Path

try:
    import tomllib
except ModuleNotFoundError:  # Python 3.10
    import tomli as tomllib

from setuptools import setup
from setuptools.command.build import build
from setuptools.command.build_py import build_py

ROOT = Path(__file__).parent
DOCUMENTS = ("CHANGELOG.md", "MODEL_CARD.md")
_LINK = re.compile(r"(?P<image>!?)\[(?P<text>[^\]]*)\]\((?P<target>[^)\s]+)\)")
_TABLE = re.compile(r"(?:^\|.*\n)+", re.MULTILINE)


class BuildOutside(build):
    """Builds in a temporary folder, unless the command line names another."""

    def initialize_options(self) -> None:
        """Sets the folder."""
        super().initialize_options()
        self.build_base = tempfile.mkdtemp(prefix="unmask-sdk-build-")
        atexit.register(shutil.rmtree, self.build_base, ignore_errors=True)


class BuildWithDocuments(build_py):
    """Also copies `DOCUMENTS` into the package."""

    def run(self) -> None:
        """Copies modules, data and documents."""
        super().run()
        if not self.editable_mode:
            for name in DOCUMENTS:
                self.copy_file(str(ROOT / name), str(Path(self.build_lib, "unmask_sdk", name)))


def description(readme: str, version: str, address: str | None) -> str:
    """Returns the README as PyPI shows it.

    Args:
        readme: The README, whose links are relative.
        version: The version; links lead to its tag.
        address: Address of the repository at a host that has pages at `ADDRESS/blob/TAG/FILE` and
            files at `ADDRESS/raw/TAG/FILE`, as GitHub. Without one there is nothing to link to:
            images are left out, and links become their text.
    """

    def absolute(match: re.Match[str]) -> str:
        image, text, target = match["image"], match["text"], match["target"]
        if ":" in target or target.startswith("#"):
            return match[0]
        if address is None:
            return "" if image else text
        kind = "raw" if image else "blob"
        return f"{image}[{text}]({address.rstrip('/')}/{kind}/v{version}/{target})"

    linked = _LINK.sub(absolute, readme)
    return _TABLE.sub(lambda match: match[0] if set(match[0]) - set("|- \n") else "", linked)


def main() -> None:
    """Sets what pyproject.toml leaves open."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    setup(
        long_description=description(
            readme, project["version"], project.get("urls", {}).get("Source")
        ),
        long_description_content_type="text/markdown",
        cmdclass={"build": BuildOutside, "build_py": BuildWithDocuments},
    )


if __name__ == "__main__":
    main()
