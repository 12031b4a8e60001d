"""`unmask export`: converts weights to files that a runtime opens, and proves the result."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from unmask_sdk.core.manifest import Artifact


def export(
    format: Annotated[
        str, typer.Argument(help="onnx, trt, coreml, openvino, tflite; or all, in all precisions.")
    ],
    weights: Annotated[
        list[Path] | None,
        typer.Option(help="Weight file, once for each network; the package's own by default."),
    ] = None,
    precision: Annotated[
        str | None,
        typer.Option(
            help="Precision to write, such as fp16 or int8; the format's first if left out."
        ),
    ] = None,
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

    from unmask_sdk.errors import ConfigError
    from unmask_sdk.export.formats import EXPORTERS
    from unmask_sdk.export.run_export import export as run

    console = Console()
    if format == "all":
        if precision is not None:
            raise ConfigError("all also means every precision; leave --precision out")
        _all(console, weights or [], calibration, out)
        return
    exporter = EXPORTERS.get(format)
    with console.status("checking") as status:
        artifacts = run(
            format,
            weights or [],
            out,
            # The export refuses an unknown format, whatever the precision.
            precision=precision or (exporter.precisions[0] if exporter else ""),
            calibration=calibration,
            progress=lambda step: status.update(escape(step)),
        )
    for artifact in artifacts:
        _show(console, artifact)


def _all(console: Console, weights: list[Path], calibration: Path | None, out: Path) -> None:
    from rich.markdown import Markdown
    from rich.markup import escape
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    from unmask_sdk.export.all_formats import SUMMARY_IMAGE, check_packages, export_all, table

    check_packages()
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("checking", total=None)

        def tell(step: str, done: int, total: int) -> None:
            progress.update(task, description=escape(step), completed=done, total=total)

        made = export_all(weights, out, calibration=calibration, progress=tell)
    console.print(Markdown(table(made)))
    console.print(f"the same faces processed by all of them: {escape(str(out / SUMMARY_IMAGE))}")


def _show(console: Console, artifact: Artifact) -> None:
    from rich.markup import escape

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
            f"{psnr}, {parity.images} images",
            soft_wrap=True,
        )
