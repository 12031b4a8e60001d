"""One model, many threads: decoding, networks and encoding run in parallel.

python examples/with_threads.py examples/*.jpg --out unmasked
"""

from __future__ import annotations

import argparse
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import unmask_sdk


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("photos", type=Path, nargs="+")
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)

    # One thread per network run; the pool uses all CPU cores.
    with unmask_sdk.load(threads=1) as model, ThreadPoolExecutor() as pool:

        def unmask(photo: Path) -> str:
            result = model(photo)
            result.save(given.out / f"{photo.stem}.png")
            return f"{photo.name}: {result}"

        for line in pool.map(unmask, given.photos):
            print(line)


if __name__ == "__main__":
    main()
