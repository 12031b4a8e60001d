"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

ArtifactsOption = Annotated[
    Path | None, typer.Option(help="Folder with a manifest.json; the package's own by default.")
]

# Of commands that run one model.
RuntimeOption = Annotated[str, typer.Option(help="Runtime; see `unmask doctor`.")]
PrecisionOption = Annotated[str, typer.Option(help="Such as fp32.")]
ModelOption = Annotated[
    str | None, typer.Option(help="Unmasker, such as unmask-256-lite; unmask-256 by default.")
]
DeviceOption = Annotated[
    str | None, typer.Option(help="Such as cuda; the runtime's default otherwise.")
]
ThreadsOption = Annotated[int | None, typer.Option(min=1, help="Threads for one run of a network.")]

# Of commands that compare several.
RuntimesOption = Annotated[
    str, typer.Option(help="Such as onnx,openvino; they must then be usable.")
]
PrecisionsOption = Annotated[str, typer.Option(help="Such as fp32,int8.")]
ModelsOption = Annotated[str, typer.Option(help="Such as unmask-256.")]

# Of commands that a script may read.
QuietOption = Annotated[
    bool, typer.Option("--quiet", "-q", help="Print errors alone; with --json, and the JSON.")
]
JsonOption = Annotated[
    bool,
    typer.Option("--json", help="Print JSON to stdout, one object a line (docs/commands.md)."),
]

# Of commands that write images.
QualityOption = Annotated[int, typer.Option(min=1, max=100, help="Of JPEG and WebP, 1 to 100.")]
MetadataOption = Annotated[
    bool,
    typer.Option(
        "--strip",
        help="Leave out EXIF (place, time, camera), XMP, IPTC, comments and text of the photo; the "
        "note that a region was generated stays.",
    ),
]
