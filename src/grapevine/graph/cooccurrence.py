"""Which items are taken by the same users: the item-item graph, row by row from the CSR arrays."""

import numpy as np
from jaxtyping import Float32, Float64
from numba import njit, prange
from scipy.sparse import csr_matrix

from grapevine.structs.jagged import Jagged, offsets_of

BLOCKS = 64
"""Rows are dealt out to this many blocks in turn, so that threads get like shares of heavy rows.

It is fixed, so that no result depends on the number of threads.
"""


def distinct(lists: Jagged, num_items: int) -> Jagged:
    """What each list holds, each item once, in rising order: the rows of a 0/1 matrix."""
    return _rows(_ones(lists, num_items))


def transposed(lists: Jagged, num_items: int) -> Jagged:
    """Which lists hold each item, in rising order: the columns of the same matrix."""
    return _rows(_ones(lists, num_items).T.tocsr())


def both_ways(lists: Jagged, num_items: int) -> Jagged:
    """The neighbours of each node of the graph of lists and items, rising; item i is `lists + i`.

    Args:
        lists: distinct items each, in rising order (`distinct`).
        num_items: how many there are.
    """
    items = lists.values + np.int32(len(lists))
    holders = transposed(lists, num_items)
    return Jagged(
        np.concatenate([lists.offsets, holders.offsets[1:] + len(items)]),
        np.concatenate([items, holders.values]),
    )


def _ones(lists: Jagged, num_items: int) -> csr_matrix:
    matrix = csr_matrix(
        (np.ones(len(lists.values), np.float32), lists.values, lists.offsets),
        shape=(len(lists), num_items),
        # Merging duplicates works in place, and the caller's history must keep its order.
        copy=True,
    )
    matrix.sum_duplicates()
    return matrix


def _rows(matrix: csr_matrix) -> Jagged:
    return Jagged(np.asarray(matrix.indptr, np.int64), np.asarray(matrix.indices, np.int32))


def gram(lists: Jagged, num_items: int) -> Float32[np.ndarray, "items items"]:
    """X'X of the 0/1 matrix, dense: how many lists hold both items.

    Args:
        lists: distinct items each.
        num_items: rows and columns of the result.

    Counts are whole numbers and exact in float32 up to 2^24.
    """
    holders = transposed(lists, num_items)
    out = np.zeros((num_items, num_items), np.float32)
    _gram(lists.offsets, lists.values, holders.offsets, holders.values, out)
    return out


@njit(parallel=True, nogil=True, cache=True)
def _gram(
    row_offsets: np.ndarray,
    row_items: np.ndarray,
    item_offsets: np.ndarray,
    item_rows: np.ndarray,
    out: np.ndarray,
) -> None:
    for block in prange(BLOCKS):
        for item in range(block, len(out), BLOCKS):
            for place in range(item_offsets[item], item_offsets[item + 1]):
                row = item_rows[place]
                for other in row_items[row_offsets[row] : row_offsets[row + 1]]:
                    out[item, other] += np.float32(1.0)


def nearest_items(
    lists: Jagged,
    weights: Float64[np.ndarray, " lists"],
    num_items: int,
    k: int,
    *,
    jaccard: bool = False,
    shrink: float = 0.0,
    sizes: Float64[np.ndarray, " items"] | None = None,
) -> tuple[Jagged, Float32[np.ndarray, " edges"]]:
    """The k items most like each item and how alike they are, best first.

    With w the weight of a list and `n_ij` the sum of w^2 over the lists that hold both items, the
    similarity is `n_ij / (sqrt(n_ii n_jj) + shrink)` (cosine) or
    `n_ij / (n_ii + n_jj - n_ij + shrink)` (Jaccard). The item itself is among its k; an item that
    shares no list is never a neighbour; ties go to the lower row.

    Args:
        lists: distinct items each.
        weights: how much each list says; ones for plain counts.
        num_items: how many items there are.
        k: how many neighbours, the item itself counted.
        jaccard: Jaccard instead of cosine.
        shrink: added to the denominator, so that pairs met by chance count less.
        sizes: what stands for `n_ii` in the denominator, where that is something else.
    """
    holders = transposed(lists, num_items)
    squares = weights * weights
    if sizes is None:
        # bincount adds in the order of the events, so the sums do not depend on threads.
        sizes = np.bincount(lists.values, squares.repeat(lists.lengths), minlength=num_items)
    counts, items, scores = _nearest(
        lists.offsets,
        lists.values,
        holders.offsets,
        holders.values,
        squares,
        sizes,
        min(k, num_items),
        jaccard,
        shrink,
    )
    kept = np.arange(items.shape[1]) < counts[:, None]
    return Jagged(offsets_of(counts), items[kept]), scores[kept].astype(np.float32)


@njit(parallel=True, nogil=True, cache=True)
def _nearest(
    row_offsets: np.ndarray,
    row_items: np.ndarray,
    item_offsets: np.ndarray,
    item_rows: np.ndarray,
    squares: np.ndarray,
    sizes: np.ndarray,
    k: int,
    jaccard: bool,
    shrink: float,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    num_items = len(sizes)
    counts = np.zeros(num_items, np.int64)
    items = np.zeros((num_items, k), np.int32)
    scores = np.zeros((num_items, k), np.float64)
    for block in prange(BLOCKS):
        shared = np.zeros(num_items, np.float64)
        met = np.empty(num_items, np.int32)
        for item in range(block, num_items, BLOCKS):
            num_met = 0
            for place in range(item_offsets[item], item_offsets[item + 1]):
                row = item_rows[place]
                weight = squares[row]
                if weight == 0.0:
                    continue
                for other in row_items[row_offsets[row] : row_offsets[row + 1]]:
                    if shared[other] == 0.0:
                        met[num_met] = other
                        num_met += 1
                    shared[other] += weight
            for other in met[:num_met]:
                if jaccard:
                    below = sizes[item] + sizes[other] - shared[other] + shrink
                else:
                    below = np.sqrt(sizes[item] * sizes[other]) + shrink
                counts[item] = _keep(
                    scores[item], items[item], counts[item], shared[other] / below, other
                )
                shared[other] = 0.0
    return counts, items, scores


@njit(inline="always", cache=True)
def _keep(scores: np.ndarray, items: np.ndarray, count: int, score: float, item: int) -> int:
    """Insert into a list sorted by falling score, then rising item; the worst drops out."""
    place = count
    if count == len(scores):
        place = count - 1
        if score < scores[place] or (score == scores[place] and item > items[place]):
            return count
    else:
        count += 1
    while place > 0 and (
        scores[place - 1] < score or (scores[place - 1] == score and items[place - 1] > item)
    ):
        scores[place] = scores[place - 1]
        items[place] = items[place - 1]
        place -= 1
    scores[place] = score
    items[place] = item
    return count


@njit(parallel=True, nogil=True, cache=True)
def regression_weights(inverse: Float32[np.ndarray, "items items"]) -> None:
    """Overwrite P, given by its lower triangle, by `I - P diag(1 / diag P)`: diagonal zero."""
    num_items = len(inverse)
    scale = np.empty(num_items, np.float32)
    for item in range(num_items):
        scale[item] = np.float32(-1.0) / inverse[item, item]
    for block in prange(BLOCKS):
        for row in range(block, num_items, BLOCKS):
            for column in range(row):
                shared = inverse[row, column]
                inverse[row, column] = shared * scale[column]
                inverse[column, row] = shared * scale[row]
            inverse[row, row] = np.float32(0.0)
