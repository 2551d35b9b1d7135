"""Building an index, and measuring how much of the exact answer it finds."""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
from jaxtyping import Float32, Int64

from grapevine.errors import ConfigError, unknown
from grapevine.index import native
from grapevine.index.exact import FEW, best_first, exact
from grapevine.index.vector_index import Settings, VectorIndex, as_ids, comparable
from grapevine.log import bar
from grapevine.random import stream
from grapevine.structs.ranking import Ranking

KINDS = ("auto", "flat", "hnsw", "ivf", "pq")
METRICS = ("inner-product", "cosine")
FLAT_ROWS = 1_000_000
"""Up to so many vectors looking at all of them is fast enough, and exact."""
SAMPLE = 1000
"""Queries that choose the effort, and as many others that measure what it gives."""
TOLERANCE = 1e-5
"""Scores so near, relative to the vectors' lengths, are equal: sums round differently."""


def build(
    vectors: Float32[np.ndarray, "rows width"],
    ids: Sequence[Any] | pl.Series,
    *,
    kind: str = "auto",
    metric: str = "inner-product",
    recall: float = 0.95,
    recall_at: int = 10,
    queries: Float32[np.ndarray, "queries width"] | None = None,
    queries_from: str = "given",
    seed: int = 0,
) -> VectorIndex:
    """An index of these vectors, searched just widely enough for the recall wanted.

    How widely is measured, so that nobody needs to know `nprobe` or `efSearch`: half of a sample
    of queries chooses the least effort that reaches the recall, the other half tells what it gives.

    Args:
        vectors: one a row.
        ids: as many, distinct, integers or strings.
        kind: "flat" is exact; "ivf", "hnsw" and "pq" are not; "auto" is flat up to a million
            vectors.
        metric: "inner-product" or "cosine".
        recall: the share of the exact best that an approximate index should find.
        recall_at: how many are the best.
        queries: what will be asked, as examples; the vectors themselves if not given.
        queries_from: what they are, for the record.
        seed: for samples, centres and levels.

    Raises:
        ConfigError: an option is unknown or impossible, or the vectors cannot be searched.
    """
    if kind not in KINDS:
        raise unknown("kind of index", kind, KINDS)
    if metric not in METRICS:
        raise unknown("metric", metric, METRICS)
    if not 0 < recall <= 1:
        raise ConfigError(f"recall must be above 0 and at most 1: got {recall}")
    if vectors.ndim != 2 or 0 in vectors.shape:
        raise ConfigError(f"there is nothing to search in an array of {vectors.shape}")
    if kind == "auto":
        kind = "flat" if len(vectors) <= FLAT_ROWS else "ivf"
    started = time.perf_counter()
    series = as_ids(ids, len(vectors))
    known = comparable(vectors, metric)
    with bar(f"building {kind}", None):
        made = native.BUILDERS[kind](known, seed=seed) if kind != "flat" else None
    settings = Settings(
        kind=kind,
        metric=metric,
        width=vectors.shape[1],
        effort=0,
        wanted=recall,
        recall=1.0,
        recall_at=min(recall_at, len(vectors)),
        queries=0,
        queries_from="items" if queries is None else queries_from,
        queries_per_second=0.0,
        build_seconds=0.0,
        seed=seed,
    )
    index = VectorIndex(
        settings=settings,
        ids=series,
        vectors=known,
        added=np.empty((0, vectors.shape[1]), np.float32),
        deleted=np.zeros(len(vectors), bool),
        native=made,
    )
    return measured(index, queries, started)


def measured(
    index: VectorIndex, queries: Float32[np.ndarray, "queries width"] | None, started: float
) -> VectorIndex:
    """The index with the least effort that finds enough, and what that finds."""
    settings = index.settings
    asked, own = _sample(index, queries)
    half = len(asked) - len(asked) // 2
    chooses, tells = slice(0, half), slice(half, None) if half < len(asked) else slice(None)
    with bar("measuring recall", None):
        if index.native is not None:
            truth = _answer(index.vectors, asked, own, settings.recall_at)
            narrowest, widest = native.bounds(index.native, settings.kind, settings.recall_at)

            def recall(effort: int, part: slice) -> float:
                wider = replace(index, settings=replace(settings, effort=effort))
                found = wider.search(asked[part], settings.recall_at + (own is not None))
                mine = own[part] if own is not None else None
                best = Ranking(truth.items[part], truth.scores[part])
                return recall_of(without(found, mine, settings.recall_at), best)

            effort = least(
                lambda effort: recall(effort, chooses) >= settings.wanted, narrowest, widest
            )
            settings = replace(settings, effort=effort, recall=recall(effort, tells))
        chosen = replace(index, settings=settings)
        chosen.search(asked[: 2 * FEW], settings.recall_at, threads=1)  # compiles
        before = time.perf_counter()
        chosen.search(asked[tells], settings.recall_at, threads=1)
        seconds = time.perf_counter() - before
    settings = replace(
        settings,
        queries=len(asked[tells]),
        queries_per_second=len(asked[tells]) / seconds,
        build_seconds=before - started,
    )
    return replace(index, settings=settings)


def recall_of(found: Ranking, truth: Ranking) -> float:
    """The share of the true best k that was found.

    An item that scores as much as the true k-th is as good as that one, so that many equal
    vectors (items that nothing is known of) do not count against an index.
    """
    wanted = (truth.items >= 0).sum(1)
    last = np.take_along_axis(truth.scores, np.maximum(wanted - 1, 0)[:, None], axis=1)
    floor = last - TOLERANCE * np.maximum(np.abs(truth.scores[:, :1]), np.abs(last))
    hits = ((found.items >= 0) & (found.scores >= floor)).sum(1)
    return float(np.minimum(hits, wanted).sum() / max(wanted.sum(), 1))


def least(enough: Callable[[int], bool], narrowest: int, most: int) -> int:
    """The least effort of `narrowest` to `most` that is enough; `most` if none is."""
    low, high = narrowest - 1, narrowest  # `low` is not enough
    while high < most and not enough(high):
        low, high = high, min(2 * high, most)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


def without(found: Ranking, own: Int64[np.ndarray, " queries"] | None, k: int) -> Ranking:
    """The lists without the row that asked, which is nobody's answer."""
    if own is None:
        return found
    scores = np.where(found.items == own[:, None], -np.inf, found.scores).astype(np.float32)
    return best_first(found.items, scores, k)


def _sample(
    index: VectorIndex, queries: Float32[np.ndarray, "queries width"] | None
) -> tuple[np.ndarray, Int64[np.ndarray, " queries"] | None]:
    """What to ask, in a random order; and, of the index's own vectors, their rows."""
    given = queries is not None and len(queries) > 0
    pool = queries if queries is not None and given else index.vectors
    size = min(2 * SAMPLE, len(pool))
    rows = stream(index.settings.seed, "index", "sample").choice(len(pool), size, replace=False)
    asked = comparable(np.ascontiguousarray(pool[rows]), index.settings.metric)
    return asked, None if given else rows


def _answer(
    vectors: np.ndarray, asked: np.ndarray, own: Int64[np.ndarray, " queries"] | None, k: int
) -> Ranking:
    return without(exact(asked, vectors, k + (own is not None)), own, k)
