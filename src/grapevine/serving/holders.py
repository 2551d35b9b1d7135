"""Folders that still hold a user who was forgotten: runs to be trained anew, datasets of them."""

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import polars as pl

from grapevine.log import logger

USERS = Path("vocab") / "users.parquet", Path("events.parquet"), Path("users.parquet")
"""Where a run names its users; and where a dataset does, such as retraining makes beside a run."""
CHECKPOINTS = "checkpoints"
MOST = 1_000
"""Folders that are looked into."""
MORE = "."
"""Stands for the folders beyond those: whether any holds somebody nobody has looked."""


@dataclass(frozen=True, slots=True)
class Holder:
    """A folder that holds a user, or may.

    Attributes:
        run: its path below the folder of runs; of one that lies elsewhere its name alone.
        sure: whether the user stands in it; of a training that is not done it cannot be told, as
            its checkpoints tell users by their rows alone.
    """

    run: str
    sure: bool


def holders(root: Path, user_id: str, also: Iterable[Path] = ()) -> list[Holder]:
    """The runs and datasets below a folder that hold a user; unfinished trainings, which may.

    Args:
        root: the folder of runs.
        user_id: who.
        also: runs that may lie elsewhere, such as the one in service.
    """
    found = list[Holder]()
    folders = list(islice(_below(root), MOST + 1))
    elsewhere = [one for one in dict.fromkeys(also) if not one.is_relative_to(root)]
    for folder in (*folders[:MOST], *elsewhere):
        name = folder.relative_to(root).as_posix() if folder.is_relative_to(root) else folder.name
        named = [path for one in USERS if (path := folder / one).is_file()]
        if not named:
            if (folder / CHECKPOINTS).is_dir():
                found.append(Holder(name, sure=False))
            continue
        try:
            held = any(_names(path, user_id) for path in named)
        except (OSError, pl.exceptions.PolarsError) as error:
            logger.warning("%s cannot be read: %s", folder, type(error).__name__)
            found.append(Holder(name, sure=False))
            continue
        if held:
            found.append(Holder(name, sure=True))
    if len(folders) > MOST:
        logger.warning("%s holds more than %d folders: not all were looked into", root, MOST)
        found.append(Holder(MORE, sure=False))
    return found


def _below(root: Path) -> Iterator[Path]:
    """All folders below one, the nearest first; what is a run or a dataset is one thing."""
    waiting = deque([root])
    while waiting:
        folder = waiting.popleft()
        try:
            within = sorted(one for one in folder.iterdir() if one.is_dir())
        except OSError:  # not there, or nobody may look
            continue
        for one in within:
            yield one
            whole = any((one / name).exists() for name in (*USERS, CHECKPOINTS))
            if not whole and not one.is_symlink():
                waiting.append(one)


def _names(path: Path, user_id: str) -> bool:
    """Whether a table names a user."""
    here = pl.col("user_id").cast(pl.String) == user_id
    return len(pl.scan_parquet(path).filter(here).head(1).collect()) > 0
