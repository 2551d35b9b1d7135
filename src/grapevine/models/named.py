"""From a name, a `config.toml` or a config to a row of the one table, and back."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from grapevine import config
from grapevine.errors import ConfigError, unknown
from grapevine.models import MODELS


def resolve(model: Any, *, also: Iterable[str] = ()) -> tuple[str, Any]:
    """The name and the options of a model given by name, by `config.toml`, or by its config.

    Args:
        model: any of these.
        also: other names that somebody may have meant.

    Raises:
        ConfigError: the table has no such model, or no such option.
    """
    if not isinstance(model, str):
        name = name_of(model)
        if name is None:
            raise ConfigError(f"{model!r} is not the config of a model in the table")
        return name, model
    name, options = model, {}
    if model.endswith(".toml"):
        options = config.read_toml(Path(model)).get("model", {})
        name = str(options.pop("name", "none: it needs [model] with a name"))
    if name not in MODELS:
        raise unknown("model", name, [*MODELS, *also])
    row = MODELS[name]
    return name, config.from_dict(row.model.Config, {**config.to_dict(row.config), **options})


def search_of(model: Any) -> dict[str, Any] | None:
    """What was spent on searching the options of a `config.toml`, where that says so.

    Either it is the best of a search, or of a run that was trained by one.
    """
    if not isinstance(model, str) or not model.endswith(".toml"):
        return None
    given = config.read_toml(Path(model))
    return given.get("search") or given.get("run", {}).get("search")


def name_of(options: Any) -> str | None:
    """The row that a config is of: the one with these very options, else the first of its class."""
    rows = {name: row for name, row in MODELS.items() if isinstance(options, row.model.Config)}
    return next(
        (name for name, row in rows.items() if row.config == options), min(rows, default=None)
    )


def changes(name: str, options: Any) -> str:
    """In what a config differs from that of its row: `factors=32, iterations=5`, or `default`."""
    default = config.to_dict(MODELS[name].config)
    changed = {key: one for key, one in config.to_dict(options).items() if default.get(key) != one}
    return ", ".join(f"{key}={one}" for key, one in changed.items()) or "default"
