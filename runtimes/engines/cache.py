"""Engines on disk: built once, checked each time, and made anew if anything is wrong with them.

An engine is two files: `NAME.engine`, and `NAME.json`, which says what it is and holds its digest.
Reading takes no lock: what is read is compared with its digest, so half of a change is never
taken. Building, storing and clearing are one process at a time, as a build takes all the memory
there is; the kernel lets go of the lock if a process dies.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from unmask_sdk.core.atomic_write import PARTIAL_SUFFIX, atomic_write
from unmask_sdk.core.cache_dir import CACHE_VARIABLE, cache_dir
from unmask_sdk.errors import RuntimeUnavailableError

from .key import EngineKey
from .progress import logger

SCHEMA = 1
# All engines of the package on one device take about 60 MB.
LIMIT = 2 << 30


@dataclass(frozen=True)
class Entry:
    """An engine in the cache.

    Attributes:
        title: What it is and for what.
        digest: Name of its files.
        bytes: Size.
        seconds: How long it took to build.
        used: When it was last used, in seconds since 1970.
    """

    title: str
    digest: str
    bytes: int
    seconds: float
    used: float


class EngineCache:
    """A folder of engines.

    Args:
        folder: The folder, made when there is something to keep; `engines` in the user's cache
            folder by default.
        limit: Bytes that it may hold; the least recently used engines go first.
    """

    def __init__(self, folder: Path | None = None, limit: int = LIMIT) -> None:
        self.folder = cache_dir() / "engines" if folder is None else folder
        self._limit = limit

    def get(self, key: EngineKey, build: Callable[[], bytes]) -> bytes:
        """Returns an engine: the one that is kept, or else a new one, which then is.

        Args:
            key: What it depends on.
            build: Makes it. Of processes that want the same engine at once, one calls this.

        Raises:
            RuntimeUnavailableError: If the folder cannot be written to.
        """
        engine, _ = self._read(key)
        if engine is not None:
            return engine
        with self._lock():
            engine, trouble = self._read(key)
            if engine is None:
                if trouble is not None:
                    logger.warning("the engine of %s is built again: %s", key, trouble)
                self._clear_parts()
                start = time.monotonic()
                engine = build()
                self._store(key, engine, time.monotonic() - start)
        return engine

    def discard(self, key: EngineKey) -> None:
        """Removes an engine, if it is there."""
        if self.folder.is_dir():
            with self._lock():
                self._remove(key.digest)

    def entries(self) -> list[Entry]:
        """Returns what is kept, the most recently used first."""
        found = []
        for file in self.folder.glob("*.json") if self.folder.is_dir() else ():
            try:
                note = json.loads(file.read_text(encoding="utf-8"))
                size = file.with_suffix(".engine").stat().st_size
                used = file.stat().st_mtime
                found.append(Entry(note["title"], file.stem, size, float(note["seconds"]), used))
            except (OSError, ValueError, TypeError, KeyError):
                # No engine that could be used; the next start builds it again.
                continue
        return sorted(found, key=lambda entry: -entry.used)

    def clear(self) -> int:
        """Removes everything, and gives the number of bytes that it took."""
        if not self.folder.is_dir():
            return 0
        freed = 0
        with self._lock():
            for file in self.folder.iterdir():
                if file.suffix in (".engine", ".json", PARTIAL_SUFFIX):
                    freed += file.stat().st_size
                    file.unlink()
        return freed

    def _read(self, key: EngineKey) -> tuple[bytes | None, str | None]:
        """Returns the engine; or None, and what is wrong with the one that is there."""
        engine_file, note_file = self._files(key.digest)
        try:
            engine = engine_file.read_bytes()
            note = json.loads(note_file.read_text(encoding="utf-8"))
        except FileNotFoundError:
            # Never built, or broken off while it was stored.
            return None, None
        except (OSError, ValueError) as error:
            return None, f"its files cannot be read ({error})"
        if not isinstance(note, dict) or note.get("schema") != SCHEMA:
            return None, "it was made by another version of unmask-sdk"
        if note.get("key") != _plain(key):
            return None, "its note belongs to another engine"
        if note.get("sha256") != hashlib.sha256(engine).hexdigest():
            return None, "it is damaged: its SHA-256 is not the one noted"
        # The time of the note is when it was last used. A folder that is read-only has no use
        # for that.
        with contextlib.suppress(OSError):
            os.utime(note_file)
        return engine, None

    def _store(self, key: EngineKey, engine: bytes, seconds: float) -> None:
        note = {
            "schema": SCHEMA,
            "title": str(key),
            "key": _plain(key),
            "sha256": hashlib.sha256(engine).hexdigest(),
            "bytes": len(engine),
            "seconds": round(seconds, 1),
        }
        contents = (engine, json.dumps(note, indent=2).encode())
        try:
            for file, content in zip(self._files(key.digest), contents, strict=True):
                atomic_write(file, content)
            self._evict(key.digest)
        except OSError as error:
            self._clear_parts()
            # The engine is there and works; the next start has to build it again.
            logger.warning(
                "the engine of %s cannot be kept (%s); set %s to a folder with room",
                key,
                error,
                CACHE_VARIABLE,
            )

    def _evict(self, newest: str) -> None:
        entries = self.entries()
        total = sum(entry.bytes for entry in entries)
        for entry in reversed(entries):
            if total <= self._limit:
                return
            if entry.digest != newest:
                self._remove(entry.digest)
                total -= entry.bytes

    def _remove(self, digest: str) -> None:
        for file in self._files(digest):
            file.unlink(missing_ok=True)

    def _clear_parts(self) -> None:
        """Removes what a process left that was killed; call with the lock held."""
        for file in self.folder.glob(f"*{PARTIAL_SUFFIX}"):
            file.unlink(missing_ok=True)
        for file in self.folder.glob("*.engine"):
            if not file.with_suffix(".json").exists():
                file.unlink(missing_ok=True)

    def _files(self, digest: str) -> tuple[Path, Path]:
        return self.folder / f"{digest}.engine", self.folder / f"{digest}.json"

    @contextmanager
    def _lock(self) -> Iterator[None]:
        # Linux, like TensorRT itself.
        import fcntl

        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            stream = (self.folder / "lock").open("a")
        except OSError as error:
            raise RuntimeUnavailableError(
                f"engines cannot be kept in {self.folder} ({error.strerror}); "
                f"set {CACHE_VARIABLE} to a folder that can be written to"
            ) from error
        with stream:
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                logger.warning("another process builds an engine; waiting for it")
                fcntl.flock(stream, fcntl.LOCK_EX)
            yield


def _plain(key: EngineKey) -> dict[str, Any]:
    """A key as JSON gives it back."""
    plain: dict[str, Any] = json.loads(json.dumps(asdict(key)))
    return plain
