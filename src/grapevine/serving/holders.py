"""Run folders that still hold a user who was forgotten: those to be trained anew, or removed."""

from dataclasses import dataclass
from pathlib import Path

import polars as pl

from grapevine.log import logger

USERS = Path("vocab") / "users.parquet"
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
    """The runs below a folder that hold a user, and the unfinished trainings, which may.

    Args:
        root: the folder of runs.
        user_id: who.
    """
    found = list[Holder]()
    folders = sorted(one for one in root.iterdir() if one.is_dir()) if root.is_dir() else []
    for folder in folders[:MOST]:
        users = folder / USERS
        if not users.is_file():
            if (folder / CHECKPOINTS).is_dir():
                found.append(Holder(folder.name, sure=False))
            continue
        try:
            here = pl.col("user_id").cast(pl.String) == user_id
            held = len(pl.scan_parquet(users).filter(here).head(1).collect()) > 0
        except (OSError, pl.exceptions.PolarsError) as error:
            logger.warning("%s cannot be read: %s", users, type(error).__name__)
            found.append(Holder(folder.name, sure=False))
            continue
        if held:
            found.append(Holder(folder.name, sure=True))
    return found
