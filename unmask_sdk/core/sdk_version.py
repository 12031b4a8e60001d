"""The version of this package."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

UNKNOWN = "0+unknown"


def sdk_version() -> str:
    """Returns the version, or `UNKNOWN` where the package was copied without its metadata.

    Bundlers of apps, zip files and `PYTHONPATH` do so. It is a valid version all the same.
    """
    try:
        return version("unmask-sdk")
    except PackageNotFoundError:
        return UNKNOWN
