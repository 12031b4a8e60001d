"""`unmask calibrate`: a calibration set and an int8 plan from a folder of faces."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def calibrate(
    faces: Annotated[
        Path, typer.Argument(metavar="FACES", help="Folder of images, one face each.")
    ],
    out: Annotated[
        Path, typer.Option("--out", "-o", help="npz file to write, for export --calibration.")
    ],
    landmarks: Annotated[
        Path | None, typer.Option(help="Their face meshes; default FACES/landmarks.npz.")
    ] = None,
    weights: Annotated[
        Path | None, typer.Option(help="Unmasker to plan for; the package's own by default.")
    ] = None,
    count: Annotated[int, typer.Option(min=1, help="Crops to take ranges from.")] = 64,
    shipped: Annotated[
        bool,
        typer.Option(
            "--shipped", help="Plan for the package's own crops; FACES are only used to measure."
        ),
    ] = False,
    pairs: Annotated[
        int, typer.Option(min=2, help="Held-out pairs: half to choose the plan, half to report on.")
    ] = 200,
) -> None:
    """Collect a calibration set, plan which layers stay in float, and report on both."""
    from unmask_sdk.core.output_paths import check_writable_folder
    from unmask_sdk.core.requirements import check_command
    from unmask_sdk.errors import InvalidInputError

    check_command("unmask calibrate")
    if out.suffix != ".npz":
        raise InvalidInputError(f"--out is an npz file, such as calibration.npz; got {out}")
    report = out.with_name(f"{out.stem}-report")
    check_writable_folder(out.parent, "--out")
    check_writable_folder(report, "--out")

    from rich.progress import track

    from unmask_sdk.calibration.search.calibrate import calibrate as run
    from unmask_sdk.calibration.search.report import write_report
    from unmask_sdk.export.onnx.exporter import float_graph
    from unmask_sdk.training import shipped_weights

    outcome = run(
        faces,
        landmarks or faces / "landmarks.npz",
        weights or shipped_weights("unmask-256"),
        out,
        float_graph,
        count=None if shipped else count,
        pairs=pairs,
        progress=track,
    )
    write_report(outcome, report)
    loss = outcome.cpu
    typer.echo(
        f"{report if shipped else out}: {len(outcome.images)} crops, sha256 {outcome.sha256[:12]}; "
        f"{len(outcome.plan.keep_float)} layers stay in float, {outcome.share:.0%} of the work is "
        f"int8; it loses {loss.hole_psnr_db:.3f} dB of hole PSNR and {loss.ssim:.4f} of SSIM, mask "
        f"IoU {loss.mask_iou:.4f}; see {report / 'report.md'}"
    )
