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
        str,
        typer.Argument(
            metavar="FORMAT",
            help="onnx, trt, coreml, openvino, tflite; all, in all precisions; triton, a model "
            "repository for the Triton server; or vectors, to test the code of an app.",
        ),
    ],
    weights: Annotated[
        list[Path] | None,
        typer.Option(help="Weight file, once for each network; instead of the package's own."),
    ] = None,
    model: Annotated[
        list[str] | None,
        typer.Option(
            help="Network of the package, such as unmask-256-lite; all by default; may be "
            "repeated. For triton: the unmasker; unmask-256 by default."
        ),
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
    backend: Annotated[
        str | None,
        typer.Option(
            help="For triton: what runs the networks there; onnxruntime (the default), tensorrt, "
            "or python, this package in Triton's Python backend."
        ),
    ] = None,
    artifacts: Annotated[
        Path | None,
        typer.Option(help="For triton: folder with a manifest.json; the package's own by default."),
    ] = None,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder to write to.")] = Path(
        "artifacts"
    ),
    count: Annotated[
        int | None, typer.Option(help="How many vectors, about 1 MB each; 100 by default.")
    ] = None,
) -> None:
    """Export networks: convert, compare with the reference, write files and manifest.json.

    triton converts nothing: it puts model files that exist into a model repository, with a model
    of whole photos that calls them. vectors writes what this package computes around the networks
    on synthetic photos (docs/phone.md).
    """
    from rich.console import Console
    from rich.markup import escape

    from unmask_sdk.errors import ConfigError

    console = Console()
    if count is not None and format != "vectors":
        raise ConfigError(f"--count belongs to `unmask export vectors`, not to {format}")
    if format == "triton":
        if weights or calibration:
            raise ConfigError(
                "triton takes model files, no --weights or --calibration; convert weights with "
                "`unmask export onnx -o DIR` (or trt), and give --artifacts DIR"
            )
        if len(model or []) > 1:
            raise ConfigError(
                f"triton takes one --model, the unmasker; got {', '.join(model or [])}"
            )
        _triton(console, out, backend, precision, model[0] if model else None, artifacts)
        return
    if backend or artifacts:
        raise ConfigError("--backend and --artifacts belong to `unmask export triton`")
    if format == "vectors":
        if weights or model or precision or calibration:
            raise ConfigError(
                "vectors need no network; leave all options but --out and --count out"
            )
        _vectors(console, out, 100 if count is None else count)
        return
    # It imports converters, which the two formats above do not need.
    from rich.markdown import Markdown
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    from unmask_sdk.export.all_formats import SUMMARY_IMAGE, table
    from unmask_sdk.export.export_model import ALL, export_model

    columns = [TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn()]
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as progress:
        task = progress.add_task("checking", total=None)
        report = export_model(
            format,
            precision,
            models=model or (),
            weights=weights or (),
            out=out,
            calibration=calibration,
            progress=lambda step, done, total: progress.update(
                task, description=escape(step), completed=done, total=total
            ),
        )
    if format == ALL:
        console.print(Markdown(table(report.exports)))
        place = escape(str(out / SUMMARY_IMAGE))
        console.print(f"the same faces processed by all of them: {place}")
        return
    for artifact in report.artifacts:
        _show(console, artifact)


def _vectors(console: Console, out: Path, count: int) -> None:
    from rich.markup import escape

    from unmask_sdk.export.vectors import export_vectors

    file = export_vectors(out, count)
    console.print(f"{escape(str(file))}: {count} test vectors", soft_wrap=True)


def _triton(
    console: Console,
    out: Path,
    backend: str | None,
    precision: str | None,
    model: str | None,
    artifacts: Path | None,
) -> None:
    from unmask_sdk.core.output_paths import check_writable_folder
    from unmask_sdk.export.triton.repository import PLAN_SCRIPT, export_repository
    from unmask_sdk.serving.networks import PHOTO_MODEL, model_name

    check_writable_folder(out, "--out")
    networks = export_repository(
        out,
        backend=backend or "onnxruntime",
        precision=precision or "auto",
        model=model,
        artifacts=artifacts,
    )
    shown = ", ".join(f"{model_name(a)} ({a.precision})" for a in networks)
    lines = [f"{out}: {PHOTO_MODEL}, {shown}"]
    if backend == "tensorrt":
        lines.append(f"build the plans where they are served: sh {out / PLAN_SCRIPT}")
    console.print("\n".join(lines), soft_wrap=True, markup=False, highlight=False)


def _show(console: Console, artifact: Artifact) -> None:
    from rich.markup import escape

    place = escape(f"{artifact.package}/{artifact.file}" if artifact.package else artifact.file)
    console.print(
        f"{artifact.name} {artifact.format} {artifact.precision}: {place}, "
        f"{artifact.total_bytes / 1e6:.1f} MB, sha256 {artifact.sha256[:12]}",
        soft_wrap=True,
    )
    for parity in artifact.parity:
        psnr = "identical" if parity.psnr_db is None else f"{parity.psnr_db:.1f} dB"
        console.print(
            f"  {parity.output}: off by at most {parity.max_abs:.3g} from {parity.reference}, "
            f"{psnr}, {parity.images} images",
            soft_wrap=True,
        )
