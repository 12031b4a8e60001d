"""Quantisation plans: which convolutions stay in float when a network becomes int8.

A plan belongs to an architecture, not to one set of weights: trained again, a network is sensitive
in the same places. It holds no ranges, which do change with the weights: every export takes them
anew, from a calibration set, by the plan's method.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

from unmask_sdk.errors import ConfigError, DataError

from .images import read_images

SCHEMA = 1
# How ranges are taken from activations.
METHODS = ("minmax", "entropy", "percentile", "mse")
# Where no plan fits: the attention gates and the layers that give a picture or a mask. They are a
# hundredth of the work, and their rounding is seen at once.
_KEPT_BY_DEFAULT = ("what.0", "what.2", "where", "head.1", "body.2")


@dataclass(frozen=True)
class Plan:
    """How a network becomes int8.

    Attributes:
        keep_float: Torch names of the convolutions that stay in float, such as
            `unmasker.generator.head.1`, in the network's order.
        method: How ranges are taken, one of `METHODS`.
        per_channel: Whether weights have a scale for each output channel.
        config: Configuration of the networks that it is for.
        weights_sha256: Weights that it was found with; None for the rule of thumb.
        calibration_sha256: Calibration set that it was found with; None for the rule of thumb.
        quality: What was measured when it was found, on pairs that had no part in the finding.
    """

    keep_float: tuple[str, ...]
    method: str = "minmax"
    per_channel: bool = True
    config: Mapping[str, Any] = field(default_factory=dict)
    weights_sha256: str | None = None
    calibration_sha256: str | None = None
    quality: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise DataError(f"a plan's method is one of {', '.join(METHODS)}, not {self.method!r}")

    def to_json(self) -> str:
        """The plan as text, the same for equal plans."""
        return json.dumps({"schema": SCHEMA, **asdict(self)}, indent=2) + "\n"


def from_json(text: str, where: str) -> Plan:
    """Reads a plan from text; `where` it came from is said if it is damaged.

    Raises:
        DataError: If it is no plan, or one of another version.
    """
    mend = "make it again with: unmask calibrate FACES -o FILE"
    try:
        fields = dict(json.loads(text))
        schema = fields.pop("schema")
        if schema != SCHEMA:
            raise DataError(f"{where} is of schema {schema}, this version reads {SCHEMA}; {mend}")
        return Plan(**{**fields, "keep_float": tuple(map(str, fields["keep_float"]))})
    except (ValueError, TypeError, KeyError) as error:
        raise DataError(f"{where} is not a quantisation plan: {error!r}; {mend}") from None


def read_plan(name: str | Path) -> Plan:
    """Reads a plan.

    Args:
        name: Name of one that comes with the package, such as `unmask-256`, or a path.

    Raises:
        DataError: If it is missing or damaged.
    """
    if isinstance(name, Path):
        try:
            return from_json(name.read_text(), str(name))
        except (OSError, UnicodeDecodeError) as error:
            raise DataError(f"cannot read the plan {name}: {error}") from None
    plans = _shipped()
    if name not in plans:
        raise DataError(f"there is no plan {name!r}; known are {', '.join(plans) or 'none'}")
    return plans[name]


def plan_for(network: Any, calibration: Path | None = None) -> Plan:
    """Gives the plan for an unmasker.

    That is the one inside the calibration set; without a set, the shipped one for networks of this
    configuration, whatever their weights; and where there is none, a rule of thumb.

    Args:
        network: An `UnmaskerGraph`.
        calibration: Calibration set from `unmask calibrate`; None for the package's own.

    Raises:
        DataError: If the set or a plan is damaged.
        ConfigError: If the set's plan is for networks of another configuration.
    """
    config = config_of(network)
    if calibration is not None:
        text = read_images(calibration).plan
        if text is not None:
            plan = from_json(text, str(calibration))
            if not _is_for(plan, config):
                raise ConfigError(
                    f"the plan in {calibration} is for networks of another configuration; make "
                    "one for these weights: unmask calibrate FACES --weights FILE -o FILE"
                )
            return plan
    for plan in _shipped().values():
        if _is_for(plan, config):
            return plan
    return rule_of_thumb(network)


def rule_of_thumb(network: Any) -> Plan:
    """The plan for a network that no plan was found for."""
    kept = [name for name in convolutions(network) if name.endswith(_KEPT_BY_DEFAULT)]
    return Plan(tuple(kept), config=config_of(network))


def convolutions(network: Any) -> tuple[str, ...]:
    """Torch names of a network's convolutions, in its order."""
    from torch import nn

    return tuple(name for name, m in network.named_modules() if isinstance(m, nn.Conv2d))


def config_of(network: Any) -> dict[str, Any]:
    """An unmasker's configuration as JSON would give it back."""
    return _as_json(network.unmasker.config)


def _as_json(config: Any) -> dict[str, Any]:
    plain: dict[str, Any] = json.loads(json.dumps(asdict(config)))
    return plain


def _is_for(plan: Plan, config: Mapping[str, Any]) -> bool:
    """Whether a plan holds for networks of a configuration.

    What the plan does not mention came into the configuration after it: it holds for the default.
    """
    from unmask_sdk.training.nets.networks import UnmaskerConfig

    return {**_as_json(UnmaskerConfig()), **plan.config} == dict(config)


def _shipped() -> dict[str, Plan]:
    folder = resources.files(__package__) / "plans"
    files = sorted((f for f in folder.iterdir() if f.name.endswith(".json")), key=lambda f: f.name)
    return {file.name[:-5]: from_json(file.read_text(), file.name) for file in files}
