"""What competes with the targets: every item, cold ones, sampled negatives, or published lists.

Sampled metrics order models otherwise than full ones do (Krichene & Rendle, KDD 2020): they are
here for comparison with tables of the same protocol, and every report says so.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from jaxtyping import Float32, Int32, Int64, Shaped

from grapevine.data.dataset import Dataset
from grapevine.data.negatives import sample
from grapevine.data.vocabulary import Vocabulary
from grapevine.errors import BundleError, ConfigError
from grapevine.structs.jagged import Jagged, offsets_of
from grapevine.structs.rising import holds, places

SAMPLED_WARNING = (
    "sampled metrics (`{name}`): they can put models in another order than full ranking does, so "
    "compare them only with tables of the same protocol (Krichene & Rendle, KDD 2020)"
)

COLD_WARNING = (
    "the {number:,} items without a training event compete among themselves alone: what is known "
    "of them is measured, and not whether they would come up among all items"
)

ROW_BITS = 32
"""Item rows have so many bits, and the query's place stands above them in a key of both."""


@dataclass(frozen=True, kw_only=True)
class Candidates:
    """What competes with the targets of each query.

    Attributes:
        name: "all", "cold", "uniform-100", "popular-100", ..., "published (99 negatives)".
        number: how many negatives are drawn for each query.
        weights: `(items,)` each is drawn in proportion to its own, or None.
        fixed: published lists, one a query, or None.
        pool: `(pool,)` rising item rows that compete in every query, or None.
        seed: for the draws.
        queries: `(queries,)` number of each query in the whole holdout, which names its draws, so
            that a sample of the queries gets the negatives it has in the whole.
    """

    name: str = "all"
    number: int = 0
    weights: Shaped[np.ndarray, " items"] | None = None
    fixed: Jagged | None = None
    pool: Int64[np.ndarray, " pool"] | None = None
    seed: int = 0
    queries: Int64[np.ndarray, " queries"] | None = None

    @property
    def everything(self) -> bool:
        """Whether every item competes."""
        return self.weights is None and self.fixed is None and self.pool is None

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a report must say about this protocol."""
        if self.pool is not None:
            return (COLD_WARNING.format(number=len(self.pool)),)
        return () if self.everything else (SAMPLED_WARNING.format(name=self.name),)

    def lists(self, targets: Jagged, seen: Jagged, first: int) -> Jagged:
        """Rising item rows of each query's candidates, its targets included, what it saw not.

        Args:
            targets: of a block of queries.
            seen: what they may not be shown.
            first: place of the block's first query.
        """
        # Plain sorting: numpy's functions of sets take far longer over as many keys.
        wanted, met = _keys(targets), np.sort(_keys(seen))
        forbidden = _lists(np.sort(np.concatenate([wanted, met])), len(targets))
        others = _keys(self._others(first, forbidden))
        keys = np.sort(np.concatenate([wanted, others]))
        first_time = np.diff(keys, prepend=-1) > 0
        return _lists(keys[first_time & ~holds(met, keys)], len(targets))

    def _others(self, first: int, forbidden: Jagged) -> Jagged:
        """Negatives of the queries from the first one on; -1 is nobody."""
        queries = len(forbidden)
        if self.fixed is not None:
            return self.fixed.slice(first, first + queries)
        if self.pool is not None:
            offsets = np.arange(queries + 1) * len(self.pool)
            return Jagged(offsets, np.tile(self.pool, queries).astype(np.int32))
        assert self.weights is not None
        places = np.arange(first, first + queries)
        keys = places if self.queries is None else self.queries[places]
        drawn = sample(self.seed, keys, forbidden, len(self.weights), self.number, self.weights)
        return Jagged(np.arange(queries + 1) * self.number, drawn.ravel())


ALL = Candidates()


def candidates_of(
    candidates: str | Jagged,
    train: Dataset,
    *,
    queries: Int64[np.ndarray, " queries"],
    users: Int64[np.ndarray, " queries"] | None = None,
    seed: int = 0,
) -> Candidates:
    """The protocol of this name, or with these lists.

    Args:
        candidates: "all"; "cold" for the items without a training event; "uniform-N" or
            "popular-N" for N negatives drawn for each query, every item alike or in proportion to
            its training events; "published" for the lists in the dataset's folder; or lists of item
            rows, one for each query of the whole holdout.
        train: tells what is popular, and where the folder is.
        queries: number of each query in the whole holdout.
        users: user row of each query: published lists are by user.
        seed: for the draws.

    Raises:
        ConfigError: there is no such protocol, or the lists do not fit the queries.
        BundleError: the published lists cannot be read.
    """
    if isinstance(candidates, Jagged):
        if len(candidates) <= queries.max(initial=-1):
            raise ConfigError(
                f"{len(candidates)} lists of candidates for {queries.max() + 1} queries",
                hint="give one list for each query of the holdout, in its order",
            )
        return _published(candidates.take(queries))
    if candidates == "all":
        return ALL
    if candidates == "published":
        if train.path is None or users is None:
            raise ConfigError(
                "published candidates are read from the dataset's folder, by user: there is none",
                hint="open the dataset with `open_dataset`, or choose popular-100",
            )
        return _published(published_negatives(train.path, train.users, train.items, users))
    if candidates == "cold":
        pool = np.flatnonzero(train.interactions.counts() == 0)
        if not len(pool):
            raise ConfigError(
                "every item has a training event: there is no cold one to rank",
                hint="split by cold-items, or choose all",
            )
        return Candidates(name=candidates, pool=pool)
    kind, _, number = candidates.partition("-")
    if kind not in {"uniform", "popular"} or not number.isdecimal() or int(number) == 0:
        raise ConfigError(
            f"no candidate protocol is called `{candidates}`",
            hint="choose all, cold, uniform-N or popular-N, such as popular-100, or published",
        )
    counts = train.target_interactions.counts()
    return Candidates(
        name=candidates,
        number=int(number),
        weights=np.ones(len(train.items)) if kind == "uniform" else counts,
        seed=seed,
        queries=queries,
    )


def published_negatives(
    folder: Path, users: Vocabulary, items: Vocabulary, queries: Int64[np.ndarray, " queries"]
) -> Jagged:
    """The negatives that the dataset's authors published, one list for each query.

    Args:
        folder: of the dataset; `negatives.parquet` there has `user_id` and a list of `item_id`.
        users: of the training set.
        items: likewise; items it does not know are left out.
        queries: user row of each query.

    Returns:
        Item rows in the published order. A list may hold its own query's target, as 156 of those
        of NCF do: `Candidates.lists` counts it once, as the target.

    Raises:
        ConfigError: the folder has no such table, or a query's user is not in it.
        BundleError: the table is damaged, or has not one list of each user.
    """
    path = folder / "negatives.parquet"
    if not path.is_file():
        raise ConfigError(
            f"{folder}: its authors published no negatives (there is no negatives.parquet)",
            hint="choose all or popular-100; `grapevine data fetch ml-1m-ncf` has published ones",
        )
    try:
        table = pl.read_parquet(path, columns=["user_id", "item_id"])
        table = table.with_columns(pl.col("item_id").cast(pl.List(items.ids.dtype)))
    except (pl.exceptions.PolarsError, OSError) as error:
        raise BundleError(f"{path}: damaged: {error}") from error
    if table["user_id"].is_duplicated().any():
        raise BundleError(f"{path}: there must be one list for each user")
    place = np.full(len(users) + 1, -1)
    rows = users.rows(table["user_id"])
    place[rows[rows >= 0]] = np.flatnonzero(rows >= 0)
    wanted = place[queries]
    if (wanted < 0).any():
        lacking = int(np.count_nonzero(wanted < 0))
        raise ConfigError(
            f"{path}: no list for {lacking:,} of {len(queries):,} queries",
            hint="published negatives fit the published split: --split-by published",
        )
    lists = table["item_id"].list.drop_nulls()
    offsets = offsets_of(lists.list.len().fill_null(0).to_numpy())
    values = items.rows(lists.explode().drop_nulls())
    found = Jagged(offsets, values.astype(np.int32)).take(wanted)
    return found.where(found.values >= 0)


def _published(lists: Jagged) -> Candidates:
    sizes = np.unique(lists.lengths) if len(lists) else np.zeros(1, np.int64)
    number = str(sizes[0]) if len(sizes) == 1 else f"{sizes[0]} to {sizes[-1]}"
    return Candidates(name=f"published ({number} negatives)", fixed=lists)


def gather(
    scores: Float32[np.ndarray, "queries items"], lists: Jagged, targets: Jagged
) -> tuple[Int32[np.ndarray, "queries width"], Float32[np.ndarray, "queries width"], Jagged]:
    """The candidates' columns alone, side by side: item rows, scores (-inf fills up), targets.

    Args:
        scores: of all items.
        lists: rising item rows of each query's candidates.
        targets: item rows; one that is not a candidate becomes -1.
    """
    num_items, width = scores.shape[1], int(lists.lengths.max(initial=0))
    inside = np.arange(width) < lists.lengths[:, None]
    columns = np.zeros((len(lists), width), np.int32)
    columns[inside] = lists.values
    block = np.where(inside, np.take_along_axis(scores, columns.astype(np.int64), 1), -np.inf)
    keys = np.repeat(np.arange(len(lists)), lists.lengths) * num_items + lists.values
    query = np.repeat(np.arange(len(targets)), targets.lengths)
    wanted = query * num_items + targets.values
    place = places(keys, wanted)
    known = (targets.values >= 0) & (place >= 0)
    own = np.where(known, place - lists.offsets[query], -1).astype(np.int32)
    return columns, block.astype(np.float32, copy=False), Jagged(targets.offsets, own)


def _keys(lists: Jagged) -> Int64[np.ndarray, " known"]:
    """A number for each pair of query and item, without the -1 of items that are not known."""
    query = np.repeat(np.arange(len(lists), dtype=np.int64), lists.lengths)
    known = lists.values >= 0
    return (query[known] << ROW_BITS) + lists.values[known]


def _lists(keys: Int64[np.ndarray, " keys"], queries: int) -> Jagged:
    """The item rows of rising keys, by query."""
    lengths = np.bincount(keys >> ROW_BITS, minlength=queries)
    return Jagged(offsets_of(lengths), (keys & (2**ROW_BITS - 1)).astype(np.int32))
