"""Personalised PageRank of all items at once: each listens to what its contexts heard of others.

The scores F(u) of an item obey `F(u) = a P(u) + (1 - a) P F(u)`, with P(u) where one double hop
leads (the decomposition theorem of Jeh and Widom, WWW 2003, on walks that have moved). So:

1. every item keeps the few largest of `a P(u)`, summed exactly over its contexts;
2. every context keeps the few largest of the mean of its items' lists;
3. the scores of an item are `a P(u)`, exactly, and 1 - a of the mean of its contexts' lists.

Each round of 1 and 2 that goes on from the last one's lists reaches a double hop further.

What the short lists leave out is taken to be spread by degree, which is where walks end up.
"""

import numpy as np
from numba import njit, prange

from grapevine.graph.cooccurrence import BLOCKS
from grapevine.graph.select import row_of, score_of
from grapevine.graph.shares import Shares, add_list, double_hop, take_best, weight_at


@njit(parallel=True, nogil=True, cache=True, error_model="numpy")
def item_lists(
    graph: Shares,
    rows: np.ndarray,
    restart: np.float32,
    heard: np.ndarray,
    heard_weights: np.ndarray,
    final: bool,
    nodes: np.ndarray,
    weights: np.ndarray,
) -> None:
    """The best items of each row, into `nodes` and `weights`.

    Args:
        graph: the edges.
        rows: items that are asked for.
        restart: a.
        heard: `(C, M)` list of each context, ended by -1; M may be 0.
        heard_weights: `(C, M)` the mass of each.
        final: leave the row itself out, add what the lists lack by degree, and let a row sum to 1.
        nodes: `(rows, T)` written to; what is left of a row ends in -1.
        weights: `(rows, T)` written to.
    """
    num_items = len(graph.item_totals)
    masses = heard_weights.sum(axis=1)
    blocks = min(BLOCKS, len(rows))
    for block in prange(blocks):
        sums, met = np.zeros(num_items, np.float32), np.empty(num_items + 1, np.int32)
        keys = np.empty(num_items, np.uint64)
        for place in range(block, len(rows), blocks):
            row = rows[place]
            found = double_hop(graph, row, restart, sums, met, 0)
            lacking = np.float32(1.0) - restart
            for edge in range(graph.context_starts[row], graph.context_starts[row + 1]):
                context = graph.contexts[edge]
                share = weight_at(graph.context_weights, edge) / graph.item_totals[row]
                share *= np.float32(1.0) - restart
                lacking -= share * masses[context]
                found = add_list(
                    heard[context], heard_weights[context], share, sums, met, found
                )  # fmt: skip
            per_total, without = np.float32(0.0), -1
            if final:
                per_total, without = max(np.float32(0.0), lacking) / graph.total, row
            _write(
                nodes[place], weights[place], keys,
                take_best(
                    sums, met, found, graph.item_totals, per_total, without, keys, nodes.shape[1]
                ),
            )  # fmt: skip
            if final and nodes[place, 0] >= 0:
                weights[place] /= weights[place].sum()


@njit(parallel=True, nogil=True, cache=True, error_model="numpy")
def context_lists(
    graph: Shares,
    told: np.ndarray,
    told_weights: np.ndarray,
    nodes: np.ndarray,
    weights: np.ndarray,
) -> None:
    """The best of the mean of its items' lists, for each context, into `nodes` and `weights`."""
    num_items = len(graph.item_totals)
    blocks = min(BLOCKS, len(nodes))
    for block in prange(blocks):
        sums, met = np.zeros(num_items, np.float32), np.empty(num_items + 1, np.int32)
        keys = np.empty(num_items, np.uint64)
        for context in range(block, len(nodes), blocks):
            found = 0
            for edge in range(graph.item_starts[context], graph.item_starts[context + 1]):
                item = graph.items[edge]
                share = weight_at(graph.item_weights, edge) / graph.context_totals[context]
                found = add_list(told[item], told_weights[item], share, sums, met, found)
            _write(
                nodes[context], weights[context], keys,
                take_best(
                    sums, met, found, graph.item_totals, np.float32(0.0), -1, keys, nodes.shape[1]
                ),
            )  # fmt: skip


@njit(nogil=True, cache=True, error_model="numpy")
def _write(nodes: np.ndarray, weights: np.ndarray, keys: np.ndarray, kept: int) -> None:
    for place in range(kept):
        nodes[place] = row_of(keys[place])
        weights[place] = score_of(keys[place])
    nodes[kept:] = -1
    weights[kept:] = np.float32(0.0)
