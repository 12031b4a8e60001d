"""The cache of engines on disk: built once, checked at each use, rebuilt if damaged.

An engine is two files: `NAME.engine`, and `NAME.json` with its description and its digest.
Reading takes no lock: the content is compared with its digest, so a half-written file is never
used. One process at a time builds, stores or clears, because a build needs all the memory; the
kernel releases the lock if a process dies.
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
from unmask_sdk.errors import ConfigError, RuntimeUnavailableError

from .key import EngineKey
from .progress import logger

SCHEMA = 1
# All engines of the package on one device take about 60 MB.
LIMIT = 2 << 30


@dataclass(frozen=True)
class Entry:
    """An engine in the cache.

    Attributes:
        title: Network, precision and GPU.
        digest: Name of its files.
        bytes: Size.
        seconds: Time that the build took.
        used: Time of its last use, in seconds since 1970.
    """

    title: str
    digest: str
    bytes: int
    seconds: float
    used: float


class EngineCache:
    """A folder of engines.

    Args:
        folder: The folder, created when the first engine is stored; `engines` in the user's cache
            folder by default.
        limit: Bytes that it may hold; the least recently used engines are removed first.

    Raises:
        RuntimeUnavailableError: If the user has no cache folder.
    """

    def __init__(self, folder: Path | None = None, limit: int = LIMIT) -> None:
        self.folder = _default_folder() if folder is None else folder
        self._limit = limit

    def get(self, key: EngineKey, build: Callable[[], bytes]) -> bytes:
        """Returns an engine from the cache, or builds and stores it.

        Args:
            key: What it depends on.
            build: Builds it. If several processes need the same engine, only one calls this.

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
                    logger.warning("building the engine of %s again: %s", key, trouble)
                self._clear_parts()
                start = time.monotonic()
                engine = build()
                self._store(key, engine, time.monotonic() - start)
        return engine

    def discard(self, key: EngineKey) -> None:
        """Removes an engine, if it is there."""
        if os.path.isdir(self.folder):
            with self._lock():
                self._remove(key.digest)

    def entries(self) -> list[Entry]:
        """Returns the engines in the cache, the most recently used first."""
        found = []
        for file in self.folder.glob("*.json") if os.path.isdir(self.folder) else ():
            try:
                note = json.loads(file.read_text(encoding="utf-8"))
                size = file.with_suffix(".engine").stat().st_size
                used = file.stat().st_mtime
                found.append(Entry(note["title"], file.stem, size, float(note["seconds"]), used))
            except (OSError, ValueError, TypeError, KeyError):
                # Unusable; the next start builds it again.
                continue
        return sorted(found, key=lambda entry: -entry.used)

    def clear(self) -> int:
        """Removes all engines, and returns the number of bytes that they took."""
        if not os.path.isdir(self.folder):
            return 0
        freed = 0
        with self._lock():
            for file in self.folder.iterdir():
                if file.suffix in (".engine", ".json", PARTIAL_SUFFIX):
                    freed += file.stat().st_size
                    file.unlink()
        return freed

    def _read(self, key: EngineKey) -> tuple[bytes | None, str | None]:
        """Returns the engine, or None and what is wrong with the stored one, if there is one."""
        engine_file, note_file = self._files(key.digest)
        try:
            engine = engine_file.read_bytes()
            note = json.loads(note_file.read_text(encoding="utf-8"))
        except FileNotFoundError:
            # Never built, or interrupted while it was stored.
            return None, None
        except (OSError, ValueError) as error:
            return None, f"its files cannot be read ({error})"
        if not isinstance(note, dict) or note.get("schema") != SCHEMA:
            return None, "it was made by another version of unmask-sdk"
        if note.get("key") != _plain(key):
            return None, "its JSON file belongs to another engine"
        if note.get("sha256") != hashlib.sha256(engine).hexdigest():
            return None, "it is damaged: its SHA-256 is not that in its JSON file"
        # The time of the JSON file is that of the last use. In a read-only folder it cannot be set.
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
            # The engine works; only the next start has to build it again.
            logger.warning(
                "the engine of %s cannot be stored (%s); set %s to a folder with free space",
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
        """Removes what a killed process left. Call it with the lock held."""
        for file in self.folder.glob(f"*{PARTIAL_SUFFIX}"):
            file.unlink(missing_ok=True)
        for file in self.folder.glob("*.engine"):
            if not file.with_suffix(".json").exists():
                file.unlink(missing_ok=True)

    def _files(self, digest: str) -> tuple[Path, Path]:
        return self.folder / f"{digest}.engine", self.folder / f"{digest}.json"

    @contextmanager
    def _lock(self) -> Iterator[None]:
        # Only on Linux, as TensorRT is.
        import fcntl

        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            stream = (self.folder / "lock").open("a")
        except OSError as error:
            raise RuntimeUnavailableError(
                f"engines cannot be stored in {self.folder} ({error.strerror}); "
                f"set {CACHE_VARIABLE} to a folder that can be written to"
            ) from error
        with stream:
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                logger.warning("another process is building an engine; waiting for it")
                fcntl.flock(stream, fcntl.LOCK_EX)
            yield


def _default_folder() -> Path:
    try:
        return cache_dir() / "engines"
    except ConfigError as error:
        # So that "auto" goes on with a runtime that needs no cache.
        raise RuntimeUnavailableError(f"engines cannot be stored: {error}") from error


def _plain(key: EngineKey) -> dict[str, Any]:
    """Returns a key as it is after a round trip through JSON."""
    plain: dict[str, Any] = json.loads(json.dumps(asdict(key)))
    return plain
