"""Ties each result to the image that it was made from, to know which results are up to date.

Times alone do not tell: a photo that replaces another is often older (`cp -p`, `rsync`, `unzip`),
and photos of two folders may have one name. So the folder of results holds a hidden folder with a
small file for each result: the size, times and SHA-256 of its image. A result without one, or whose
image has another content by now, is made again.
"""

from __future__ import annotations

import contextlib
import filecmp
import hashlib
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from unmask_sdk.core.manifest import sha256_of

FOLDER = ".unmask"


@dataclass(frozen=True)
class FileState:
    """What the system says of a file's content without reading it.

    Attributes:
        size: In bytes.
        mtime_ns: Time of modification, which programs may set.
        ctime_ns: Time of the last change, which they cannot set (Windows: of the creation).
        inode: Number in its file system.
    """

    size: int
    mtime_ns: int
    ctime_ns: int
    inode: int


def state_of(path: Path) -> FileState | None:
    """Returns the state of a file; None if it does not exist or cannot be reached."""
    try:
        status = os.stat(path)
    except (OSError, ValueError):  # ValueError: not a path; reading it then reports that.
        return None
    return FileState(status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)


class FinishedResults:
    """The results in a folder, and the images that they were made from.

    Threads and processes: each result has a file of its own, so any number may work at one folder.

    Args:
        out: The folder of results; it may not exist yet.
    """

    def __init__(self, out: Path) -> None:
        self._out = out

    def is_up_to_date(self, source: Path, target: Path, *, strip: bool) -> bool:
        """Returns whether a result exists and was made from the image as it is now.

        Results are written atomically, so an existing one is complete.

        Args:
            source: The image.
            target: Its result.
            strip: Whether a result that holds EXIF or XMP of the photo, from a run without
                `--strip`, does not count.
        """
        now, record = state_of(source), self._file(target)
        if now is None or state_of(target) is None:
            return False
        try:
            made_from = json.loads(record.read_bytes())
            if made_from["state"] != asdict(now):
                # Touched, moved or copied: the content decides.
                digest = sha256_of(source)
                if made_from["sha256"] != digest:
                    return False
                self._write(target, now, digest)
            return not (strip and _has_metadata(source, target))
        # There is none, or a crash cut it short; or the image cannot be read, which is reported
        # when it is processed.
        except (OSError, ValueError, KeyError, TypeError):
            return False

    def forget(self, target: Path) -> None:
        """Makes a result count as not finished, before it is written again."""
        with contextlib.suppress(OSError):
            self._file(target).unlink()

    def remember(self, source: Path, target: Path, before: FileState | None) -> None:
        """Notes what a result was made from.

        Args:
            source: The image.
            target: Its result, complete.
            before: The image's state before it was read. If it has changed since, nobody knows
                which content was read, and nothing is noted.
        """
        # A folder that takes no such file has its results made again.
        with contextlib.suppress(OSError):
            digest = sha256_of(source)
            if before is not None and state_of(source) == before:
                self._write(target, before, digest)

    def _write(self, target: Path, state: FileState, digest: str) -> None:
        record = self._file(target)
        content = {"result": self._name(target), "sha256": digest, "state": asdict(state)}
        with contextlib.suppress(OSError):
            record.parent.mkdir(parents=True, exist_ok=True)
            record.write_text(json.dumps(content))

    def _name(self, target: Path) -> str:
        return Path(os.path.relpath(target, self._out)).as_posix()

    def _file(self, target: Path) -> Path:
        # By a digest, because the result's name may be as long as a name can be.
        digest = hashlib.sha256(os.fsencode(self._name(target))).hexdigest()[:32]
        return self._out / FOLDER / digest[:2] / f"{digest[2:]}.json"


def _has_metadata(source: Path, target: Path) -> bool:
    from unmask_sdk.imaging.decode import is_stripped

    # A copy may have metadata that no result of ours has, such as a PNG's text.
    return not is_stripped(target) or filecmp.cmp(source, target, shallow=False)
