"""Opens artifacts, and compares the device and precision with what was requested."""

from __future__ import annotations

from typing import Any

from unmask_sdk.core.error_text import one_line_with_type
from unmask_sdk.core.manifest import Artifact, Manifest
from unmask_sdk.errors import DeviceMismatchError, RuntimeUnavailableError, UnmaskError
from unmask_sdk.runtimes.base import Runtime
from unmask_sdk.runtimes.registry import AUTO, RuntimeEntry, runtime_class

from .artifact_lookup import find_file


def open_role(
    manifests: tuple[Manifest, ...],
    role: str,
    entry: RuntimeEntry,
    precision: str = AUTO,
    *,
    model: str | None = None,
    device: str | None = None,
    threads: int | None = None,
) -> Runtime[Any]:
    """Opens the artifact of a role on one runtime; see `open_artifact`."""
    found = find_file(manifests, role, entry, precision, model)
    return open_artifact(*found, entry, device=device, threads=threads)


def open_artifact(
    manifest: Manifest,
    artifact: Artifact,
    entry: RuntimeEntry,
    *,
    device: str | None = None,
    threads: int | None = None,
) -> Runtime[Any]:
    """Opens one artifact on one runtime.

    Raises:
        RuntimeUnavailableError: If the runtime cannot open it, whatever it raises.
        DeviceMismatchError: If it opened on another device or precision than requested.
    """
    path = manifest.path(artifact)
    wanted = device or entry.devices[0]
    cls = runtime_class(entry)
    try:
        opened = cls(path, artifact, device=wanted, threads=threads)
    except UnmaskError:
        raise
    # It may be another package's code, which may raise anything.
    except Exception as error:
        raise RuntimeUnavailableError(
            f"{entry.title} fails to open {path.name} ({one_line_with_type(error)}); use another "
            f"runtime, and report this to the authors of {entry.module.partition('.')[0]}"
        ) from error
    actual = opened.info
    if (actual.device, actual.precision) != (wanted, artifact.precision):
        opened.close()
        raise DeviceMismatchError(
            f"asked {entry.title} for {artifact.precision} on {wanted}, "
            f"got {actual.precision} on {actual.device}"
        )
    return opened
