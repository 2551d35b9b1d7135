"""One epoch of stochastic gradient steps on pairs of items, in parallel without a race.

Users and items are dealt at random into blocks, anew for every epoch. In round r, block b of the
users meets block b + r of the items; the steps of different b then touch different rows, so they
run at the same time, each in its own order (Gemulla et al., KDD 2011). The number of blocks depends
on the data alone, and every draw is named by epoch, cell and step: no bit depends on the number of
threads.
"""

# U = users, I = items, D = width, B = blocks

import numpy as np
from jaxtyping import Float32
from numba import njit, prange

from grapevine.graph.counter import below, mix
from grapevine.structs.jagged import Jagged

MAX_BLOCKS = 16
ROWS_PER_BLOCK = 64
"""A block keeps at least so many users and items, so that negatives stay various."""


def num_blocks(num_users: int, num_items: int) -> int:
    """B: how many blocks users and items are dealt into."""
    return max(1, min(MAX_BLOCKS, num_users // ROWS_PER_BLOCK, num_items // ROWS_PER_BLOCK))


def epoch(
    taken: Jagged,
    users_UD: Float32[np.ndarray, "U D"],
    items_ID: Float32[np.ndarray, "I D"],
    bias_I: Float32[np.ndarray, " I"],
    *,
    key: np.uint64,
    learning_rate: float,
    regularization: float,
) -> None:
    """As many steps as there are pairs, in place: draw a pair, draw an item not taken, push apart.

    With `s = x_u . (y_i - y_j) + b_i - b_j` a step climbs `ln sigmoid(s)` less the ridge. Pairs are
    drawn with replacement; the other item is the item of another drawn pair, so frequent items are
    told apart from each other; a step whose other item was taken by the user is left out.

    Args:
        taken: distinct items of each user, in rising order.
        users_UD: x, changed in place.
        items_ID: y, likewise.
        bias_I: b, likewise.
        key: names the draws of this epoch.
        learning_rate: length of a step.
        regularization: of x, y and b alike.
    """
    blocks = num_blocks(len(users_UD), len(items_ID))
    starts, pair_users, pair_items = _deal(taken.offsets, taken.values, len(items_ID), key, blocks)
    for turn in range(blocks):
        _round(
            turn, blocks, starts, pair_users, pair_items, taken.offsets, taken.values,
            users_UD, items_ID, bias_I, key, np.float32(learning_rate), np.float32(regularization),
        )  # fmt: skip


@njit(nogil=True, cache=True)
def _deal(
    offsets: np.ndarray, taken: np.ndarray, num_items: int, key: np.uint64, blocks: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """All pairs, grouped by block of the item, then block of the user (a counting sort)."""
    num_users = len(offsets) - 1
    user_block = np.empty(num_users, np.int64)
    for user in range(num_users):
        user_block[user] = below(key, np.uint64(user), blocks)
    item_block = np.empty(num_items, np.int64)
    for item in range(num_items):
        item_block[item] = below(~key, np.uint64(item), blocks)
    starts = np.zeros(blocks * blocks + 1, np.int64)
    for user in range(num_users):
        for place in range(offsets[user], offsets[user + 1]):
            starts[item_block[taken[place]] * blocks + user_block[user] + 1] += 1
    starts = np.cumsum(starts)
    free = starts[:-1].copy()
    pair_users = np.empty(len(taken), np.int32)
    pair_items = np.empty(len(taken), np.int32)
    for user in range(num_users):
        for place in range(offsets[user], offsets[user + 1]):
            cell = item_block[taken[place]] * blocks + user_block[user]
            pair_users[free[cell]] = user
            pair_items[free[cell]] = taken[place]
            free[cell] += 1
    return starts, pair_users, pair_items


# Sums may be taken in any order, fixed when the loop is compiled.
@njit(parallel=True, nogil=True, cache=True, fastmath={"reassoc", "contract"})
def _round(
    turn: int,
    blocks: int,
    starts: np.ndarray,
    pair_users: np.ndarray,
    pair_items: np.ndarray,
    offsets: np.ndarray,
    taken: np.ndarray,
    users_UD: np.ndarray,
    items_ID: np.ndarray,
    bias_I: np.ndarray,
    key: np.uint64,
    rate: np.float32,
    ridge: np.float32,
) -> None:
    """The steps of the B cells whose user block b meets item block b + turn."""
    width = users_UD.shape[1]
    for block in prange(blocks):
        item_block = (block + turn) % blocks
        cell = item_block * blocks + block
        low, pairs = starts[cell], starts[cell + 1] - starts[cell]
        all_low = starts[item_block * blocks]
        all_pairs = starts[(item_block + 1) * blocks] - all_low
        draws = mix(key, np.uint64(cell + 1) << np.uint64(40))
        for step in range(pairs):
            pair = low + below(draws, np.uint64(2 * step), pairs)
            user, item = pair_users[pair], pair_items[pair]
            other = pair_items[all_low + below(draws, np.uint64(2 * step + 1), all_pairs)]
            if _holds(taken, int(offsets[user]), int(offsets[user + 1]), int(other)):
                continue
            apart = bias_I[item] - bias_I[other]
            for d in range(width):
                apart += users_UD[user, d] * (items_ID[item, d] - items_ID[other, d])
            pull = np.float32(1.0) / (np.float32(1.0) + np.exp(apart))
            for d in range(width):
                x, y, z = users_UD[user, d], items_ID[item, d], items_ID[other, d]
                users_UD[user, d] += rate * (pull * (y - z) - ridge * x)
                items_ID[item, d] += rate * (pull * x - ridge * y)
                items_ID[other, d] -= rate * (pull * x + ridge * z)
            bias_I[item] += rate * (pull - ridge * bias_I[item])
            bias_I[other] -= rate * (pull + ridge * bias_I[other])


@njit(inline="always", cache=True)
def _holds(values: np.ndarray, low: int, high: int, wanted: int) -> bool:
    """Whether the rising `values[low:high]` hold the value."""
    while low < high:
        middle = (low + high) // 2
        if values[middle] < wanted:
            low = middle + 1
        elif values[middle] > wanted:
            high = middle
        else:
            return True
    return False
