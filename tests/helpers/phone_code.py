"""Compiles the Kotlin and Swift files of the sample apps, and runs their networks for them."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from filelock import FileLock

import npm_packages
from shared_folders import make_once
from unmask_sdk import Result
from unmask_sdk.compositing.blend import blend_plain
from unmask_sdk.core.arrays import UInt8Array

ROOT = Path(__file__).parents[2]
TESTS = ROOT / "tests/phone"
KOTLIN = ROOT / "examples/android/app/src/main/java/com/example/unmask"
SWIFT = ROOT / "examples/ios/Unmask"
# Without imports of a platform: what is compiled here.
PURE = [KOTLIN / f"{name}.kt" for name in ("Image", "Locator", "Unmasker")]
PURE += [SWIFT / f"{name}.swift" for name in ("Pixels", "Locator", "Unmasker")]
ARTIFACTS = ROOT / "unmask_sdk/artifacts"
PROGRAMS = ("CheckVectors", "UnmaskPhoto")
JAR = "programs.jar"


class Programs:
    """The programs of `tests/phone`, compiled: `CheckVectors` and `UnmaskPhoto`."""

    def __init__(self, commands: dict[str, list[str]]) -> None:
        self._commands = commands

    def differences(self, vectors: Path) -> dict[str, tuple[int, float, float]]:
        """Returns how many values of each output were compared, and how much they differ."""
        return differences([*self._commands["CheckVectors"], str(vectors)])

    def unmask(self, photo: UInt8Array) -> UInt8Array:
        """Returns a photo as the app makes it, with the shipped TFLite files."""
        height, width = photo.shape[:2]
        command = [*self._commands["UnmaskPhoto"], str(width), str(height)]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as program:
            assert program.stdin is not None
            assert program.stdout is not None
            program.stdin.write(photo.tobytes())
            program.stdin.flush()
            while (kind := program.stdout.read(1)) != b"r":
                name, side, outputs = NETWORKS[kind]
                image = np.frombuffer(program.stdout.read(3 * side * side), np.uint8)
                answer = _runner(name)(image=image.reshape(1, side, side, 3))
                for output in outputs:
                    program.stdin.write(answer[output].tobytes())
                program.stdin.flush()
            result = np.frombuffer(program.stdout.read(photo.size), np.uint8)
        assert program.returncode == 0
        return result.reshape(photo.shape)


# File, side of the input, and outputs in the order in which the programs read them.
NETWORKS = {
    b"d": ("detector-int8", 352, ("heat", "box")),
    b"a": ("aligner-int8", 112, ("points", "score")),
    b"u": ("unmask-256-int8", 256, ("unmasked", "mask")),
}
_runners: dict[str, Any] = {}


def _runner(name: str) -> Any:
    if name not in _runners:
        from ai_edge_litert.interpreter import Interpreter

        _runners[name] = Interpreter(str(ARTIFACTS / f"{name}.tflite"))
    return _runners[name].get_signature_runner()


def check_like_package(mine: UInt8Array, photo: UInt8Array, result: Result) -> float:
    """Checks that a photo is what the package makes without matching sharpness and noise.

    Returns:
        The PSNR of the changed pixels, in dB.
    """
    expected = photo.copy()
    for face in result.faces:
        if face.masked:
            blend_plain(expected, face.crop, face.mask, face.matrix)
    assert not (mine != photo)[result.generated == 0].any()
    error = (mine.astype(float) - expected)[result.generated == 255]
    psnr = 10 * np.log10(255**2 / max(np.square(error).mean(), 1e-9))
    # If one pixel of the crop is rounded otherwise, int8 networks differ by 45 to 50 dB.
    assert psnr > 60
    return float(psnr)


def differences(command: list[str]) -> dict[str, tuple[int, float, float]]:
    """Runs a program that compares vectors, and returns what it prints, by output."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr
    lines = [line.split() for line in done.stdout.splitlines()]
    return {name: (int(count), float(most), float(mean)) for name, count, most, mean in lines}


def programs(language: str, factory: pytest.TempPathFactory) -> Programs:
    """Returns the compiled programs; skips the test where there is no compiler.

    Args:
        language: `kotlin` or `swift`.
        factory: Of the session.
    """
    if language == "swift":
        folder = make_once(factory, "swift", _compile_swift)
        return Programs({name: [str(folder / name)] for name in PROGRAMS})
    jar = make_once(factory, "kotlin", _compile_kotlin) / JAR
    java = ["java", "-cp", str(jar)]
    return Programs({name: [*java, f"com.example.unmask.{name}Kt"] for name in PROGRAMS})


def _compile_kotlin(folder: Path) -> None:
    files = [file for file in PURE if file.suffix == ".kt"]
    files += [TESTS / f"{name}.kt" for name in PROGRAMS]
    _run([*_kotlinc(), *files, "-include-runtime", "-Werror", "-d", folder / JAR])


def kotlin_errors(files: list[Path]) -> str:
    """Returns what the compiler reports for files that it cannot compile."""
    done = subprocess.run(
        [*_kotlinc(), *files], capture_output=True, text=True, timeout=900, check=False
    )
    assert done.returncode == 1, done.stdout + done.stderr
    return done.stderr


def _kotlinc() -> list[Any]:
    if shutil.which("npm") is None:
        pytest.skip("needs Node.js and npm")
    if shutil.which("java") is None:
        pytest.skip("needs Java")
    with FileLock(ROOT / "web/.npm.lock"):
        installed = TESTS / "node_modules/.package-lock.json"
        if not npm_packages.newer(installed, TESTS / "package-lock.json"):
            npm_packages.run_npm("ci", "--no-audit", "--no-fund", folder=TESTS)
    # For a program that runs for seconds, Java's second compiler costs more than it saves.
    options = ("-J-XX:TieredStopAtLevel=1", "-J-XX:+UseSerialGC")
    return [TESTS / "node_modules/kotlin-compiler/bin/kotlinc", *options]


def _compile_swift(folder: Path) -> None:
    for name in PROGRAMS:
        files = [*(file for file in PURE if file.suffix == ".swift"), TESTS / f"{name}.swift"]
        options = ["-O", "-parse-as-library", "-warnings-as-errors", "-module-name", "Unmask"]
        _run([_swiftc(), *options, *files, "-o", folder / name])


def parse_swift(files: list[Path]) -> None:
    """Fails the test if a file has a syntax error."""
    _run([_swiftc(), "-parse", *files])


def _swiftc() -> str:
    found = shutil.which("swiftc")
    if found is None:
        pytest.skip("needs Swift (Debian 13: apt install swiftlang)")
    return found


def _run(command: list[Any]) -> None:
    done = subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, timeout=900, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
