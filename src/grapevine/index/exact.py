"""The k vectors with the greatest inner product, by looking at every one of them."""

import os

import numpy as np
from jaxtyping import Bool, Float32, Int64
from threadpoolctl import threadpool_limits

from grapevine.core.kernels.rank import rank_targets
from grapevine.index.native import at_most, faiss
from grapevine.structs.jagged import Jagged
from grapevine.structs.products import Products
from grapevine.structs.ranking import Ranking

FEW = 8
"""Up to so many queries are read past the vectors one by one, as fast as memory gives them; more
are multiplied as a matrix, each tile ranked while the cache holds it. Measured: one query of a
million vectors is twice as fast the first way, 128 are four times as fast the second."""


def exact(
    queries: Float32[np.ndarray, "queries width"],
    vectors: Float32[np.ndarray, "vectors width"],
    k: int,
    *,
    allow: Bool[np.ndarray, " vectors"] | None = None,
    threads: int | None = None,
) -> Ranking:
    """The best k rows for each query, best first; -1 where fewer than k are allowed.

    Args:
        queries: one vector each.
        vectors: what is searched; may be a memory map.
        k: length of the lists.
        allow: which rows may be found; all if not given.
        threads: how many to use; as many as there are cores if not given.
    """
    if not len(queries) or not len(vectors):
        return empty(len(queries), k)
    if len(queries) <= FEW and allow is None:
        return _one_by_one(queries, vectors, k, threads)
    nothing = Jagged.empty(len(queries))
    # The threads of the kernel multiply: a BLAS with threads of its own would wait for them.
    with threadpool_limits(1, "blas"):
        found = rank_targets(
            Products(queries, vectors), nothing, nothing, k=k, mask=allow, threads=threads
        )
    return found.best


def exact_of_few(
    queries: Float32[np.ndarray, "queries width"],
    vectors: Float32[np.ndarray, "vectors width"],
    rows: Int64[np.ndarray, " few"],
    k: int,
    *,
    threads: int | None = None,
) -> Ranking:
    """The best k of a few rows, which are taken out of the others first."""
    found = exact(queries, vectors[rows], k, threads=threads)
    if not len(rows):
        return found
    items = np.where(found.items >= 0, rows[np.maximum(found.items, 0)], -1)
    return Ranking(items.astype(np.int32), found.scores)


def merged(first: Ranking, second: Ranking, k: int) -> Ranking:
    """The best k of two lists for each query; among equals those of the first stand first."""
    items = np.concatenate([first.items, second.items], axis=1)
    scores = np.concatenate([first.scores, second.scores], axis=1)
    return best_first(items, scores, k)


def best_first(
    items: np.ndarray, scores: Float32[np.ndarray, "queries candidates"], k: int
) -> Ranking:
    """The best k of some candidates; those that score -inf are nothing."""
    order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    scores = np.take_along_axis(scores, order, axis=1)
    items = np.where(scores > -np.inf, np.take_along_axis(items, order, axis=1), -1)
    out = empty(len(items), k)
    out.items[:, : items.shape[1]], out.scores[:, : items.shape[1]] = items, scores
    return out


def empty(queries: int, k: int) -> Ranking:
    """Lists with nothing in them."""
    return Ranking(np.full((queries, k), -1, np.int32), np.full((queries, k), -np.inf, np.float32))


def _one_by_one(queries: np.ndarray, vectors: np.ndarray, k: int, threads: int | None) -> Ranking:
    # A thread without a query of its own is only waited for.
    with at_most(min(threads or os.cpu_count() or 1, len(queries))):
        scores, items = faiss().knn(
            queries, vectors, min(k, len(vectors)), metric=faiss().METRIC_INNER_PRODUCT
        )
    return best_first(items, np.where(items >= 0, scores, -np.inf).astype(np.float32), k)
