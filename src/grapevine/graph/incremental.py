"""New edges change only the neighbourhoods whose walks can meet them.

A walk of L double hops from an item reads the contexts of items up to L - 1 double hops away, and
the items of their contexts. If none of those lists changed, neither has a walk, since its draws are
named by seed, item, walk and hop: a row that is left as it was equals a rebuilt one to the bit.
"""

import numpy as np
from jaxtyping import Bool, Float32, Int64
from numba import njit, prange

from grapevine.graph.hubs import cap
from grapevine.graph.neighbourhoods import importance_table
from grapevine.structs.bipartite import Bipartite
from grapevine.structs.jagged import Jagged
from grapevine.structs.neighbour_table import NeighbourTable


def update(
    table: NeighbourTable,
    old: Bipartite,
    new: Bipartite,
    *,
    walks: int = 50,
    length: int = 4,
    restart: float = 0.5,
    seed: int = 0,
    most_degree: int = 0,
) -> tuple[NeighbourTable, Int64[np.ndarray, " touched"]]:
    """The table of the new graph, and the rows that were walked anew; equal to a rebuild.

    Items and contexts keep their rows from the old graph to the new one, and new ones come after
    them. Edges may come, go and change their weights.

    Args:
        table: `importance_table` of the old graph with the same options.
        old: the graph that the table was made of.
        new: the graph as it is now.
        walks: as for `importance_table`.
        length: likewise.
        restart: likewise.
        seed: likewise.
        most_degree: likewise.

    Raises:
        ValueError: the table is not of the old graph, or nodes went away.
    """
    if len(table) != old.num_items:
        raise ValueError(f"the table has {len(table)} rows for {old.num_items} items")
    if new.num_items < old.num_items or new.num_contexts < old.num_contexts:
        raise ValueError("items and contexts may come, but not go")
    if most_degree:
        old, new = cap(old, most_degree, seed), cap(new, most_degree, seed)
    touched = np.flatnonzero(_reaching(old, new, length))
    nodes = np.full((new.num_items, table.width), -1, np.int32)
    weights = np.zeros((new.num_items, table.width), np.float32)
    nodes[: len(table)], weights[: len(table)] = table.nodes, table.weights
    fresh = importance_table(
        new, width=table.width, walks=walks, length=length, restart=restart, seed=seed, rows=touched
    )
    nodes[touched], weights[touched] = fresh.nodes, fresh.weights
    return NeighbourTable(nodes, weights), touched


def _reaching(old: Bipartite, new: Bipartite, length: int) -> Bool[np.ndarray, " items"]:
    """Items of the new graph whose walks may read a list that differs.

    Until a walk reads such a list it is on edges that both graphs have, so those of the old one
    tell how far a change reaches.
    """
    items = _differ(old.contexts, old.item_weights, new.contexts, new.item_weights)
    contexts = _differ(old.items, old.context_weights, new.items, new.context_weights)
    known, changed = items[: old.num_items], contexts[: old.num_contexts]
    for hop in range(length):
        # An item reads the lists of its contexts, and from the second double hop on those of items.
        read = changed | _any(old.items, known) if hop else changed
        known = known | _any(old.contexts, read)
    return np.concatenate([known, items[old.num_items :]])


def _any(lists: Jagged, marked: Bool[np.ndarray, " ends"]) -> Bool[np.ndarray, " lists"]:
    """Which lists hold something marked."""
    counts = np.concatenate([[0], np.cumsum(marked[lists.values])])
    return counts[lists.offsets[1:]] > counts[lists.offsets[:-1]]


def _differ(
    old: Jagged,
    old_weights: Float32[np.ndarray, " old_edges"] | None,
    new: Jagged,
    new_weights: Float32[np.ndarray, " new_edges"] | None,
) -> Bool[np.ndarray, " lists"]:
    """Which lists of the new graph are not those of the old one; one that is new is not."""
    if (old_weights is None) != (new_weights is None):
        return np.ones(len(new), np.bool_)
    out = np.ones(len(new), np.bool_)
    _compare(old.offsets, old.values, new.offsets, new.values, out)
    if old_weights is not None and new_weights is not None:
        other = np.ones(len(new), np.bool_)
        _compare(old.offsets, old_weights, new.offsets, new_weights, other)
        out |= other
    return out


@njit(parallel=True, nogil=True, cache=True)
def _compare(
    old_offsets: np.ndarray,
    old: np.ndarray,
    new_offsets: np.ndarray,
    new: np.ndarray,
    differ: np.ndarray,
) -> None:
    """Clear the mark of each list whose values are as they were."""
    for row in prange(len(old_offsets) - 1):
        start, length = old_offsets[row], old_offsets[row + 1] - old_offsets[row]
        other = new_offsets[row]
        if new_offsets[row + 1] - other != length:
            continue
        same = True
        for place in range(length):
            same = same and old[start + place] == new[other + place]
        differ[row] = not same
