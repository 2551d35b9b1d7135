"""Beyond accuracy: how wide, how new, how varied and how fair to the catalogue the lists are.

`lists` are item rows, `(queries, k)`, -1 where nothing was shown. Functions with one value a query
give NaN to a query that was shown nothing; the others describe the whole catalogue at once.
"""

import numpy as np
import polars as pl
import scipy.sparse as sp
from jaxtyping import Bool, Float64, Int32, Int64

from grapevine import random
from grapevine.data.dataset import Dataset
from grapevine.structs.jagged import Jagged

Lists = Int32[np.ndarray, "queries k"]
PerItem = Int64[np.ndarray, " items"]
PerQuery = Float64[np.ndarray, " queries"]

SMOOTHING = 0.01
"""Alpha of Steck's calibration: keeps the divergence finite where a list lacks a category."""


def exposure(lists: Lists, num_items: int) -> PerItem:
    """How many lists each item is in."""
    return np.bincount(lists[lists >= 0], minlength=num_items)


def coverage(shown: PerItem) -> float:
    """Share of the catalogue that is in any list."""
    return float((shown > 0).mean()) if len(shown) else 0.0


def gini(shown: PerItem) -> float:
    """Inequality of exposure: 0 if every item is shown alike, near 1 if few items are all."""
    total, num_items = shown.sum(), len(shown)
    if total == 0:
        return 0.0
    place = np.arange(1, num_items + 1)
    return float(
        2 * (place * np.sort(shown)).sum() / (num_items * total) - (num_items + 1) / num_items
    )


def entropy(shown: PerItem) -> float:
    """Shannon entropy of exposure in bits; log2(items) if every item is shown alike."""
    share = shown[shown > 0] / max(shown.sum(), 1)
    return float(-(share * np.log2(share)).sum())


def lorenz(shown: PerItem, points: int = 101) -> Float64[np.ndarray, " points"]:
    """Share of all exposure that goes to the least shown 0, 1, ... 100 % of the items."""
    share = np.concatenate([[0.0], np.cumsum(np.sort(shown)) / max(shown.sum(), 1)])
    return np.interp(np.linspace(0, len(shown), points), np.arange(len(share)), share)


def novelty(lists: Lists, takers: PerItem, num_users: int) -> PerQuery:
    """Mean self-information in bits: -log2 of the share of users who took the item, plus one.

    Args:
        lists: what was shown.
        takers: training users of each item, each counted once.
        num_users: number of training users.
    """
    return _mean(lists, -np.log2((takers + 1) / (num_users + 1)))


def popularity(lists: Lists, counts: PerItem) -> PerQuery:
    """Average recommendation popularity (ARP): mean number of training events of the items."""
    return _mean(lists, counts.astype(float))


def tail_share(lists: Lists, counts: PerItem) -> PerQuery:
    """Share of long-tail items in a list (APLT; Abdollahpouri et al., RecSys 2017)."""
    return _mean(lists, (~head(counts)).astype(float))


def head(counts: PerItem) -> Bool[np.ndarray, " items"]:
    """The most popular items that together hold 20 % of the training events; the rest is tail."""
    order = np.argsort(-counts, kind="stable")
    before = np.cumsum(counts[order]) - counts[order]
    mask = np.zeros(len(counts), bool)
    mask[order] = before < 0.2 * counts.sum()
    return mask


def serendipity(lists: Lists, targets: Jagged, counts: PerItem) -> PerQuery:
    """Share of the list that is a target and not among the k most popular items."""
    k = lists.shape[1]
    obvious = np.argsort(-counts, kind="stable")[:k]
    query = np.repeat(np.arange(len(targets)), targets.lengths)
    keys = np.arange(len(lists))[:, None] * (len(counts) + 1) + lists
    hit = np.isin(keys, query * (len(counts) + 1) + targets.values) & (lists >= 0)
    surprises = (hit & ~np.isin(lists, obvious)).sum(axis=1)
    return np.where((lists >= 0).any(axis=1), surprises / max(k, 1), np.nan)


def personalisation(lists: Lists, *, seed: int = 0, pairs: int = 20_000) -> float:
    """1 - mean Jaccard overlap of two queries' lists, over so many pairs drawn by the seed."""
    if len(lists) < 2:
        return float("nan")
    rng = random.stream(seed, "personalisation")
    one = rng.integers(0, len(lists), pairs)
    other = (one + rng.integers(1, len(lists), pairs)) % len(lists)
    overlaps = []
    for low in range(0, pairs, 1000):
        a, b = lists[one[low : low + 1000]], lists[other[low : low + 1000]]
        common = ((a[:, :, None] == b[:, None, :]) & (a >= 0)[:, :, None]).sum((1, 2))
        either = (a >= 0).sum(1) + (b >= 0).sum(1) - common
        overlaps.append(np.where(either > 0, common / np.maximum(either, 1), 1.0))
    return float(1 - np.concatenate(overlaps).mean())


