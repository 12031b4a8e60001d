"""Checks that Triton's Python backend and the installed NumPy understand each other."""

from __future__ import annotations

import numpy as np
import triton_python_backend_utils as triton

from unmask_sdk.core.optional_deps import pip_command
from unmask_sdk.errors import RuntimeUnavailableError


def check_numpy() -> None:
    """Sends an array through Triton's tensors.

    Python backends built for NumPy 1, such as that of nvidia-pytriton 0.7.0, read the memory of
    NumPy 2 wrongly: every value of an input is its first one, and outputs are empty.

    Raises:
        RuntimeUnavailableError: If another array comes back.
    """
    sent = np.arange(6, dtype=np.uint8)
    # Through DLPack, because a tensor that was made of an array gives that array back.
    received = triton.Tensor.from_dlpack("check", triton.Tensor("check", sent)).as_numpy()
    if not np.array_equal(sent, received):
        raise RuntimeUnavailableError(
            "the Python backend of this Triton server was built for NumPy 1, and arrays arrive in "
            f"NumPy {np.__version__} with wrong values; {pip_command('install')} 'numpy<2'"
        )
