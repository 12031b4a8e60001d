"""Reference networks, Masked-Faces synthesis, training and evaluation (extra `train`)."""

from importlib import resources
from pathlib import Path


def weights_folder() -> Path:
    """Returns the folder of the weight files that come with the package."""
    return Path(str(resources.files(__name__))) / "weights"


def shipped_weights(name: str) -> Path:
    """Returns the path of a weight file that comes with the package, such as `unmask-256`."""
    return weights_folder() / f"{name}.safetensors"
