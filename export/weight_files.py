"""Which weight files an export takes."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from unmask_sdk.errors import ConfigError
from unmask_sdk.training import weights_folder


def packaged_weights() -> list[Path]:
    """Returns the weight files that come with the package.

    Raises:
        ConfigError: If there are none.
    """
    files = sorted(weights_folder().glob("*.safetensors"))
    if not files:
        raise ConfigError("the package holds no weights; give some with --weights FILE")
    return files


def weights_of(names: Sequence[str]) -> list[Path]:
    """Returns the weight files of networks that come with the package.

    Args:
        names: Names of networks, such as `unmask-256-lite`.

    Raises:
        ConfigError: If the package holds no weights of that name, or none at all.
    """
    files = {file.stem: file for file in packaged_weights()} if names else {}
    for name in names:
        if name not in files:
            raise ConfigError(
                f"the package holds no weights of {name!r}; it has {', '.join(files)}; for other "
                "networks use --weights FILE"
            )
    return [files[name] for name in dict.fromkeys(names)]


def with_precision(weights: Sequence[Path], precision: str) -> list[Path]:
    """Returns the weight files whose networks can be exported in a precision; needs torch.

    Raises:
        DataError: If a weight file is not valid.
    """
    from unmask_sdk.training.nets.checkpoint import read_metadata

    from .roles import ROLES

    kinds = {role.name for role in ROLES.values() if precision in role.precisions}
    return [file for file in weights if read_metadata(file)[0] in kinds]


def check_exist(weights: Sequence[Path]) -> None:
    """Raises if a weight file is missing.

    Raises:
        ConfigError: Naming the first that is missing.
    """
    for file in weights:
        if not os.path.isfile(file):
            raise ConfigError(f"there is no weight file {file}; make one with `unmask train`")
