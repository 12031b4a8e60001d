"""Silences the output of the converters."""

from __future__ import annotations

import io
import logging
import sys
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout

# torchao and torch's pytree log missing GPU kernels and each other's versions while they are
# imported; torch.onnx logs packages that take no part; coremltools logs that there is no Core ML.
LOGGERS = ("torch.onnx", "torch.utils._pytree", "torchao", "coremltools")


@contextmanager
def quiet_converters(*, stdout: bool = False) -> Iterator[None]:
    """Silences warnings, log messages below ERROR, and progress bars of the converters.

    Importing them, converting and quantizing all go through here. Errors are still raised.

    Args:
        stdout: Whether to silence standard output too. A progress display of the caller's stands
            still meanwhile, so only short steps that print there ask for it.
    """
    with ExitStack() as stack:
        stack.enter_context(warnings.catch_warnings())
        warnings.simplefilter("ignore")
        stack.enter_context(redirect_stderr(io.StringIO()))
        if stdout:
            stack.enter_context(redirect_stdout(io.StringIO()))
        for name in LOGGERS:
            logger = logging.getLogger(name)
            stack.callback(logger.setLevel, logger.level)
            logger.setLevel(logging.ERROR)
        # litert-torch prints each of its steps to standard output. Not imported here: it takes
        # seconds, and the other formats do without it.
        litert_torch = sys.modules.get("litert_torch")
        if litert_torch is not None:
            stack.callback(
                setattr, litert_torch.config, "show_progress", litert_torch.config.show_progress
            )
            litert_torch.config.show_progress = False
        yield
