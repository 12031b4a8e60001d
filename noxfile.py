"""Every check of the project, each runnable by itself: `nox -s fast`, `nox -s lint`, `nox -l`.

Sessions run in the current environment, which `pip install -e '.[dev]'` fills: nothing is installed
twice, neither here nor in CI. What follows `--` goes to the tool of the session.
"""

from __future__ import annotations

import glob
import os
import sys

import nox

nox.options.default_venv_backend = "none"
# What a pull request must pass, cheapest first; `nox` alone runs these.
nox.options.sessions = ["lint", "imports", "deps", "types", "fast"]

# The fast tier: no training or export, no heavy engine, and no special machine.
FAST = "not (slow or engine or gpu or mac or browser or serving)"
# What `requires-python` and the classifiers promise.
PYTHONS = ("3.10", "3.11", "3.12", "3.13", "3.14")
# Wheel and source distribution.
DISTRIBUTIONS = "build/dist"
# Ubuntu 22.04 on aarch64, as on a Jetson with JetPack 6 and on newer servers.
ARM = "aarch64-manylinux_2_35"
# The lowest versions have wheels for the lowest Python only.
LOWEST = "build/lowest"
# Triton's client and server need older NumPy and protobuf than the development environment has.
SERVING = "build/serving"


@nox.session
def fast(session: nox.Session) -> None:
    """The fast tests: under a minute on two cores."""
    session.run("python", "-m", "pytest", "-q", "-n", "2", "-m", FAST, *session.posargs)


@nox.session
def tests(session: nox.Session) -> None:
    """All tests that this machine can run."""
    session.run(
        "python", "-m", "pytest", "-n", "2", "--dist", "worksteal", *session.posargs
    )  # fmt: skip


@nox.session
def coverage(session: nox.Session) -> None:
    """The fast tests with line coverage; `nox -s coverage -- -m ''` measures all tests."""
    session.run(
        "python", "-m", "pytest", "-q", "-n", "2", "-m", FAST,
        "--cov", "--cov-report=term:skip-covered", *session.posargs,
    )  # fmt: skip


@nox.session
def lint(session: nox.Session) -> None:
    """Style, formatting and spelling."""
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("codespell")


@nox.session
def types(session: nox.Session) -> None:
    """Mypy in strict mode on every package."""
    session.run(".ci/types")


@nox.session
def imports(session: nox.Session) -> None:
    """The layers of the packages, and no import loops."""
    session.run(".ci/imports")


@nox.session
def deps(session: nox.Session) -> None:
    """Everything that is imported is declared in pyproject.toml, and the other way round."""
    session.run("deptry", ".")


@nox.session
def resolve(session: nox.Session) -> None:
    """Every Python finds wheels that fit together, with and without constraints.txt."""
    for python in PYTHONS:
        for pinned in (["-c", "constraints.txt"], []):
            session.run(
                "uv", "pip", "compile", "-q", "pyproject.toml", "--extra", "cpu", "--extra",
                "video", "--only-binary", ":all:", "--python-version", python, *pinned,
                "-o", os.devnull, external=True,
            )  # fmt: skip
        session.run(
            "uv", "pip", "compile", "-q", "pyproject.toml", "--extra", "cuda", "--only-binary",
            ":all:", "--python-version", python, "--python-platform", ARM, "-o", os.devnull,
            external=True,
        )  # fmt: skip


@nox.session
def lowest(session: nox.Session) -> None:
    """The fast tests with the lowest versions that pyproject.toml allows, in build/lowest."""
    python = f"{LOWEST}/bin/python"
    session.run(
        "uv", "venv", "--clear", "--seed", "-q", "--python", PYTHONS[0], LOWEST, external=True
    )
    session.run(
        "uv", "pip", "install", "-q", "--python", python, "--resolution", "lowest-direct",
        # Without onnx and scikit-image most tests would be skipped.
        "-e", ".[cpu,video]", "filelock>=3.12", "hypothesis>=6.100", "onnx>=1.18", "pytest>=8",
        "pytest-timeout>=2.4", "pytest-xdist>=3.6", "scikit-image>=0.22",
        external=True,
    )  # fmt: skip
    session.run(
        python, "-m", "pytest", "-q", "-n", "2", "-m", FAST, *session.posargs, external=True
    )


@nox.session
def package(session: nox.Session) -> None:
    """Wheel and source distribution in build/dist: metadata, and an install without a network."""
    session.run("uv", "build", "-q", "--clear", "-o", DISTRIBUTIONS, external=True)
    source, wheel = sorted(glob.glob(f"{DISTRIBUTIONS}/unmask_sdk-*"), reverse=True)
    session.run("uv", "tool", "run", "twine", "check", "--strict", source, wheel, external=True)
    index, fresh = f"{DISTRIBUTIONS}/index", f"{DISTRIBUTIONS}/fresh"
    session.run("python", "-m", "pip", "download", "-q", "-d", index, f"{wheel}[cpu]")
    session.run("uv", "venv", "--clear", "--seed", "-q", fresh, external=True)
    pip, unmask = f"{fresh}/bin/pip", f"{fresh}/bin/unmask"
    session.run(
        pip, "install", "-q", "--no-index", "--find-links", index, "unmask-sdk[cpu]", external=True
    )
    session.run(pip, "check", external=True)
    session.run(
        unmask, "image", "examples/surgical.jpg", "-o", f"{DISTRIBUTIONS}/unmasked.jpg",
        external=True,
    )  # fmt: skip


@nox.session
def serving(session: nox.Session) -> None:
    """Tests with the server of Triton and with Ray Serve, in build/serving."""
    python = f"{SERVING}/bin/python"
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    session.run(
        "uv", "venv", "--clear", "--seed", "-q", "--python", version, SERVING, external=True
    )
    session.run(
        "uv", "pip", "install", "-q", "--python", python, "-e", ".[cpu]",
        "-r", "tests/serving/requirements.txt", external=True,
    )  # fmt: skip
    session.run(
        python, "-m", "pytest", "-q", "-m", "serving", "tests/serving", *session.posargs,
        external=True,
    )  # fmt: skip


@nox.session
def docs(session: nox.Session) -> None:
    """The documentation site in build/site, with every link checked."""
    session.run("mkdocs", "build", "--strict", *session.posargs)


@nox.session
def bench_smoke(session: nox.Session) -> None:
    """Each benchmark runs once; nothing is timed."""
    session.run("python", "-m", "pytest", "-q", "-n", "2", "benchmarks", "--benchmark-disable")
