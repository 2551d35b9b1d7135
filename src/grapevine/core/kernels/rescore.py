"""True scores of a few candidates for each query, and the best of them."""

from concurrent.futures import ThreadPoolExecutor

import numba
import numpy as np
from jaxtyping import Float32, Int32, Int64

from grapevine.core.kernels.insert import insert
from grapevine.structs.ranking import Ranking

ALONE = 256
"""Queries that are not worth a second thread."""


def rescore(
    queries: Float32[np.ndarray, "queries width"],
    vectors: Float32[np.ndarray, "vectors width"],
    rows: Int64[np.ndarray, "queries candidates"],
    k: int,
    *,
    threads: int = 1,
) -> Ranking:
    """The best k of the candidates by inner product; among equals those that came first.

    Args:
        queries: one vector each.
        vectors: what the rows name; may be a memory map.
        rows: candidates of each query, -1 for none.
        k: length of the lists.
        threads: how many to use.

    Raises:
        ValueError: a row is out of range: compiled code would read where it must not.
    """
    if rows.size and not -1 <= rows.min() <= rows.max() < len(vectors):
        raise ValueError(f"rows must lie in [-1, {len(vectors)})")
    items = np.full((len(queries), k), -1, np.int32)
    scores = np.full((len(queries), k), -np.inf, np.float32)
    plain = np.asarray(vectors)
    parts = min(threads, -(-len(queries) // ALONE))
    if parts <= 1:
        _rescore(queries, plain, rows, items, scores)
        return Ranking(items, scores)
    edges = np.linspace(0, len(queries), parts + 1).astype(int)

    def work(start: int, stop: int) -> None:
        part = slice(start, stop)
        _rescore(queries[part], plain, rows[part], items[part], scores[part])

    with ThreadPoolExecutor(parts) as pool:
        list(pool.map(work, edges[:-1], edges[1:]))
    return Ranking(items, scores)


# The order of a sum may change, so that eight or sixteen numbers are multiplied at once.
@numba.njit(cache=True, nogil=True, fastmath={"reassoc", "contract"})
def _rescore(
    queries: Float32[np.ndarray, "queries width"],
    vectors: Float32[np.ndarray, "vectors width"],
    rows: Int64[np.ndarray, "queries candidates"],
    items: Int32[np.ndarray, "queries k"],
    scores: Float32[np.ndarray, "queries k"],
) -> None:
    k = items.shape[1]
    for query in range(len(queries)):
        for row in rows[query]:
            if row < 0:
                continue
            score = np.float32(0)
            for j in range(queries.shape[1]):
                score += queries[query, j] * vectors[row, j]
            if k and score > scores[query, k - 1]:
                insert(items[query], scores[query], row, score, k - 1)