def item_features(train: Dataset) -> sp.csr_array | None:
    """`(items, features)` multi-hot of the catalogue's categories and tags; None without any.

    A column with a value of its own for more than half of the items is a name, and left out.
    """
    blocks = []
    for column, role in train.schema.items.items():
        if role not in {"category", "tags"} or column not in train.item_table.columns:
            continue
        values = train.item_table.select(pl.col(column).alias("value")).with_row_index("item")
        if isinstance(values["value"].dtype, pl.List):
            values = values.explode("value")
        values = values.drop_nulls().unique()
        codes = values["value"].cast(pl.String).rank("dense").to_numpy().astype(np.int64) - 1
        if len(codes) == 0 or codes.max() + 1 > max(len(train.items) / 2, 2):
            continue
        rows = values["item"].to_numpy().astype(np.int64)
        shape = (len(train.items), int(codes.max()) + 1)
        blocks.append(sp.csr_array((np.ones(len(codes)), (rows, codes)), shape=shape))
    return sp.csr_array(sp.hstack(blocks, format="csr")) if blocks else None


def diversity(lists: Lists, features: sp.csr_array) -> PerQuery:
    """Intra-list diversity (ILD): mean of 1 - cosine over the pairs of a list.

    The features are those of the content, not the model's own vectors, or a model would judge
    itself. An item without features is at distance 1 from every other. NaN with fewer than two.
    """
    length = np.sqrt(_row_sums(features.power(2)))
    unit = _scaled(features, length)
    total = sp.csr_array(_members(lists, len(length)) @ unit)
    square = _row_sums(total.power(2))
    # The square holds each item with itself too: 1 for an item with features, 0 for one without.
    own = np.nan_to_num(_mean(lists, (length > 0).astype(float)))
    shown = (lists >= 0).sum(axis=1)
    pairs = np.where(shown > 1, shown * (shown - 1.0), np.nan)
    return 1 - (square - own * shown) / pairs


def miscalibration(histories: Jagged, lists: Lists, features: sp.csr_array) -> PerQuery:
    """KL(history || list) over categories in nats, 0 if the list mirrors it (Steck, RecSys 2018).

    p is the mean over the history of each item's own distribution over its features, q the same
    over the list, smoothed to (1 - alpha) q + alpha p. NaN where history or list has no features.
    """
    shares = _scaled(features, _row_sums(features))
    shape = (len(histories), len(_row_sums(features)))
    past = sp.csr_array(
        (np.ones(len(histories.values)), histories.values, histories.offsets), shape=shape
    )
    p, q = past @ shares, _members(lists, shape[1]) @ shares
    known = (_row_sums(p) > 0) & (_row_sums(q) > 0)
    p, q = _scaled(p, _row_sums(p)), _scaled(q, _row_sums(q))
    # Only categories of the history count, and there the smoothed list is nowhere zero.
    smooth = sp.csr_array((1 - SMOOTHING) * q.multiply(p > 0) + SMOOTHING * p)
    p.sort_indices()
    smooth.sort_indices()
    terms = p.data * np.log(np.divide(p.data, smooth.data))
    query = np.repeat(np.arange(len(lists)), np.diff(p.indptr))
    divergence = np.bincount(query, weights=terms, minlength=len(lists))
    return np.where(known, divergence, np.nan)


def _row_sums(matrix: sp.csr_array) -> Float64[np.ndarray, " rows"]:
    return np.asarray(matrix.sum(axis=1), np.float64).ravel()


def _scaled(matrix: sp.csr_array, by: Float64[np.ndarray, " rows"]) -> sp.csr_array:
    """Each row divided by its number; rows of number 0 become 0."""
    factor = np.where(by > 0, 1 / np.where(by > 0, by, 1), 0.0)
    scaled = sp.csr_array(sp.diags_array(factor) @ matrix)
    scaled.eliminate_zeros()
    return scaled


def _members(lists: Lists, num_items: int) -> sp.csr_array:
    """`(queries, items)` with a one for each item of the list."""
    inside = lists >= 0
    offsets = np.concatenate([[0], np.cumsum(inside.sum(axis=1))])
    return sp.csr_array((np.ones(offsets[-1]), lists[inside], offsets), (len(lists), num_items))


def _mean(lists: Lists, worth: Float64[np.ndarray, " items"]) -> PerQuery:
    inside = lists >= 0
    total = np.where(inside, np.append(worth, 0.0)[lists], 0.0).sum(axis=1)
    shown = inside.sum(axis=1)
    return np.where(shown > 0, total / np.maximum(shown, 1), np.nan)
