"""Folders that still hold a user who was forgotten: runs to be trained anew, datasets of them."""

from dataclasses import dataclass
from pathlib import Path

import polars as pl

from grapevine.log import logger

USERS = Path("vocab") / "users.parquet", Path("events.parquet"), Path("users.parquet")
"""Where a run names its users; and where a dataset does, such as retraining makes beside a run."""
CHECKPOINTS = "checkpoints"
MOST = 1_000
"""Folders that are looked into."""


@dataclass(frozen=True, slots=True)
class Holder:
    """A folder that holds a user, or may.

    Attributes:
        run: its path below the folder of runs.
        sure: whether the user stands in it; of a training that is not done it cannot be told, as
            its checkpoints tell users by their rows alone.
    """

    run: str
    sure: bool


def holders(root: Path, user_id: str) -> list[Holder]:
    """The runs and datasets below a folder that hold a user; unfinished trainings, which may.

    Args:
        root: the folder of runs.
        user_id: who.
    """
    found = list[Holder]()
    folders = sorted(one for one in root.iterdir() if one.is_dir()) if root.is_dir() else []
    for folder in folders[:MOST]:
        named = [path for name in USERS if (path := folder / name).is_file()]
        if not named:
            if (folder / CHECKPOINTS).is_dir():
                found.append(Holder(folder.name, sure=False))
            continue
        try:
            held = any(_names(path, user_id) for path in named)
        except (OSError, pl.exceptions.PolarsError) as error:
            logger.warning("%s cannot be read: %s", folder, type(error).__name__)
            found.append(Holder(folder.name, sure=False))
            continue
        if held:
            found.append(Holder(folder.name, sure=True))
    return found


def _names(path: Path, user_id: str) -> bool:
    """Whether a table names a user."""
    here = pl.col("user_id").cast(pl.String) == user_id
    return len(pl.scan_parquet(path).filter(here).head(1).collect()) > 0
