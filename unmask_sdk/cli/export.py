"""`unmask export`: from weights to files that a runtime opens, with proof attached."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def export(
    format: Annotated[str, typer.Argument(help="Format to write: onnx.")],
    weights: Annotated[
        list[Path] | None,
        typer.Option(help="Weight file, once for each network; the package's own by default."),
    ] = None,
    precision: Annotated[
        str, typer.Option(help="Precision to write: fp32, fp16 or int8.")
    ] = "fp32",
    calibration: Annotated[
        Path | None,
        typer.Option(help="For int8: a set from unmask calibrate; the package's own by default."),
    ] = None,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder to write to.")] = Path(
        "artifacts"
    ),
) -> None:
    """Export networks: convert, compare with the reference, write files and manifest.json."""
    from rich.console import Console
    from rich.markup import escape

    from ..export.formats import export as run

    console = Console()
    with console.status("checking") as status:
        artifacts = run(
            format,
            weights or [],
            out,
            precision=precision,
            calibration=calibration,
            progress=lambda step: status.update(escape(step)),
        )
    for artifact in artifacts:
        place = escape(f"{artifact.package}/{artifact.file}" if artifact.package else artifact.file)
        console.print(
            f"{artifact.name} {artifact.format} {artifact.precision}: {place}, "
            f"{artifact.bytes / 1e6:.1f} MB, sha256 {artifact.sha256[:12]}",
            soft_wrap=True,
        )
        for parity in artifact.parity:
            psnr = "identical" if parity.psnr_db is None else f"{parity.psnr_db:.1f} dB"
            console.print(
                f"  {parity.output}: off by at most {parity.max_abs:.3g} from {parity.reference}, "
                f"{psnr}, {parity.images} pictures",
                soft_wrap=True,
            )
