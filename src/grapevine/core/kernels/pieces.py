"""Scores a piece at a time: as they stand, or multiplied out while the cache still holds them."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32

from grapevine.structs.jagged import Jagged
from grapevine.structs.products import Products

PIECE_QUERIES, TILE_ITEMS = 128, 4096
"""Queries and items that a thread multiplies out at once: two MiB of scores."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Some of the scores.

    Attributes:
        start: the first query.
        stop: the query after the last.
        first_row: the query that the first row belongs to; -1 where all have the same row.
        column: the item that the first column belongs to.
        rows: the scores.
    """

    start: int
    stop: int
    first_row: int
    column: int
    rows: Float32[np.ndarray, "rows columns"]


def cut(
    scores: Float32[np.ndarray, "queries items"] | Products, start: int, stop: int
) -> Iterator[Piece]:
    """The scores of some queries; of products as many at once as stay in the cache."""
    if isinstance(scores, Products):
        size, num_items = PIECE_QUERIES, scores.shape[1]
        # Made once and written over: fresh memory for each piece costs as much as the product,
        # and so does memory that the cache cannot hold.
        block = np.empty((min(size, stop - start), min(TILE_ITEMS, num_items)), np.float32)
        for low in range(start, stop, size):
            high = min(low + size, stop)
            for column in range(0, num_items, TILE_ITEMS):
                rows = block[: high - low, : num_items - column]
                scores.multiply(low, high, column, rows)
                yield Piece(low, high, low, column, rows)
    elif scores.strides[0] == 0:
        yield Piece(start, stop, -1, 0, np.ascontiguousarray(scores[:1], np.float32))
    else:
        yield Piece(start, stop, start, 0, np.ascontiguousarray(scores[start:stop], np.float32))


def settle(piece: Piece, targets: Jagged, own: Float32[np.ndarray, " targets"]) -> None:
    """Give targets the score they have alone: a product may round otherwise within a block."""
    part = targets.slice(piece.start, piece.stop)
    first = targets.offsets[piece.start]
    column = part.values - piece.column
    here = np.flatnonzero((column >= 0) & (column < piece.rows.shape[1]))
    row = np.searchsorted(part.offsets, here, side="right") - 1
    piece.rows[row, column[here]] = own[first + here]


def own_scores(
    scores: Float32[np.ndarray, "queries items"] | Products, targets: Jagged
) -> Float32[np.ndarray, " targets"]:
    """The score of each target; 0 for what is no item."""
    query = np.repeat(np.arange(len(targets)), targets.lengths)
    item = np.maximum(targets.values, 0)
    if isinstance(scores, Products):
        pairs = np.einsum("tw,tw->t", scores.queries[query], scores.items[item])
        return pairs.astype(np.float32, copy=False)
    return np.asarray(scores[query, item], np.float32)
