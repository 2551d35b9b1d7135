"""Hubs, capped: a node with very many edges keeps a sample of them, the same whoever asks.

Each edge draws a number from the seed and its two ends alone, and a hub keeps the edges that drew
the smallest: a uniform sample, or with weights one in proportion to them without replacement, as
the first arrivals of an exponential race (Efraimidis, Spirakis, 2006). An edge that comes or goes
elsewhere changes nothing.
"""

import numpy as np
from jaxtyping import Bool, Float32
from numba import njit, prange
from scipy.sparse import csr_matrix

from grapevine.graph.cooccurrence import BLOCKS
from grapevine.graph.counter import mix
from grapevine.graph.select import best, key_of, row_of
from grapevine.structs.bipartite import Bipartite
from grapevine.structs.jagged import Jagged


def cap(graph: Bipartite, most: int, seed: int = 0) -> Bipartite:
    """The graph without what is above `most` edges of an item or of a context.

    An edge stays if both of its ends keep it, so that both directions go on to hold the same edges
    and walks can be reversed. The two ends go by the same draw, so they mostly agree; still, an
    item that was met in hubs alone may lose all its edges.

    Args:
        graph: items and contexts.
        most: edges that a node may have.
        seed: names the draws.

    Raises:
        ValueError: most is below 1.
    """
    if most < 1:
        raise ValueError(f"a node must keep 1 edge or more: got {most}")
    longest = max(graph.contexts.lengths.max(initial=0), graph.items.lengths.max(initial=0))
    if longest <= most:
        return graph
    of_items = _kept(graph.contexts, graph.item_weights, most, seed, first_is_item=True)
    of_contexts = _kept(graph.items, graph.context_weights, most, seed, first_is_item=False)
    by_item = of_items & _across(graph.items, graph.num_items, of_contexts)
    by_context = of_contexts & _across(graph.contexts, graph.num_contexts, of_items)
    return Bipartite(
        graph.contexts.where(by_item),
        graph.items.where(by_context),
        None if graph.item_weights is None else graph.item_weights[by_item],
        None if graph.context_weights is None else graph.context_weights[by_context],
    )


def _kept(
    lists: Jagged,
    weights: Float32[np.ndarray, " edges"] | None,
    most: int,
    seed: int,
    *,
    first_is_item: bool,
) -> Bool[np.ndarray, " edges"]:
    keep = np.ones(len(lists.values), np.bool_)
    longest = int(lists.lengths.max(initial=0))
    if longest > most:
        _race(
            lists.offsets, lists.values, weights, most, np.uint64(seed), first_is_item, longest,
            keep,
        )  # fmt: skip
    return keep


def _across(lists: Jagged, columns: int, keep: Bool[np.ndarray, " edges"]) -> np.ndarray:
    """The same marks in the order of the other direction."""
    marks = csr_matrix((keep, lists.values, lists.offsets), shape=(len(lists), columns))
    return marks.tocsc().data


@njit(parallel=True, nogil=True, cache=True)
def _race(
    offsets: np.ndarray,
    ends: np.ndarray,
    weights: np.ndarray | None,
    most: int,
    seed: np.uint64,
    first_is_item: bool,
    longest: int,
    keep: np.ndarray,
) -> None:
    """Mark what each list with more than `most` edges keeps."""
    for block in prange(BLOCKS):
        keys = np.empty(longest, np.uint64)
        for node in range(block, len(offsets) - 1, BLOCKS):
            start, length = offsets[node], offsets[node + 1] - offsets[node]
            if length <= most:
                continue
            for place in range(length):
                end = ends[start + place]
                item, context = (node, end) if first_is_item else (end, node)
                bits = mix(mix(seed, np.uint64(item)), np.uint64(context)) >> np.uint64(11)
                unit = (bits + np.float64(0.5)) * 2.0**-53
                weight = 1.0 if weights is None else np.float64(weights[start + place])
                # The first arrivals have the largest keys.
                speed = np.float32(-weight / np.log(unit))
                keys[place] = key_of(speed, place)
                keep[start + place] = False
            for rank in range(best(keys, length, most)):
                keep[start + row_of(keys[rank])] = True
