"""`unmask web`: the page that unmasks photos in the browser."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer


def web(
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 for any that is free.")] = 8642,
    build: Annotated[
        Path | None, typer.Option(help="Write the page into this folder, and serve nothing.")
    ] = None,
    onnxruntime_web: Annotated[
        Path | None,
        typer.Option(
            help="Folder of the npm package onnxruntime-web; by default the nearest in "
            "node_modules, from the current folder upwards."
        ),
    ] = None,
) -> None:
    """Serve a page that unmasks photos and the camera in the browser; nothing is sent.

    It is at http://127.0.0.1:8642/, for this machine alone, until Ctrl-C. With --build it becomes
    a folder of files for any web server.
    """
    from unmask_sdk.web.server import SiteServer
    from unmask_sdk.web.site import build_site, collect_site, describe_sizes, find_runtime

    site = collect_site(find_runtime(onnxruntime_web))
    if build is not None:
        build_site(site, build)
        for line in (str(build), *describe_sizes(site)):
            typer.echo(line)
        return
    with SiteServer(site, port) as server:
        typer.echo(f"{server.address}  (Ctrl-C ends it)")
        with suppress(KeyboardInterrupt):
            server.serve_forever()
