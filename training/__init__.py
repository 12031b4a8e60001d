"""Reference networks, Masked-Faces synthesis, training and evaluation (extra `train`)."""

from pathlib import Path

from unmask_sdk.core.manifest import shipped_folder


def weights_folder() -> Path:
    """Returns the folder of the weight files that come with the package."""
    return shipped_folder()


def shipped_weights(name: str) -> Path:
    """Returns the path of a weight file that comes with the package, such as `unmask-256`."""
    return weights_folder() / f"{name}.safetensors"
