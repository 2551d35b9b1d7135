"""Options: frozen dataclasses, written as TOML, changed by `--set name=value`."""

import dataclasses
import math
import sys
import tomllib
import types
import typing
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeGuard, TypeVar

from grapevine.errors import ConfigError, unknown

T = TypeVar("T")


def from_dict(cls: type[T], given: Mapping[str, Any], at: str = "") -> T:
    """A config of class `cls` from plain values, such as a TOML table.

    Args:
        cls: a dataclass.
        given: option name to value; options left out keep their defaults.
        at: where the options stand, for the message.

    Raises:
        ConfigError: an option is unknown, or its value has the wrong type.
    """
    return cls(**{name: value_of(cls, name, value, at) for name, value in given.items()})


def value_of(cls: type, name: str, value: Any, at: str = "") -> Any:
    """A plain value as an option of class `cls` takes it: 1 as 1.0, a list as a tuple.

    Raises:
        ConfigError: the option is unknown, or the value has the wrong type.
    """
    known = [field.name for field in dataclasses.fields(cls) if field.init]
    if name not in known:
        raise unknown(f"option of {at or cls.__qualname__}", name, known)
    return _fit(typing.get_type_hints(cls)[name], value, f"{at}.{name}" if at else name)


def to_dict(config: Any) -> dict[str, Any]:
    """Every option with its value; None is left out, since TOML has no null."""
    return plain(dataclasses.asdict(config))


def plain(value: Any) -> Any:
    """The value as TOML has it: tuples as lists, tables without what is None."""
    if _is_table(value):
        return {str(k): plain(v) for k, v in value.items() if v is not None}
    if _is_list(value):
        return [plain(part) for part in value]
    return value


def parsed_list(text: str) -> list[Any]:
    """Values between commas, each as in TOML or bare text.

    >>> parsed_list("32, true, tfidf")
    [32, True, 'tfidf']
    """
    try:
        return tomllib.loads(f"values = [{text}]")["values"]
    except tomllib.TOMLDecodeError:
        return [_parse(part.strip()) for part in text.split(",")]


def read_toml(path: Path) -> dict[str, Any]:
    """The values of a TOML file.

    Raises:
        ConfigError: it cannot be read, or is not TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{path}: not readable as TOML: {error}") from error


def override(config: T, settings: Iterable[str], at: str = "model") -> T:
    """The same config with `at.name=value` settings applied, values as in TOML or bare text.

    >>> @dataclasses.dataclass(frozen=True)
    ... class Options:
    ...     width: int = 64
    >>> override(Options(), ["model.width=32"])
    Options(width=32)

    Raises:
        ConfigError: a setting is not `name=value`, or does not fit the config.
    """
    changes: dict[str, Any] = {}
    for setting in settings:
        name, equals, text = setting.partition("=")
        if not equals:
            raise ConfigError(f"`{setting}` is not a setting", hint=f"write --set {at}.name=value")
        changes[name.strip().removeprefix(f"{at}.")] = _parse(text.strip())
    fitted = from_dict(type(config), {**to_dict(config), **changes}, at)
    return fitted


def check_bounds(
    config: Any,
    model: str,
    *options: str,
    least: float = -math.inf,
    above: float = -math.inf,
    most: float = math.inf,
    hint: str = "",
) -> None:
    """Refuse options of a model that are NaN, infinite or out of bounds.

    Args:
        config: has the options.
        model: what messages call it.
        options: their names.
        least: the smallest value that will do.
        above: what a value must be greater than.
        most: the greatest value that will do.
        hint: what to try instead; the default if not given.

    Raises:
        ConfigError: with the option, what was wanted, what was got, and the hint.
    """
    defaults = {field.name: field.default for field in dataclasses.fields(config)}
    for option in options:
        value = getattr(config, option)
        # Of these comparisons NaN fails the first one, whatever the bounds.
        if -math.inf < value < math.inf and least <= value <= most and value > above:
            continue
        bounds = [(">", above), (">=", least), ("<=", most)]
        wanted = [f"{sign} {bound:g}" for sign, bound in bounds if math.isfinite(bound)]
        if most == math.inf:
            wanted.append("finite")
        raise ConfigError(
            f"{model} wants model.{option} {' and '.join(wanted)}: got {value}",
            hint=hint or f"leave it out for {defaults[option]}",
        )


def _parse(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def _is_table(value: object) -> TypeGuard[Mapping[str, Any]]:
    return isinstance(value, Mapping)


def _is_list(value: object) -> TypeGuard[Sequence[Any]]:
    return isinstance(value, list | tuple)


def _is_number(value: object) -> TypeGuard[int | float]:
    """Whether it is a float or fits into one; NaN is no number, and would pass every bound."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return value == value and (isinstance(value, float) or abs(value) <= sys.float_info.max)


def _fit(hint: Any, value: Any, at: str) -> Any:
    """The value as the annotated type, if nothing is lost by it."""
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin in {typing.Union, types.UnionType}:
        for option in args:
            try:
                return _fit(option, value, at)
            except ConfigError:
                continue
    elif origin is typing.Literal:
        if value in args:
            return value
    elif dataclasses.is_dataclass(hint) and isinstance(hint, type) and _is_table(value):
        return from_dict(hint, value, at)
    elif origin is tuple and _is_list(value):
        return tuple(_fit(args[0], part, at) for part in value)
    elif origin in {dict, Mapping} and _is_table(value):
        return dict(value)
    elif hint is Any:
        return value
    elif hint is float:
        if _is_number(value):
            return float(value)
    elif isinstance(hint, type) and type(value) is hint:
        return value
    wanted = hint.__name__ if isinstance(hint, type) else str(hint).replace("typing.", "")
    raise ConfigError(f"{at}: wanted {wanted}, got {value!r}")
