"""What may be tried: for each option a choice of values, or a range."""

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from grapevine import config as configs
from grapevine.errors import ConfigError
from grapevine.models.spaces import SPACES

_NUMBER = r"[-+]?(?:\d+(?:\.\d+)?|\.\d+)(?:[eE][-+]?\d+)?"
_RANGE = re.compile(rf"\s*({_NUMBER})\s*\.\.\s*({_NUMBER})\s*")
_HINT = "write --search model.width=32,64,128 or --search model.learning_rate=1e-4..1e-2"
WIDE = 10
"""A range above 0 whose ends are so many times apart is searched by its logarithm."""


@dataclass(frozen=True, slots=True)
class Choice:
    """One of some values, none of which is nearer to another."""

    values: tuple[Any, ...]

    @property
    def written(self) -> Any:
        """As it stands in TOML."""
        return list(self.values)


@dataclass(frozen=True, slots=True)
class Range:
    """A number from low to high, both included; whole numbers if both are."""

    low: float
    high: float

    @property
    def by_logarithm(self) -> bool:
        """Whether 1 to 10 is as wide as 10 to 100."""
        return self.low > 0 and self.high >= WIDE * self.low

    @property
    def written(self) -> str:
        """As it stands in TOML."""
        return f"{self.low}..{self.high}"


Space = dict[str, Choice | Range]
"""By the name of the option."""


def settings_of(searched: Iterable[str]) -> dict[str, str]:
    """`model.width=32,64` by the name of the option.

    Raises:
        ConfigError: one is no `name=values`.
    """
    found = {}
    for one in searched:
        name, equals, values = one.partition("=")
        if not equals or not values.strip():
            raise ConfigError(f"`{one}` does not say what to search", hint=_HINT)
        found[name.strip().removeprefix("model.")] = values
    return found


def read(path: Path) -> dict[str, Any]:
    """The table `[model]` of a file: `width = [32, 64]`, `learning_rate = "1e-4..1e-2"`.

    Raises:
        ConfigError: it cannot be read, or has no such table.
    """
    given = configs.read_toml(path).get("model")
    if not isinstance(given, dict) or not given:
        raise ConfigError(
            f"{path} does not say what to search",
            hint='write [model] and below it width = [32, 64] or learning_rate = "1e-4..1e-2"',
        )
    return given


def default(name: str, fixed: Iterable[str] = ()) -> dict[str, str]:
    """What is searched of a model where nobody says, but for the options that are fixed.

    Raises:
        ConfigError: nothing is left to search, or nobody has said what is worth it.
    """
    if name not in SPACES:
        raise ConfigError(f"nobody has said what is worth searching of `{name}`", hint=_HINT)
    left = {option: values for option, values in SPACES[name].items() if option not in {*fixed}}
    if not left:
        raise ConfigError("every option that would be searched is set already", hint=_HINT)
    return left


def space_of(config: Any, given: Mapping[str, Any]) -> Space:
    """Check what is to be searched against the options of a config.

    Args:
        config: which all the trials start from.
        given: by option, a text as `--search` takes it, or a list of values.

    Raises:
        ConfigError: an option is unknown, or a value impossible, or a range is empty.
    """
    return {option: _searched(config, option, values, {*given}) for option, values in given.items()}


def _searched(config: Any, option: str, values: Any, searched: set[str]) -> Choice | Range:
    at = f"model.{option}"
    found = _range(config, option, values) if _is_range(values) else _choice(values, at)
    ends = found.values if isinstance(found, Choice) else (found.low, found.high)
    fitted = [configs.value_of(type(config), option, one, at="model") for one in ends]
    for one in fitted:
        _try(config, option, one, searched - {option})
    if isinstance(found, Choice):
        return Choice(tuple(configs.plain(one) for one in fitted))
    return Range(*fitted)


def _is_range(values: Any) -> bool:
    return isinstance(values, str) and ".." in values


def _range(config: Any, option: str, text: str) -> Range:
    at = f"model.{option}"
    match = _RANGE.fullmatch(text)
    if not match:
        raise ConfigError(f"{at}: `{text.strip()}` is no range", hint="write 1..4 or 1e-4..1e-2")
    low, high = (float(end) if re.search(r"[.eE]", end) else int(end) for end in match.groups())
    if not low < high or not math.isfinite(high - low):
        raise ConfigError(
            f"{at}: from {low} to {high} there is nothing", hint="write the lower end first"
        )
    return Range(low, high)


def _choice(values: Any, at: str) -> Choice:
    if isinstance(values, str):
        values = configs.parsed_list(values)
    if not isinstance(values, list) or not values:
        raise ConfigError(f"{at}: {values!r} is no list of values", hint=_HINT)
    if any(values.index(one) != place for place, one in enumerate(values)):
        raise ConfigError(f"{at}: a value stands there twice", hint="name each value once")
    return Choice(tuple(values))


def _try(config: Any, option: str, value: Any, others: set[str]) -> None:
    """Refuse a value that cannot be, unless another option that is searched may make it possible.

    A width that the heads do not divide is no fault where the heads are searched too.
    """
    try:
        configs.from_dict(type(config), {**configs.to_dict(config), option: value}, "model")
    except ConfigError as error:
        if not any(re.search(rf"\bmodel\.{other}\b", str(error)) for other in others):
            raise
