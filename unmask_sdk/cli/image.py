"""`unmask image`: photos in, photos without masks out."""

from __future__ import annotations

import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import ImageWriteError, NoFaceError, UnmaskError

if TYPE_CHECKING:
    from ..result import Result
    from ..unmasker import Unmasker


def image(
    inputs: Annotated[
        list[Path],
        typer.Argument(metavar="IN...", help="Pictures, or folders of pictures.", readable=False),
    ],
    out: Annotated[
        Path,
        typer.Option("--out", "-o", help="A picture for one input, else a folder.", readable=False),
    ],
    runtime: Annotated[str, typer.Option(help="Runtime; see `unmask doctor`.")] = "auto",
    precision: Annotated[str, typer.Option(help="Such as fp32.")] = "auto",
    model: Annotated[
        str | None, typer.Option(help="Unmasker, such as unmask-256-lite; unmask-256 by default.")
    ] = None,
    artifacts: Annotated[
        Path | None, typer.Option(help="Folder with a manifest.json; the package's own by default.")
    ] = None,
    side_by_side: Annotated[
        bool, typer.Option("--side-by-side", help="Write before and after beside each other.")
    ] = False,
) -> None:
    """Take the face masks off photos.

    A photo in which no face wears a mask is written as it is; one without any face is a failure.

    In a folder, results keep the names of their photos; what cannot be written in its own format
    becomes PNG: a.gif becomes a.png, or a.gif.png if there is an a.png already.
    """
    from rich.console import Console
    from rich.progress import Progress

    from ..selection import load
    from .targets import plan

    jobs, unread = plan(inputs, out)
    several = len(jobs) + len(unread) > 1
    # Pillow's remarks on odd files, which are decoded all the same.
    warnings.simplefilter("ignore", UserWarning)
    failures: list[str] = []
    console = Console(stderr=True)
    progress = Progress(
        console=console,
        transient=True,
        disable=not (several and console.is_terminal),
        # Only what goes to the same screen has to be kept clear of the bar.
        redirect_stdout=sys.stdout.isatty(),
    )
    with load(runtime, precision, model=model, artifacts=artifacts) as unmasker, progress:
        for source, target in progress.track(jobs, description="taking masks off"):
            try:
                told = _one(unmasker, source, target, side_by_side)
            except UnmaskError as error:
                if not several:
                    raise
                failures.append(str(error))
            else:
                typer.echo(f"{target}: {told}")
    if failures or unread:
        for failure in (*unread, *failures):
            typer.echo(f"unmask: error: {failure}", err=True)
        counts = [f"{len(failures)} of {len(jobs)} pictures failed"]
        if unread:
            counts.append(f"folders that could not be read: {len(unread)}")
        typer.echo(f"unmask: {', '.join(counts)}", err=True)
        raise typer.Exit(1)


def _one(model: Unmasker, source: Path, target: Path, side_by_side: bool) -> str:
    """Unmasks one picture, and says in a few words what was done."""
    from ..encode import copy, output_format
    from ..images import stored_format

    result = model(source)
    if not result.faces:
        raise NoFaceError(f"no face found in {source}; nothing was written for it")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ImageWriteError(
            f"cannot make the folder {target.parent}: {error.strerror}"
        ) from error
    faces, masked = len(result.faces), sum(face.masked for face in result.faces)
    found = f"{faces} face" if faces == 1 else f"{faces} faces"
    if not masked and not side_by_side and stored_format(source) == output_format(target).name:
        # Encoding it once more could only harm it.
        copy(source, target)
        return f"{found}, no mask found; the picture is as it was"
    (_beside(source, result) if side_by_side else result).save(target)
    if not masked:
        return f"{found}, no mask found"
    return f"{found}, {masked} unmasked, {sum(result.timings.values()):.0f} ms"


def _beside(source: Path, result: Result) -> Result:
    """Puts the photo as it was to the left of the result."""
    from dataclasses import replace

    import numpy as np

    from ..images import read

    before = read(source)
    alpha = before.extras.alpha
    return replace(
        result,
        image=np.hstack([before.pixels, result.image]),
        extras=replace(before.extras, alpha=None if alpha is None else np.hstack([alpha, alpha])),
    )
