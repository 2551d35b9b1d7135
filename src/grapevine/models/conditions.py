"""Conditions on the item table: `price<20`, `category=tops`, `tags!=winter`."""

import difflib
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl
from jaxtyping import Bool

from grapevine.data.columns import nameable, nameable_columns
from grapevine.errors import ConfigError, unknown

Where = str | Sequence[str] | pl.Expr
"""A condition, several that must all hold, or a polars expression."""

MOST_COMPARED = 50_000
"""So many names are compared with a misspelt one: a moment's work."""

_CONDITION = re.compile(r"^\s*(\w+)\s*(<=|>=|!=|=|<|>)\s*(.*?)\s*$")


def items_where(table: pl.DataFrame, where: Where) -> Bool[np.ndarray, " items"] | None:
    """Which items meet every condition; one without a value meets none; None if none is asked.

    Args:
        table: one line an item.
        where: `column` and one of `= != < <= > >=` and a value. A column of lists (tags) is equal
            to each of its members.

    Raises:
        ConfigError: a condition is not of that form, or names a column that is not there or has
            no values to compare with.
    """
    conditions = [where] if isinstance(where, str | pl.Expr) else list(where)
    if not conditions:
        return None
    parsed = [one if isinstance(one, pl.Expr) else _parse(table, one) for one in conditions]
    return table.select(pl.all_horizontal(parsed).fill_null(False)).to_series().to_numpy()


def nearest_value(table: pl.DataFrame, condition: str) -> str | None:
    """The condition with the nearest value that some item has, for `column=value`; else None."""
    match = _CONDITION.match(condition)
    if not match or match[2] != "=" or match[1] not in table.columns:
        return None
    values = table[match[1]]
    if isinstance(values.dtype, pl.List):
        values = values.explode()
    if values.dtype != pl.String:
        return None
    known = values.drop_nulls().unique(maintain_order=True).head(MOST_COMPARED).to_list()
    folded = {value.casefold(): value for value in known}
    near = difflib.get_close_matches(match[3].casefold(), folded, n=1)
    return f"{match[1]}={folded[near[0]]}" if near else None


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
    if not nameable(kind):
        raise ConfigError(
            f"`{condition}`: {name} holds {kind}, which no value can be compared with",
            hint=f"columns that will do: {', '.join(nameable_columns(table))}",
        )
    if isinstance(kind, pl.List):
        if operator not in {"=", "!="}:
            raise ConfigError(
                f"`{condition}`: {name} holds lists, which are neither less nor more",
                hint=f"write {name}={text} or {name}!={text}",
            )
        has = column.cast(pl.List(pl.String)).list.contains(text)
        return ~has if operator == "!=" else has
    try:
        value: Any = float(text) if kind.is_numeric() else text
    except ValueError:
        raise ConfigError(
            f"`{condition}`: {name} is a number, `{text}` is not",
            hint="write a number with a decimal point, such as 200.50",
        ) from None
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
