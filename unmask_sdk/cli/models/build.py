"""`unmask build`: builds engines ahead of time, so that the first start does not wait for them."""

from __future__ import annotations

from typing import Annotated

import typer

from unmask_sdk.cli.options import ArtifactsOption
from unmask_sdk.errors import ConfigError


def build(
    runtime: Annotated[
        str, typer.Argument(metavar="RUNTIME", help="Runtime whose engines to build: trt.")
    ],
    precision: Annotated[str, typer.Option(help="Precision of the unmasker.")] = "auto",
    model: Annotated[
        str | None, typer.Option(help="Unmasker, where a folder holds several.")
    ] = None,
    artifacts: ArtifactsOption = None,
    capability: Annotated[
        str | None,
        typer.Option(
            help="Compute capability to build for, such as 8.6, without a GPU (TensorRT-RTX only)."
        ),
    ] = None,
) -> None:
    """Build the engines that load() would build, and store them in the cache."""
    if runtime not in ("trt", "tensorrt"):
        raise ConfigError(f"only trt needs engines, not {runtime}; use `unmask build trt`")
    from unmask_sdk.loading.load import candidates
    from unmask_sdk.runtimes.engines.library import find_library
    from unmask_sdk.runtimes.engines.prepare import prepare
    from unmask_sdk.runtimes.nvidia import find_gpu

    library = find_library()
    target = find_gpu() if capability is None else capability
    for manifest, artifact in candidates("trt", precision, model=model, artifacts=artifacts):
        key, engine = prepare(manifest.path(artifact), artifact, library, target)
        typer.echo(f"{key}: {len(engine) / 1e6:.1f} MB, {key.digest[:12]}")
