"""Settings: YAML checked against the dataclass that it fills, before any work."""

from __future__ import annotations

import math
import types
from collections.abc import Sequence
from dataclasses import MISSING, fields, is_dataclass
from pathlib import Path
from typing import Any, Union, get_args, get_origin, get_type_hints

from unmask_sdk.errors import ConfigError

# A learning rate of nothing, or less, is a mistake.
LEAST_RATE = 1e-12


def read_yaml(path: Path) -> dict[str, Any]:
    """Reads a YAML file of keys and values.

    Raises:
        ConfigError: If it cannot be read, is not YAML, or is no mapping.
    """
    import yaml

    try:
        value = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"cannot read configuration {path}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is not UTF-8 text ({error}); save it as UTF-8") from None
    # Impossible dates, which YAML reads as such, are plain ValueErrors.
    except (yaml.YAMLError, ValueError) as error:
        raise ConfigError(f"{path} is not valid YAML: {error}") from None
    return _mapping(value, path.name)


def _mapping(value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ConfigError(f"{where}: expected a mapping of keys to values, got {value!r}")
    return value


def build(kind: type, value: Any, where: str) -> Any:
    """Builds a (nested) dataclass from plain YAML data, naming the place of any mistake.

    Args:
        kind: The dataclass. Its type hints decide what each value may be: `int`, `float`, `bool`,
            `str`, `Path`, another dataclass, a tuple of those, or None beside them.
        value: What YAML gave.
        where: Name of the place, for messages.
    """
    hints = get_type_hints(kind)
    known = {f.name for f in fields(kind)}
    for key in _mapping(value, where):
        if key not in known:
            raise ConfigError(
                f"{where}: unknown key {key!r}; known keys: {', '.join(sorted(known))}"
            )
    for f in fields(kind):
        if f.name not in value and f.default is MISSING and f.default_factory is MISSING:
            raise ConfigError(
                f"{where}: {f.name} is not set; add it to the file, or pass --{f.name} if the "
                "command has it"
            )
    built = {key: _convert(hints[key], item, f"{where}.{key}") for key, item in value.items()}
    try:
        return kind(**built)
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}") from None


def _convert(hint: Any, item: Any, where: str) -> Any:
    if is_dataclass(hint):
        return build(hint, item, where)
    if get_origin(hint) in (Union, types.UnionType):
        if item is None:
            return None
        (hint,) = (other for other in get_args(hint) if other is not type(None))
        return _convert(hint, item, where)
    if get_origin(hint) is tuple:
        return _tuple(get_args(hint), item, where)
    if hint in (int, float):
        return _number(hint, item, where)
    if hint is Path and isinstance(item, str):
        return Path(item)
    if not isinstance(item, hint):
        wanted = {bool: "true or false", str: "text", Path: "a path"}[hint]
        raise ConfigError(f"{where}: expected {wanted}, got {item!r}")
    return item


def _tuple(hints: tuple[Any, ...], items: Any, where: str) -> tuple[Any, ...]:
    if not isinstance(items, Sequence) or isinstance(items, str):
        raise ConfigError(f"{where}: expected a list, got {items!r}")
    if hints[-1] is Ellipsis:
        hints = hints[:1] * len(items)
    if len(hints) != len(items):
        raise ConfigError(f"{where}: expected a list of {len(hints)} values, got {items!r}")
    return tuple(
        _convert(hint, item, f"{where}[{i}]")
        for i, (hint, item) in enumerate(zip(hints, items, strict=True))
    )


def _number(kind: type, item: Any, where: str) -> int | float:
    wanted = "a whole number" if kind is int else "a number"
    if isinstance(item, bool) or not isinstance(item, int | float | str):
        raise ConfigError(f"{where}: expected {wanted}, got {item!r}")
    if isinstance(item, int):
        return kind(item)
    try:
        # YAML 1.1 takes 3e-4, without a point, for text.
        number = float(item)
    except ValueError:
        raise ConfigError(f"{where}: expected {wanted}, got {item!r}") from None
    if not math.isfinite(number) or (kind is int and number != int(number)):
        raise ConfigError(f"{where}: expected {wanted}, got {item!r}")
    return kind(number)


def check_range(settings: Any, names: str, low: float, high: float = math.inf) -> None:
    """Raises `ConfigError` if one of the fields, their names parted by spaces, is out of range.

    Fields that are None are passed over.
    """
    wanted = f"at least {low}" if math.isinf(high) else f"from {low} to {high}"
    for name in names.split():
        value = getattr(settings, name)
        if value is not None and not low <= value <= high:
            raise ConfigError(f"{name} must be {wanted}; got {value!r}")
