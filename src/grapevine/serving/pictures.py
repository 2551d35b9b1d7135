"""Pictures of items, out of the dataset that a run was trained on: runs do not carry them."""

from functools import lru_cache
from pathlib import Path

import polars as pl

from grapevine.errors import ConfigError


class Pictures:
    """The pictures of a dataset's items, read when asked for.

    Args:
        data: the dataset folder; None for no pictures.

    Raises:
        ConfigError: it is no dataset folder.
    """

    def __init__(self, data: Path | None) -> None:
        self.path, self.column = None, ""
        if data is None:
            return
        path = data / "items.parquet"
        if not path.is_file():
            raise ConfigError(
                f"`{data}` is not a dataset folder: it has no items.parquet",
                hint="`grapevine serve RUN --data DIR` shows its pictures",
            )
        kinds = pl.read_parquet_schema(path)
        columns = [name for name, kind in kinds.items() if kind == pl.Binary]
        if columns:
            self.path, self.column = path, columns[0]
        self.of = lru_cache(maxsize=2_000)(self.of)

    def __bool__(self) -> bool:
        return self.path is not None

    def of(self, item_id: str) -> bytes | None:
        """The picture of an item as its file, if there is one."""
        if self.path is None:
            return None
        found = (
            pl.scan_parquet(self.path)
            .filter(pl.col("item_id").cast(pl.String) == item_id)
            .select(self.column)
            .collect()
        )
        return found[self.column][0] if len(found) else None
