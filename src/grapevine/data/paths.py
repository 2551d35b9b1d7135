"""Where a path goes astray, and what stands near it."""

import difflib
from collections.abc import Iterable
from pathlib import Path

from grapevine.errors import ConfigError, unknown

SHOWN = 8
"""Names of a folder that a message shows."""


def near(path: Path) -> Path | None:
    """What stands beside the path and has nearly its name."""
    names = [one.name for one in path.parent.iterdir()] if path.parent.is_dir() else []
    found = difflib.get_close_matches(path.name, names, n=1)
    return path.parent / found[0] if found else None


def nearest(path: Path) -> str:
    """A hint for a path that does not exist: what is near it, or how far it leads."""
    found = near(path)
    if found is not None:
        return f"did you mean `{found}`?"
    folder = next((parent for parent in path.parents if parent.is_dir()), Path())
    names = sorted(one.name for one in folder.iterdir() if not one.name.startswith("."))
    shown = ", ".join(names[:SHOWN]) + (", ..." if len(names) > SHOWN else "")
    return f"the nearest folder that exists is `{folder}`; it holds: {shown or 'nothing'}"


def no_dataset(path: Path, public: Iterable[str]) -> ConfigError:
    """Why this is neither a folder nor a public name, by what it looks like."""
    if path.is_file():
        whole = (path.parent / "schema.toml").is_file()
        return ConfigError(
            f"`{path}` is a file, not a dataset folder",
            hint=f"give the folder that it is in: {path.parent}"
            if whole
            else f"import it first: grapevine data import {path} --out datasets/{path.stem}",
        )
    sibling = near(path)
    if len(path.parts) > 1 or (sibling is not None and sibling.is_dir()):
        return ConfigError(f"there is no dataset folder `{path}`", hint=nearest(path))
    return unknown("dataset folder or public dataset", str(path), public)
