"""Runs `unmask folder` on thousands of malformed image files.

    python -m unmask_sdk.benchmarks.malformed FOLDER --count 1000

It writes FOLDER/in (malformed files, and a valid one for every ten of them), runs the command, and
checks that it neither crashes nor hangs, that every valid file is processed, and that every other
one is either processed (many damaged files still decode) or reported. The same seed gives the same
files.
"""

from __future__ import annotations

import argparse
import io
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

SUFFIXES = {"JPEG": ".jpg", "PNG": ".png", "WEBP": ".webp", "TIFF": ".tif", "BMP": ".bmp"}
SECONDS_EACH = 5.0

Damage = Callable[[bytes, np.random.Generator], bytes]


def _truncated(data: bytes, rng: np.random.Generator) -> bytes:
    return data[: int(rng.integers(0, len(data)))]


def _flipped(data: bytes, rng: np.random.Generator) -> bytes:
    bits = np.unpackbits(np.frombuffer(data, np.uint8))
    bits[rng.integers(0, len(bits), int(rng.integers(1, 65)))] ^= 1
    return np.packbits(bits).tobytes()


def _header_flipped(data: bytes, rng: np.random.Generator) -> bytes:
    return _flipped(data[:200], rng) + data[200:]


def _overwritten(data: bytes, rng: np.random.Generator) -> bytes:
    start, length = int(rng.integers(0, len(data))), int(rng.integers(1, 2000))
    filling = rng.choice([bytes(length), b"\xff" * length, rng.bytes(length)])
    return data[:start] + bytes(filling) + data[start + length :]


def _cut_out(data: bytes, rng: np.random.Generator) -> bytes:
    start, length = int(rng.integers(0, len(data))), int(rng.integers(1, 2000))
    return data[:start] + data[start + length :]


def _of_another_kind(data: bytes, rng: np.random.Generator) -> bytes:
    others = (b"", b"not a picture\n", rng.bytes(5000), b"PK\3\4" + data, b"%PDF-1.7\n" + data)
    return others[int(rng.integers(len(others)))]


def _huge(data: bytes, rng: np.random.Generator) -> bytes:
    """Claims an enormous size; PNG and BMP have width and height at fixed offsets."""
    side = int(rng.integers(20_000, 2**31)).to_bytes(4, "big")
    if data.startswith(b"BM"):
        return data[:18] + side[::-1] * 2 + data[26:]
    png = io.BytesIO()
    Image.new("1", (8, 8)).save(png, "PNG")
    return png.getvalue()[:16] + side * 2 + png.getvalue()[24:]


DAMAGES: Sequence[Damage] = (
    _truncated,
    _flipped,
    _header_flipped,
    _overwritten,
    _cut_out,
    _of_another_kind,
    _huge,
)


def make(folder: Path, photo: Image.Image, count: int, seed: int = 0) -> list[Path]:
    """Writes malformed files, and valid ones among them.

    Args:
        folder: Folder to create.
        photo: What the files show before they are damaged.
        count: Number of malformed files.
        seed: For the damage.

    Returns:
        The valid files.
    """
    rng = np.random.default_rng(seed)
    formats = list(SUFFIXES)
    tags = Image.Exif()
    tags[0x010F] = "Maker"
    encoded = {}
    for name in formats:
        content = io.BytesIO()
        photo.save(content, name, exif=tags.tobytes())
        encoded[name] = content.getvalue()
    valid = []
    for number in range(count):
        name = formats[number % len(formats)]
        # Some files also get the suffix of another format.
        damaged = DAMAGES[number // len(formats) % len(DAMAGES)](encoded[name], rng)
        suffix = SUFFIXES[name if rng.random() < 0.9 else formats[int(rng.integers(len(formats)))]]
        place = folder / f"{number // 100:03d}"
        place.mkdir(parents=True, exist_ok=True)
        (place / f"{number:05d}{suffix}").write_bytes(damaged)
        if number % 10 == 0:
            valid.append(place / f"{number:05d}-sound{SUFFIXES[name]}")
            valid[-1].write_bytes(encoded[name])
    return valid


def check(folder: Path, valid: Sequence[Path], output: str, code: int) -> list[str]:
    """Returns what is wrong with a run of `unmask folder FOLDER/in FOLDER/out`.

    Args:
        folder: Holds `in` and `out`.
        valid: From `make`.
        output: Standard error of the command.
        code: Its exit code.
    """
    wrong = [] if code == 1 else [f"exit code {code}, expected 1"]
    if "Traceback" in output:
        wrong.append("an exception was not caught")
    listed = [line for line in output.splitlines() if line.startswith("unmask: error: ")]
    for file in sorted(p for p in (folder / "in").rglob("*") if p.is_file()):
        written = (folder / "out" / file.relative_to(folder / "in")).is_file()
        listed_times = sum(str(file) in line for line in listed)
        if written + listed_times != 1 or (file in valid and not written):
            wrong.append(f"{file}: written {written}, listed {listed_times} times")
    left = [str(p) for p in (folder / "out").rglob("*.part")]
    return wrong + [f"{name} is half a file" for name in left]


def main() -> None:
    """Makes the files, runs the command on them, and checks what it did."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--photo", type=Path, help="of a masked face, at most 256 pixels wide")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    shown = Image.open(given.photo) if given.photo else Image.new("RGB", (160, 120), "gray")
    shown.thumbnail((256, 256))
    valid = make(given.folder / "in", shown.convert("RGB"), given.count, given.seed)
    command = "from unmask_sdk.cli import main; main()"
    places = [str(given.folder / "in"), str(given.folder / "out")]
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", command, "folder", *places],
        capture_output=True,
        text=True,
        timeout=60 + SECONDS_EACH * given.count,
    )
    seconds = time.monotonic() - began
    wrong = check(given.folder, valid, done.stderr, done.returncode)
    print(*wrong, done.stderr.splitlines()[-1], f"{seconds:.0f} s", sep="\n")
    raise SystemExit(bool(wrong))


if __name__ == "__main__":
    main()
