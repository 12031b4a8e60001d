"""`unmask parity`: compares the outputs of every runtime with those of the reference."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from unmask_sdk.cli.options import ArtifactsOption, ModelsOption, PrecisionsOption, RuntimesOption

if TYPE_CHECKING:
    from unmask_sdk.benchmarks.parity.compare_all import Verdict

# Measures that the console shows; the report has them all.
SHOWN = (
    "max_abs", "psnr_whole", "psnr_hole", "ssim_hole", "mask_iou", "hole_psnr_lost", "ssim_lost",
)  # fmt: skip


def parity(
    artifacts: ArtifactsOption = None,
    runtimes: RuntimesOption = "",
    precisions: PrecisionsOption = "",
    models: ModelsOption = "",
    faces: Annotated[
        Path | None,
        typer.Option(
            help="Folder of face images with meshes, to compare with the ground truth too."
        ),
    ] = None,
    landmarks: Annotated[
        Path | None, typer.Option(help="Their face meshes; default FACES/landmarks.npz.")
    ] = None,
    split: Annotated[str, typer.Option(help="Split of the landmark file to use.")] = "val",
    limit: Annotated[int, typer.Option(min=1, help="Maximum number of images.")] = 64,
    sface: Annotated[
        Path | None,
        typer.Option(
            help="SFace's ONNX file, to judge identity (training/evaluation/recognition.py)."
        ),
    ] = None,
    weights: Annotated[
        Path | None, typer.Option(help="Weight file to compare with; the manifest's by default.")
    ] = None,
    layers: Annotated[
        bool, typer.Option(help="Name the first layer whose error changes the picture too much.")
    ] = False,
    proofs: Annotated[
        bool,
        typer.Option(
            "--proofs",
            help="If a runtime cannot be used here, open its files as the export proved them: "
            "TensorRT's in ONNX Runtime node by node, Core ML's in an interpreter.",
        ),
    ] = False,
    report: Annotated[
        Path | None, typer.Option(help="Folder for parity.md, parity.json and parity.html.")
    ] = None,
) -> None:
    """Compare every runtime and precision with the PyTorch reference; exit code 1 on a miss.

    Without torch, the golden vectors are the reference. The limits for each precision are in
    benchmarks/parity/thresholds.json.
    """
    from unmask_sdk.core.requirements import check_command

    check_command("unmask parity")
    for given, option in ((faces, "--faces"), (weights, "--weights"), (layers, "--layers")):
        if given:
            check_command(f"unmask parity {option}")
    from unmask_sdk.benchmarks.parity import report as parity_report
    from unmask_sdk.benchmarks.parity.cases import select
    from unmask_sdk.benchmarks.parity.compare_all import compare_all
    from unmask_sdk.benchmarks.parity.pictures import drawn, of_faces
    from unmask_sdk.benchmarks.parity.thresholds import read_thresholds
    from unmask_sdk.core.output_paths import check_writable_folder
    from unmask_sdk.errors import InvalidInputError, VerificationError

    if sface and not faces:
        raise InvalidInputError("--sface needs faces with ground truth; give --faces too")
    if report is not None:
        check_writable_folder(report, "--report")
    recognizer = None
    if sface:
        from unmask_sdk.training.evaluation.recognition import FaceRecognizer

        recognizer = FaceRecognizer(sface)
    make = of_faces(faces, landmarks, split, limit) if faces else lambda size: drawn(size, limit)
    asked = (_names(given) for given in (runtimes, precisions, models))
    found = select(artifacts, *asked, proofs=proofs)
    verdicts = []
    for verdict in compare_all(
        found.cases,
        make,
        read_thresholds(),
        weights=weights,
        recognizer=recognizer,
        layers=layers,
    ):
        verdicts.append(verdict)
        _show(verdict)
    for remark in parity_report.remarks(verdicts, found.left_out):
        typer.echo(remark)
    if report is not None:
        parity_report.write(report, verdicts, found.left_out)
        typer.echo(f"report: {report / 'parity.html'}")
    missed = [v.name for v in verdicts if v.ok is False]
    if missed:
        where = "see above" if layers else "`unmask parity --layers` shows"
        raise VerificationError(
            f"{', '.join(missed)}: too far from the reference; {where} where it begins"
        )
    broken = [v for v in verdicts if v.ok is None]
    if len(broken) == len(verdicts) or (runtimes and broken):
        raise VerificationError(f"{broken[0].name} could not be run: {broken[0].note}")


def _names(given: str) -> list[str]:
    return [name.strip() for name in given.split(",") if name.strip()]


def _show(verdict: Verdict) -> None:
    from rich.console import Console
    from rich.markup import escape

    from unmask_sdk.benchmarks.parity.report import AGAINST_TRUTH, COLUMNS, cell

    state = {True: "[green]ok[/]", False: "[red]MISSED[/]", None: "[yellow]not run[/]"}[verdict.ok]
    shown = [
        f"{name} {cell(verdict.measures[name], digits)}"
        for name, _, digits in (*COLUMNS, *AGAINST_TRUTH)
        if name in verdict.measures and name in SHOWN
    ]
    Console().print(
        f"{state} {escape(verdict.name)}: {', '.join(shown) or escape(verdict.note)}",
        soft_wrap=True,
        highlight=False,
    )
