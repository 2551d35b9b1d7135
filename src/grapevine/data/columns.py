"""Which columns hold values that a person can name: those of pictures and vectors cannot be."""

from typing import Any

import polars as pl


def nameable(kind: Any) -> bool:
    """Whether a text stands for each value of such a column, or for each member of its lists.

    Args:
        kind: the column's polars type.
    """
    member = kind.inner if isinstance(kind, pl.List) else kind
    if member.is_nested() or member.base_type() in {pl.Binary, pl.Object, pl.Duration}:
        return False
    # Lists of decimal numbers are vectors.
    return not (isinstance(kind, pl.List) and member.is_float())


def nameable_columns(table: pl.DataFrame) -> list[str]:
    """The columns of a table that hold such values."""
    return [name for name, kind in table.schema.items() if nameable(kind)]
