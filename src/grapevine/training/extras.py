"""Packages that only an extra brings, imported when they are asked for."""

from importlib import import_module
from typing import Any

from grapevine.errors import ConfigError


def brought_by(extra: str, module: str) -> Any:
    """A module of an optional package.

    Raises:
        ConfigError: it is not installed here, with what installs it.
    """
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"`{error.name}` is not installed here", hint=f"pip install 'grapevine-rec[{extra}]'"
        ) from error
