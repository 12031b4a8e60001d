"""Reads a YAML file into a dataclass and checks every value, before any work."""

from __future__ import annotations

import math
import types
from collections.abc import Sequence
from dataclasses import MISSING, fields, is_dataclass
from pathlib import Path
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from unmask_sdk.errors import ConfigError

# A learning rate of 0 or less is a mistake.
MIN_LEARNING_RATE = 1e-12

Config = TypeVar("Config")


def read_yaml(path: Path) -> dict[str, Any]:
    """Reads a YAML file of keys and values.

    Args:
        path: The file, in UTF-8.

    Raises:
        ConfigError: If it cannot be read, is not YAML, or is not a mapping.
    """
    import yaml

    try:
        value = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"cannot read configuration {path}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is not UTF-8 text ({error}); save it as UTF-8") from None
    # Impossible dates, which YAML tries to read as dates, are plain ValueErrors.
    except (yaml.YAMLError, ValueError) as error:
        raise ConfigError(f"{path} is not valid YAML: {error}") from None
    return _mapping(value, path.name)


def _mapping(value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ConfigError(f"{where}: expected a mapping of keys to values, got {value!r}")
    return value


def build_dataclass(kind: type[Config], value: Any, where: str) -> Config:
    """Builds a (nested) dataclass from plain YAML data; errors name the key that is wrong.

    Args:
        kind: The dataclass. Its type hints decide what each value may be: `int`, `float`, `bool`,
            `str`, `Path`, another dataclass, a tuple of those, or one of those or None.
        value: What YAML returned.
        where: Where the value is, such as the file's name, for error messages.

    Raises:
        ConfigError: If a key is unknown or missing, or a value has another type or is refused by
            the dataclass.
    """
    known = {field.name: field for field in fields(kind)}  # type: ignore[arg-type]  # a dataclass
    hints = get_type_hints(kind)
    mapping = _mapping(value, where)
    for key in mapping:
        if key not in known:
            raise ConfigError(
                f"{where}: unknown key {key!r}; known keys: {', '.join(sorted(known))}"
            )
    for name, field in known.items():
        if name not in mapping and field.default is MISSING and field.default_factory is MISSING:
            raise ConfigError(
                f"{where}: {name} is not set; add it to the file, or pass --{name} if the command "
                "has this option"
            )
    built = {key: _convert(hints[key], item, f"{where}.{key}") for key, item in mapping.items()}
    try:
        return kind(**built)
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}") from None


def _convert(hint: Any, item: Any, where: str) -> Any:
    if isinstance(hint, type) and is_dataclass(hint):
        return build_dataclass(hint, item, where)
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
        expected = {bool: "true or false", str: "text", Path: "a path"}[hint]
        raise ConfigError(f"{where}: expected {expected}, got {item!r}")
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


def _number(kind: type[int] | type[float], item: Any, where: str) -> int | float:
    expected = "a whole number" if kind is int else "a number"
    if isinstance(item, bool) or not isinstance(item, int | float | str):
        raise ConfigError(f"{where}: expected {expected}, got {item!r}")
    if isinstance(item, int):
        return kind(item)
    try:
        # YAML 1.1 reads 3e-4, which has no decimal point, as text.
        number = float(item)
    except ValueError:
        raise ConfigError(f"{where}: expected {expected}, got {item!r}") from None
    if not math.isfinite(number) or (kind is int and number != int(number)):
        raise ConfigError(f"{where}: expected {expected}, got {item!r}")
    return kind(number)


def check_range(config: object, names: str, low: float, high: float = math.inf) -> None:
    """Checks that fields of a configuration are within a range; None is allowed.

    Args:
        config: The object that has the fields.
        names: Names of the fields, separated by spaces.
        low: Smallest allowed value.
        high: Largest allowed value.

    Raises:
        ConfigError: If a value is out of range.
    """
    allowed = f"at least {low}" if math.isinf(high) else f"from {low} to {high}"
    for name in names.split():
        value = getattr(config, name)
        if value is not None and not low <= value <= high:
            raise ConfigError(f"{name} must be {allowed}; got {value!r}")
