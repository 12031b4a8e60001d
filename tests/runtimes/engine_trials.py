"""Processes that build and store engines, and are killed at random moments; run as a script.

It imports everything once and forks, so that a trial takes a fraction of a second.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

from unmask_sdk.core.manifest import Artifact, read_manifest
from unmask_sdk.runtimes.engines.cache import EngineCache
from unmask_sdk.runtimes.engines.key import EngineKey, key_for
from unmask_sdk.runtimes.engines.library import find_library
from unmask_sdk.runtimes.engines.prepare import prepare

CAPABILITY = "8.6"


def fork(work: Callable[[], object]) -> int:
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            work()
            status = 0
        finally:
            os._exit(status)
    return pid


def finishes(work: Callable[[], object]) -> bool:
    return os.waitstatus_to_exitcode(os.waitpid(fork(work), 0)[1]) == 0


def seconds(cache: EngineCache, start: Callable[[], object]) -> float:
    cache.clear()
    begun = time.monotonic()
    assert finishes(start)
    return time.monotonic() - begun


def kill_trials(
    count: int, cache: EngineCache, key: EngineKey, start: Callable[[], object]
) -> dict[str, int]:
    """Kills `start` at random moments; each time the next start must work, and leave no litter."""
    rng = random.Random(0)
    # The shortest of three: kills are to come before the end, and the first run warms caches.
    span = min(seconds(cache, start) for _ in range(3))
    found = {"killed": 0, "next start works": 0, "clean": 0}
    for _ in range(count):
        cache.clear()
        pid = fork(start)
        time.sleep(rng.uniform(0, span))
        os.kill(pid, signal.SIGKILL)
        found["killed"] += os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGKILL
        found["next start works"] += finishes(start)
        files = {file.name for file in cache.folder.iterdir()}
        found["clean"] += files == {f"{key.digest}.engine", f"{key.digest}.json", "lock"}
    return found


def race(count: int, cache: EngineCache, key: EngineKey, build: Callable[[], bytes]) -> int:
    """Starts processes on a cold cache at once; gives the number of builds."""
    cache.clear()
    log = cache.folder / "builds"

    def noted() -> bytes:
        with log.open("a") as stream:
            stream.write("one\n")
        return build()

    pids = [fork(lambda: cache.get(key, noted)) for _ in range(count)]
    assert all(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0 for pid in pids)
    return len(log.read_text().splitlines())


def main() -> None:
    folder, place = Path(sys.argv[1]), Path(sys.argv[2])
    manifest = read_manifest(folder)
    artifact: Artifact = next(a for a in manifest.artifacts if a.name == "aligner")
    path, library = manifest.path(artifact), find_library()
    cache = EngineCache(place)
    key = key_for(artifact, library, CAPABILITY)

    def whole() -> None:
        prepare(path, artifact, library, CAPABILITY, cache)

    # The real engine many times over: so that much of the time goes into storing it.
    assert finishes(whole)
    large = cache.get(key, lambda: b"") * 20

    def storing() -> None:
        # None is right but the real one and the whole of it.
        assert cache.get(key, lambda: large) == large

    report = {
        "build": kill_trials(25, cache, key, whole),
        "store": kill_trials(25, cache, key, storing),
    }

    def slow() -> bytes:
        time.sleep(0.2)
        return large

    print(json.dumps({**report, "builds": race(8, cache, key, slow)}))


if __name__ == "__main__":
    main()
