"""Checks that OpenCV imports, and names what is wrong with its installation.

Four packages install the same folder `cv2`. If two are installed, the later one wins; if one of
them is removed, `cv2` is gone while the metadata of the other stays, and pip sees nothing missing.
"""

from __future__ import annotations

from unmask_sdk.errors import MissingDependencyError

from .error_text import one_line
from .optional_deps import pip_command

OWN = "opencv-python-headless"
PACKAGES = (OWN, "opencv-python", "opencv-contrib-python", "opencv-contrib-python-headless")


def installed_opencvs() -> dict[str, str]:
    """Returns the installed packages that contain OpenCV, with their versions."""
    from importlib.metadata import PackageNotFoundError, version

    found = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def check_opencv() -> str:
    """Imports OpenCV.

    Returns:
        Its version.

    Raises:
        MissingDependencyError: If it does not import, with the command that repairs it.
    """
    try:
        import cv2

        # A folder that an uninstalled package left behind imports, and holds nothing.
        found: str = cv2.__version__
    # Broken installations raise whatever they find: OSError, RuntimeError, SystemError, …
    except Exception as error:
        raise MissingDependencyError(
            f"OpenCV does not import ({one_line(error)}); {_fix()}"
        ) from error
    return found


def opencv_problem() -> str | None:
    """Returns why OpenCV does not import, with the command that repairs it; None if it does."""
    try:
        check_opencv()
    except MissingDependencyError as problem:
        return str(problem)
    return None


def opencv_conflict() -> str | None:
    """Returns which packages overwrite each other's OpenCV; None if there is one only."""
    names = installed_opencvs()
    if len(names) < 2:
        return None
    others = " ".join(name for name in names if name != OWN)
    return (
        f"{' and '.join(names)} install the same folder cv2: what was installed last is used, and "
        f"removing one breaks the others; to keep only ours: {pip_command(f'uninstall {others}')}, "
        f"then {_fix()}"
    )


def describe_import(error: ImportError) -> str:
    """Returns a failed import as one line with the command that repairs it."""
    problem = opencv_problem()
    if problem is not None:
        return problem
    message = one_line(error)
    package = (error.name or "").partition(".")[0]
    if not package or package == "unmask_sdk":
        return f"{message}; {pip_command('install --force-reinstall unmask-sdk')}"
    return f"{package} does not import ({message}); reinstall the package that contains it"


def _fix() -> str:
    return pip_command(f"install --force-reinstall --no-deps {OWN}")
