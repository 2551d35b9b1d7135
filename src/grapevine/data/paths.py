"""Where a path goes astray, and what stands near it."""

import difflib
from pathlib import Path

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
