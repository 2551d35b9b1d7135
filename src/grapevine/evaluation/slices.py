"""Groups of queries and of targets that every headline metric is reported for."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import polars as pl
from jaxtyping import Bool

from grapevine.data.columns import nameable, nameable_columns
from grapevine.data.dataset import Dataset
from grapevine.data.holdout import Holdout
from grapevine.errors import ConfigError, unknown
from grapevine.evaluation.ranked import Ranked
from grapevine.structs.jagged import Jagged

POPULARITY = "target's training events"
HISTORY = "history length"
OWN = "user's target events"
OWN_EDGES = (0, 1, 3, 6)
"""Groups of users by how often they did what is asked for: never, once or twice, ..."""
MOST_GROUPS = 12
"""A column with more values keeps its most frequent ones; the rest is `other`."""


@dataclass(frozen=True, slots=True)
class Slice:
    """Queries of a kind, or targets of a kind.

    Attributes:
        by: what is told apart: a column, the targets' popularity, the history's length.
        group: which of it.
        queries: `(queries,)` whose answers count; all if None.
        items: `(items + 1,)` which targets count; all if None. The last place is row -1.
    """

    by: str
    group: str
    queries: Bool[np.ndarray, " queries"] | None = None
    items: Bool[np.ndarray, " items_plus_one"] | None = None

    def ranks(self, ranked: Ranked) -> Jagged:
        """The ranks that count; a query without any has an empty list."""
        keep = np.ones(len(ranked.targets.values), bool)
        if self.items is not None:
            keep &= self.items[ranked.targets.values]
        if self.queries is not None:
            keep &= np.repeat(self.queries, ranked.targets.lengths)
        return ranked.ranks.where(keep)


def slices_of(holdout: Holdout, train: Dataset, columns: Sequence[str] = ()) -> list[Slice]:
    """By popularity of the target, by the user's history, and by columns on request.

    By the history's length; and by how much of it is what is asked for, where there are several
    behaviours.

    Args:
        holdout: the questions.
        train: the catalogue, and what is popular.
        columns: of the user table or of the item table. Numbers are put into quarters unless few
            of them differ; of lists, each member is a group, and may share queries with others.

    Raises:
        ConfigError: no table has such a column, or its values have no names.
    """
    found = [*_by_popularity(train), *_by_history(holdout), *_by_own(holdout, train)]
    for column in columns:
        found.extend(_by_column(column, holdout, train))
    return found


def _by_popularity(train: Dataset) -> Iterator[Slice]:
    counts = np.append(train.target_interactions.counts(), 0)
    edges = [0, 1, 5, 50, 500, np.iinfo(np.int64).max]
    for low, high in pairwise(edges):
        group = "none" if low == 0 else f"{low}-{high - 1}" if high < edges[-1] else f"{low}+"
        yield Slice(POPULARITY, group, items=(counts >= low) & (counts < high))


def _by_history(holdout: Holdout) -> Iterator[Slice]:
    # The length is that of all behaviours: what the model may look at.
    lengths = np.append(np.diff(holdout.history.offsets), 0)[holdout.users]
    yield from (
        Slice(HISTORY, group, queries=keep) for group, keep in _quarters(lengths, len(lengths))
    )


def _by_own(holdout: Holdout, train: Dataset) -> Iterator[Slice]:
    if len(train.schema.behaviours) == 1:
        return
    history = holdout.history.of(holdout.target)
    counts = np.append(np.diff(history.offsets), 0)[holdout.users]
    for low, high in pairwise([*OWN_EDGES, np.iinfo(np.int64).max]):
        group = "none" if low == 0 else f"{low}-{high - 1}" if low < OWN_EDGES[-1] else f"{low}+"
        keep = (counts >= low) & (counts < high)
        if keep.any():
            yield Slice(OWN, group, queries=keep)


def _by_column(column: str, holdout: Holdout, train: Dataset) -> Iterator[Slice]:
    users, items = train.user_table, train.item_table
    if users is not None and column in users.columns and column != "user_id":
        table = users
    elif column in items.columns and column != "item_id":
        table = items
    else:
        raise unknown("column of users or items", column, _usable(train))
    if not nameable(table.schema[column]):
        raise ConfigError(
            f"no groups can be made of `{column}`: it holds {table.schema[column]}",
            hint=f"columns that will do: {', '.join(_usable(train)) or 'none'}",
        )
    for group, keep in _groups(table[column]):
        # What training did not know stands in no table: row -1 takes the added place.
        keep = np.append(keep, False)
        if table is users:
            yield Slice(column, group, queries=keep[holdout.users])
        else:
            yield Slice(column, group, items=keep)


def _usable(train: Dataset) -> list[str]:
    tables = [train.item_table, *([] if train.user_table is None else [train.user_table])]
    names = [name for table in tables for name in nameable_columns(table)]
    return [name for name in names if name not in {"item_id", "user_id"}]


def _groups(values: pl.Series) -> Iterator[tuple[str, Bool[np.ndarray, " rows"]]]:
    if values.dtype.is_numeric() and values.n_unique() > MOST_GROUPS:
        numbers = values.cast(pl.Float64).to_numpy()
        yield from _quarters(numbers, len(values))
        given = np.isfinite(numbers)
    else:
        table = pl.DataFrame({"value": values}).with_row_index("row")
        if isinstance(values.dtype, pl.List):
            table = table.explode("value")
        table = table.drop_nulls().with_columns(pl.col("value").cast(pl.String))
        yield from _by_name(table, len(values))
        given = _mask(table["row"], len(values))
    if not given.all():
        yield "not given", ~given


def _by_name(table: pl.DataFrame, size: int) -> Iterator[tuple[str, Bool[np.ndarray, " rows"]]]:
    """A group for each frequent `value` of the table, with its `row`s; one for all the rest."""
    sizes = table.group_by("value").len().sort(["len", "value"], descending=[True, False])
    frequent = sizes["value"].head(MOST_GROUPS if len(sizes) <= MOST_GROUPS else MOST_GROUPS - 1)
    for value in frequent:
        yield str(value), _mask(table.filter(pl.col("value") == value)["row"], size)
    rest = table.filter(~pl.col("value").is_in(frequent.implode()))
    if len(rest):
        yield "other", _mask(rest["row"], size)


def _quarters(values: np.ndarray, size: int) -> Iterator[tuple[str, Bool[np.ndarray, " rows"]]]:
    """Four groups of about the same size, fewer where many values are the same."""
    finite = values[np.isfinite(values)] if size else values
    if len(finite) == 0:
        return
    edges = np.unique(np.quantile(finite, [0, 0.25, 0.5, 0.75, 1], method="lower"))
    for low, high in zip(edges, [*edges[1:-1], np.inf] if len(edges) > 1 else [np.inf]):
        inside = (values >= low) & (values < high)
        last = values[inside].max() if inside.any() else low
        yield (f"{low:g}" if last == low else f"{low:g}-{last:g}"), inside


def _mask(rows: pl.Series, size: int) -> Bool[np.ndarray, " rows"]:
    mask = np.zeros(size, bool)
    mask[rows.to_numpy()] = True
    return mask
