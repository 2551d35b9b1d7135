"""Groups of queries and of targets that every headline metric is reported for."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import polars as pl
from jaxtyping import Bool

from grapevine.data.dataset import Dataset
from grapevine.data.holdout import Holdout
from grapevine.errors import unknown
from grapevine.evaluation.rank import Ranked
from grapevine.structs.jagged import Jagged

POPULARITY = "target's training events"
HISTORY = "history length"
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
    """By popularity of the target, by length of the history, and by columns on request.

    Args:
        holdout: the questions.
        train: the catalogue, and what is popular.
        columns: of the user table or of the item table.

    Raises:
        ConfigError: no table has such a column.
    """
    found = [*_by_popularity(train), *_by_history(holdout)]
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


def _by_column(column: str, holdout: Holdout, train: Dataset) -> Iterator[Slice]:
    users, items = train.user_table, train.item_table
    if users is not None and column in users.columns and column != "user_id":
        for group, keep in _groups(users[column]):
            # A user met only in the holdout stands in no table: row -1 takes the added place.
            yield Slice(column, group, queries=np.append(keep, False)[holdout.users])
    elif column in items.columns and column != "item_id":
        for group, keep in _groups(items[column]):
            yield Slice(column, group, items=np.append(keep, False))
    else:
        tables = [*items.columns, *(users.columns if users is not None else [])]
        known = [name for name in tables if name not in {"item_id", "user_id"}]
        raise unknown("column of users or items", column, known)


def _groups(values: pl.Series) -> Iterator[tuple[str, Bool[np.ndarray, " rows"]]]:
    if values.dtype.is_numeric() and values.n_unique() > MOST_GROUPS:
        yield from _quarters(values.cast(pl.Float64).to_numpy(), len(values))
        return
    table = pl.DataFrame({"value": values}).with_row_index("row")
    if isinstance(values.dtype, pl.List):
        table = table.explode("value")
    table = table.drop_nulls().with_columns(pl.col("value").cast(pl.String))
    sizes = table.group_by("value").len().sort(["len", "value"], descending=[True, False])
    frequent = sizes["value"].head(MOST_GROUPS if len(sizes) <= MOST_GROUPS else MOST_GROUPS - 1)
    for value in frequent:
        yield str(value), _mask(table.filter(pl.col("value") == value)["row"], len(values))
    rest = table.filter(~pl.col("value").is_in(frequent.implode()))
    if len(rest):
        yield "other", _mask(rest["row"], len(values))
    if len(given := table["row"].unique()) < len(values):
        yield "not given", ~_mask(given, len(values))


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
