"""Two hops from a history, exactly: item -> the users who took it -> all that they took.

This is a history times the item-item matrix `S X' W X T` of a user-item matrix X with diagonal
weights, which is never formed: on a catalogue of 40,000 items it would have tens of millions of
entries. Every user met is visited once, with the sum of what the items of the history say.
"""

import numpy as np
from jaxtyping import Float32
from numba import njit, prange

from grapevine.graph.cooccurrence import BLOCKS
from grapevine.structs.jagged import Jagged


def add_two_hops(
    histories: Jagged,
    holders: Jagged,
    lists: Jagged,
    sources: Float32[np.ndarray, " items"],
    users: Float32[np.ndarray, " users"],
    targets: Float32[np.ndarray, " items"],
    out: Float32[np.ndarray, "queries items"],
) -> None:
    """Add to the score of j: the sum, over i in the history and u with both, of s_i w_u t_j.

    Each row is summed by one thread in one order, so the result depends neither on the batch nor
    on the number of threads.

    Args:
        histories: item rows of each question.
        holders: of each item, the users who took it.
        lists: of each user, the items.
        sources: s, weight of an item of the history; not negative.
        users: w, weight of a user on the way.
        targets: t, weight of an item that is reached.
        out: is added to.

    Raises:
        ValueError: a weight of a source is negative.
    """
    if sources.min(initial=0) < 0:
        raise ValueError(f"sources must not be negative: got {sources.min()}")
    _add_two_hops(
        histories.offsets,
        histories.values,
        holders.offsets,
        holders.values,
        lists.offsets,
        lists.values,
        sources,
        users,
        targets,
        out,
    )


@njit(parallel=True, nogil=True, cache=True)
def _add_two_hops(
    offsets: np.ndarray,
    items: np.ndarray,
    holder_offsets: np.ndarray,
    holders: np.ndarray,
    list_offsets: np.ndarray,
    lists: np.ndarray,
    sources: np.ndarray,
    weights: np.ndarray,
    targets: np.ndarray,
    out: np.ndarray,
) -> None:
    queries = len(offsets) - 1
    blocks = min(BLOCKS, queries)
    for block in prange(blocks):
        heard = np.zeros(len(weights), np.float32)
        met = np.empty(len(weights), np.int32)
        said = np.zeros(len(targets), np.float32)
        for query in range(block, queries, blocks):
            num_met = 0
            for item in items[offsets[query] : offsets[query + 1]]:
                source = sources[item]
                if source == 0:
                    continue  # whoever has heard nothing has not been met
                for user in holders[holder_offsets[item] : holder_offsets[item + 1]]:
                    if heard[user] == 0:
                        met[num_met] = user
                        num_met += 1
                    heard[user] += source
            for user in met[:num_met]:
                weight = heard[user] * weights[user]
                heard[user] = 0
                for item in lists[list_offsets[user] : list_offsets[user + 1]]:
                    said[item] += weight
            row = out[query]
            for item in range(len(said)):
                row[item] += said[item] * targets[item]
                said[item] = 0
