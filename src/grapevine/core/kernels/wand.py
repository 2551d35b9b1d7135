"""Weak-AND over posting lists: the top k by token score, most rows never looked at.

Broder, Carmel, Herscovici, Soffer, Zien: Efficient query evaluation using a two-level retrieval
process. CIKM 2003, section 3.
"""

import numba
import numpy as np
from jaxtyping import Float32, Float64, Int32, Int64

from grapevine.core.kernels.insert import insert

SLACK = 1 + 1e-12
"""Bounds and scores add the same numbers in different orders, and must not differ for that."""


@numba.njit(cache=True, nogil=True)
def weak_and(
    tokens: Int32[np.ndarray, "queries lists"],
    offsets: Int64[np.ndarray, " tokens_plus_one"],
    rows: Int32[np.ndarray, " postings"],
    weights: Float32[np.ndarray, " postings"],
    bounds: Float32[np.ndarray, " tokens"],
    items: Int32[np.ndarray, "queries k"],
    scores: Float64[np.ndarray, "queries k"],
) -> Int64[np.ndarray, " queries"]:
    """Fill the best rows of each query and their scores; how many rows were scored for each.

    Args:
        tokens: of each query, distinct.
        offsets: where the posting list of each token starts.
        rows: that have the token, rising within each list.
        weights: positive, what the token counts for in that row.
        bounds: the greatest weight of each list.
        items: to be filled; -1 before.
        scores: to be filled; -inf before.
    """
    queries, lists = tokens.shape
    scored = np.zeros(queries, np.int64)
    place, stop = np.empty(lists, np.int64), np.empty(lists, np.int64)
    bound, order = np.empty(lists, np.float64), np.empty(lists, np.int64)
    for query in range(queries):
        alive = 0
        for j in range(lists):
            token = tokens[query, j]
            place[j], stop[j], bound[j] = offsets[token], offsets[token + 1], bounds[token]
            if place[j] < stop[j]:
                order[alive] = j
                alive += 1
        while alive:
            _sort(order[:alive], place, rows)
            # A row without any token scores 0 and is no answer.
            beaten = max(scores[query, -1], 0.0)
            pivot = _pivot(order[:alive], bound, beaten)
            if pivot < 0:
                break
            row = int(rows[place[order[pivot]]])
            if rows[place[order[0]]] == row:
                score = _score(row, rows, weights, place, stop)
                # Rows come rising, so that of equals the lower one stays ahead.
                if score > scores[query, -1]:
                    insert(items[query], scores[query], row, score, items.shape[1] - 1)
                scored[query] += 1
            else:
                # What lies before the pivot's row cannot beat the k-th, in any of these lists.
                for j in order[:pivot]:
                    place[j] += np.searchsorted(rows[place[j] : stop[j]], row)
            alive = _drop_exhausted(order[:alive], place, stop)
    return scored


@numba.njit(cache=True, nogil=True)
def _sort(
    order: Int64[np.ndarray, " alive"],
    place: Int64[np.ndarray, " lists"],
    rows: Int32[np.ndarray, " postings"],
) -> None:
    """Lists by the row they stand at; nearly sorted before, so by insertion."""
    for i in range(1, len(order)):
        moved = order[i]
        row = rows[place[moved]]
        j = i
        while j > 0 and rows[place[order[j - 1]]] > row:
            order[j] = order[j - 1]
            j -= 1
        order[j] = moved


@numba.njit(cache=True, nogil=True)
def _pivot(
    order: Int64[np.ndarray, " alive"], bound: Float64[np.ndarray, " lists"], beaten: float
) -> int:
    """The first list at which a row can have more than the k-th best; -1 where none can."""
    total = 0.0
    for i in range(len(order)):
        total += bound[order[i]]
        if total * SLACK > beaten:
            return i
    return -1


@numba.njit(cache=True, nogil=True)
def _score(
    row: int,
    rows: Int32[np.ndarray, " postings"],
    weights: Float32[np.ndarray, " postings"],
    place: Int64[np.ndarray, " lists"],
    stop: Int64[np.ndarray, " lists"],
) -> float:
    """The whole score of a row, in the order of the query's tokens; moves its lists on."""
    score = 0.0
    for j in range(len(place)):
        if place[j] < stop[j] and rows[place[j]] == row:
            score += float(weights[place[j]])
            place[j] += 1
    return score


@numba.njit(cache=True, nogil=True)
def _drop_exhausted(
    order: Int64[np.ndarray, " alive"],
    place: Int64[np.ndarray, " lists"],
    stop: Int64[np.ndarray, " lists"],
) -> int:
    """Keep the lists that have rows left, in order; how many those are."""
    kept = 0
    for i in range(len(order)):
        if place[order[i]] < stop[order[i]]:
            order[kept] = order[i]
            kept += 1
    return kept
