"""Conditions on the item table: `price<20`, `category=tops`, `tags!=winter`."""

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl
from jaxtyping import Bool

from grapevine.errors import ConfigError, unknown

Where = str | Sequence[str] | pl.Expr
"""A condition, several that must all hold, or a polars expression."""

_CONDITION = re.compile(r"^\s*(\w+)\s*(<=|>=|!=|=|<|>)\s*(.*?)\s*$")


def items_where(table: pl.DataFrame, where: Where) -> Bool[np.ndarray, " items"] | None:
    """Which items meet every condition; one without a value meets none; None if none is asked.

    Args:
        table: one line an item.
        where: `column` and one of `= != < <= > >=` and a value. A column of lists (tags) is equal
            to each of its members.

    Raises:
        ConfigError: a condition is not of that form, or names a column that is not there.
    """
    conditions = [where] if isinstance(where, str | pl.Expr) else list(where)
    if not conditions:
        return None
    parsed = [one if isinstance(one, pl.Expr) else _parse(table, one) for one in conditions]
    return table.select(pl.all_horizontal(parsed).fill_null(False)).to_series().to_numpy()


def _parse(table: pl.DataFrame, condition: str) -> pl.Expr:
    match = _CONDITION.match(condition)
    if not match:
        raise ConfigError(
            f"`{condition}` is not a condition", hint="write column=value, price<20, year>=1990"
        )
    name, operator, text = match.groups()
    if name not in table.columns:
        raise unknown("item column", name, table.columns)
    kind = table.schema[name]
    column = pl.col(name)
    if isinstance(kind, pl.List):
        has = column.list.contains(text)
        return ~has if operator == "!=" else has
    try:
        value: Any = float(text) if kind.is_numeric() else text
    except ValueError:
        raise ConfigError(f"`{condition}`: {name} is a number, `{text}` is not") from None
    if kind.is_temporal() or kind == pl.Boolean:
        column = column.cast(pl.String)
    return {
        "=": column == value,
        "!=": column != value,
        "<": column < value,
        "<=": column <= value,
        ">": column > value,
        ">=": column >= value,
    }[operator]
