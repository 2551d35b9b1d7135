"""Forward push: mass moves on from an item only once enough of it waits there.

Andersen, Chung, Lang, "Local graph partitioning using PageRank vectors", FOCS 2006; here in rounds,
so that what reaches a context from many items crosses it once.
"""

from typing import Any

import numpy as np
from numba import njit, prange

from grapevine.graph.cooccurrence import BLOCKS
from grapevine.graph.select import row_of
from grapevine.graph.shares import Shares, spread, take_best


@njit(nogil=True, cache=True, error_model="numpy")
def _push(
    graph: Shares,
    row: int,
    restart: np.float32,
    tolerance: np.float32,
    scores: np.ndarray,
    waiting: np.ndarray,
    moving: np.ndarray,
    met: np.ndarray,
    queue: np.ndarray,
    contexts: np.ndarray,
) -> tuple[int, Any]:
    """Scores of one row; leaves `waiting` and `moving` empty.

    Returns:
        How many items were met, and how much mass did not get to move on.
    """
    found, queued = 0, 1
    queue[0] = row
    waiting[row] = np.float32(1.0)
    on = np.float32(1.0) - restart
    while True:
        crossing, stay = 0, 0
        for place in range(queued):
            item = queue[place]
            mass = waiting[item]
            if mass <= tolerance * graph.item_totals[item]:
                queue[stay] = item
                stay += 1
                continue
            waiting[item] = np.float32(0.0)
            if scores[item] == np.float32(0.0):
                met[found] = item
                found += 1
            scores[item] += restart * mass
            if graph.item_totals[item] > np.float32(0.0):
                crossing = spread(
                    graph.context_starts, graph.contexts, graph.context_weights, item,
                    on * mass / graph.item_totals[item], moving, contexts, crossing,
                )  # fmt: skip
        queued = stay
        if crossing == 0:
            break
        for place in range(crossing):
            context = contexts[place]
            each = moving[context] / graph.context_totals[context]
            moving[context] = np.float32(0.0)
            queued = spread(
                graph.item_starts, graph.items, graph.item_weights, context, each, waiting,
                queue, queued,
            )  # fmt: skip
    left = np.float32(0.0)
    for place in range(queued):
        item = queue[place]
        if scores[item] == np.float32(0.0):
            met[found] = item
            found += 1
        scores[item] += restart * waiting[item]
        left += on * waiting[item]
        waiting[item] = np.float32(0.0)
    return found, left


@njit(parallel=True, nogil=True, cache=True, error_model="numpy")
def push_all(
    graph: Shares,
    rows: np.ndarray,
    restart: np.float32,
    tolerance: np.float32,
    out: np.ndarray,
) -> None:
    """Scores of each row, into the dense `(rows, items)` zeros of `out`."""
    num_items, num_contexts = len(graph.item_totals), len(graph.context_totals)
    blocks = min(BLOCKS, len(rows))
    for block in prange(blocks):
        waiting, moving = np.zeros(num_items, np.float32), np.zeros(num_contexts, np.float32)
        met, queue = np.empty(num_items, np.int32), np.empty(num_items + 1, np.int32)
        contexts = np.empty(num_contexts + 1, np.int32)
        for place in range(block, len(rows), blocks):
            _push(
                graph, rows[place], restart, tolerance, out[place], waiting, moving, met, queue,
                contexts,
            )  # fmt: skip


@njit(parallel=True, nogil=True, cache=True, error_model="numpy")
def rank_all(
    graph: Shares,
    rows: np.ndarray,
    restart: np.float32,
    tolerance: np.float32,
    out: np.ndarray,
    lengths: np.ndarray,
) -> None:
    """The best items of each row, itself left out, into `(rows, most)`, and how many they are."""
    num_items, num_contexts = len(graph.item_totals), len(graph.context_totals)
    blocks = min(BLOCKS, len(rows))
    for block in prange(blocks):
        waiting, moving = np.zeros(num_items, np.float32), np.zeros(num_contexts, np.float32)
        met, queue = np.empty(num_items, np.int32), np.empty(num_items + 1, np.int32)
        contexts = np.empty(num_contexts + 1, np.int32)
        scores, keys = np.zeros(num_items, np.float32), np.empty(num_items, np.uint64)
        for place in range(block, len(rows), blocks):
            row = rows[place]
            found, left = _push(
                graph, row, restart, tolerance, scores, waiting, moving, met, queue, contexts
            )
            lengths[place] = take_best(
                scores, met, found, graph.item_totals, left / graph.total, row, keys, out.shape[1]
            )
            for rank in range(lengths[place]):
                out[place, rank] = row_of(keys[rank])
