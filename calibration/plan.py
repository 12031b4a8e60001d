"""Quantization plans: which convolutions stay in float when a network is quantized to int8.

A plan belongs to an architecture and not to one set of weights: after another training, a network
is sensitive in the same layers. A plan holds no ranges, which do change with the weights: every
export measures them again on a calibration set, by the plan's method.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

from unmask_sdk.errors import ConfigError, DataError

from .calibration_set import CalibrationSet

SCHEMA = 1
# How ranges are derived from activations; see `ranges.py`.
METHODS = ("minmax", "entropy", "percentile", "mse")
# If no plan fits: the attention gates and the layers that output an image or a mask. They are 5 %
# of the work of unmask-256, 11 % of lite's, and their rounding errors are directly visible.
_KEPT_BY_DEFAULT = re.compile(r"\.(what\.[02]|where|head\.1|\w*sharpener\.body\.\d+)$")


@dataclass(frozen=True)
class Int8Plan:
    """How a network is quantized to int8.

    Attributes:
        keep_float: Torch names of the convolutions that stay in float, such as
            `unmasker.generator.head.1`, in the network's order.
        method: How ranges are derived, one of `METHODS`.
        per_channel: Whether weights have a scale for each output channel.
        config: Configuration of the networks that it is for.
        weights_sha256: Digest of the weights that it was found with; `None` for the default plan.
        calibration_sha256: Digest of the calibration set that it was found with; `None` for the
            default plan.
        quality: Measurements on pairs that were not used to find it.
        keep_float_symmetric: Further convolutions that stay in float where activations are int8
            without a zero point, as in TensorRT: images, which are never negative, have 7 bits
            there, and what reads them at full size loses detail.
    """

    keep_float: tuple[str, ...]
    method: str = "minmax"
    per_channel: bool = True
    config: Mapping[str, Any] = field(default_factory=dict)
    weights_sha256: str | None = None
    calibration_sha256: str | None = None
    quality: Mapping[str, float] = field(default_factory=dict)
    keep_float_symmetric: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise DataError(f"a plan's method is one of {', '.join(METHODS)}, not {self.method!r}")

    def kept(self, *, symmetric: bool) -> tuple[str, ...]:
        """Returns the torch names of all convolutions that stay in float.

        Args:
            symmetric: Whether activations are int8 without a zero point.
        """
        return (*self.keep_float, *(self.keep_float_symmetric if symmetric else ()))

    def to_json(self) -> str:
        """Returns the plan as JSON text; equal plans give equal text."""
        return json.dumps({"schema": SCHEMA, **asdict(self)}, indent=2) + "\n"


def from_json(text: str, where: str) -> Int8Plan:
    """Reads a plan from JSON text.

    Args:
        text: The text.
        where: Where it came from, for errors.

    Raises:
        DataError: If it is not a plan, or one of another version.
    """
    fix = "make it again with: unmask calibrate FACES -o FILE"
    try:
        fields = dict(json.loads(text))
        schema = fields.pop("schema")
        if schema != SCHEMA:
            raise DataError(f"{where} is of schema {schema}, this version reads {SCHEMA}; {fix}")
        fields["keep_float"] = tuple(map(str, fields["keep_float"]))
        fields["keep_float_symmetric"] = tuple(map(str, fields.get("keep_float_symmetric", ())))
        return Int8Plan(**fields)
    except (ValueError, TypeError, KeyError) as error:
        raise DataError(f"{where} is not a quantization plan: {error!r}; {fix}") from None


def read_plan(name: str | Path) -> Int8Plan:
    """Reads a plan.

    Args:
        name: Name of a plan that comes with the package, such as `unmask-256`, or a path.

    Raises:
        DataError: If it is missing or damaged.
    """
    if isinstance(name, Path):
        try:
            return from_json(name.read_text(), str(name))
        except (OSError, UnicodeDecodeError) as error:
            raise DataError(f"cannot read the plan {name}: {error}") from None
    plans = _packaged()
    if name not in plans:
        raise DataError(f"there is no plan {name!r}; known are {', '.join(plans) or 'none'}")
    return plans[name]


def plan_for(network: Any, calibration: CalibrationSet | None = None) -> Int8Plan:
    """Returns the plan for a network.

    For an unmasker it is the first of these that there is: the plan in the calibration set, the
    packaged plan for networks of this configuration (with any weights), `default_plan`. In the
    locator's networks the first layer, which reads pixels, and the last, which returns coordinates,
    stay in float.

    Args:
        network: An exportable graph.
        calibration: Calibration set; the package's own, which has no plan, if `None`.

    Raises:
        DataError: If the set or a plan is damaged.
        ConfigError: If the set's plan is for networks of another configuration.
    """
    if not hasattr(network, "unmasker"):
        first, *_, last = convolutions(network)
        return Int8Plan((first, last))
    if calibration is not None and calibration.path is not None:
        text = calibration.load().plan
        if text is not None:
            plan = from_json(text, str(calibration.path))
            if not _is_for(plan, network):
                raise ConfigError(
                    f"the plan in {calibration.path} is for networks of another configuration; "
                    "make one for these weights: unmask calibrate FACES --weights FILE -o FILE"
                )
            return plan
    for plan in _packaged().values():
        if _is_for(plan, network):
            return plan
    return default_plan(network)


def default_plan(network: Any) -> Int8Plan:
    """Returns the plan for an unmasker of a configuration that no plan was searched for."""
    kept = [name for name in convolutions(network) if _KEPT_BY_DEFAULT.search(name)]
    return Int8Plan(tuple(kept), config=config_of(network))


def convolutions(network: Any) -> tuple[str, ...]:
    """Returns the torch names of a network's convolutions, in its order."""
    from torch import nn

    return tuple(name for name, m in network.named_modules() if isinstance(m, nn.Conv2d))


def config_of(network: Any) -> dict[str, Any]:
    """Returns an unmasker's configuration as it would be after a round trip through JSON."""
    return _as_json(network.unmasker.config)


def _as_json(config: Any) -> dict[str, Any]:
    values: dict[str, Any] = json.loads(json.dumps(asdict(config)))
    return values


def _is_for(plan: Int8Plan, network: Any) -> bool:
    """Returns whether a plan is valid for an unmasker's configuration.

    Options that the plan does not mention were added after it; it is valid for their defaults.
    """
    default = type(network.unmasker.config)()
    return {**_as_json(default), **plan.config} == config_of(network)


def _packaged() -> dict[str, Int8Plan]:
    folder = resources.files(__package__) / "plans"
    files = sorted((f for f in folder.iterdir() if f.name.endswith(".json")), key=lambda f: f.name)
    return {file.name[:-5]: from_json(file.read_text(), file.name) for file in files}
