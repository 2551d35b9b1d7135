"""What attention does edge by edge, compiled: nothing of the size edges x width is ever held.

Edges stand receiver by receiver (CSR); each row of a result is summed by one thread, in the order
of its list, so that no bit depends on the number of threads.

M = receivers, N = senders, E = edges, H = heads, K = width per head
"""

import numpy as np
from numba import njit, prange


@njit(parallel=True, nogil=True, cache=True, fastmath={"contract"})
def weighted_sum(
    starts: np.ndarray,
    offsets: np.ndarray,
    ends: np.ndarray,
    places: np.ndarray | None,
    weights_EH: np.ndarray,
    x_NHK: np.ndarray,
    out_MHK: np.ndarray,
) -> None:
    """`out[m, h] = sum over the edges e of m of weights[e, h] x[end of e, h]`.

    Args:
        starts: where each block of rows starts.
        offsets: where the edges of each row start.
        ends: the row of x at the other end of each edge.
        places: the row of `weights_EH` that each edge has; None where it is its own.
        weights_EH: of the edges.
        x_NHK: what the other ends hold.
        out_MHK: is written.
    """
    heads, width = x_NHK.shape[1], x_NHK.shape[2]
    for block in prange(len(starts) - 1):
        for row in range(starts[block], starts[block + 1]):
            total = out_MHK[row]
            total[:] = 0
            for at in range(offsets[row], offsets[row + 1]):
                weights = weights_EH[at if places is None else places[at]]
                said = x_NHK[ends[at]]
                for h in range(heads):
                    weight = weights[h]
                    for k in range(width):
                        total[h, k] += weight * said[h, k]


@njit(parallel=True, nogil=True, cache=True, fastmath={"contract", "reassoc"})
def dot_products(
    starts: np.ndarray,
    offsets: np.ndarray,
    senders: np.ndarray,
    q_MHK: np.ndarray,
    k_NHK: np.ndarray,
    out_EH: np.ndarray,
) -> None:
    """`out[e, h] = q[receiver of e, h] . k[sender of e, h]`."""
    heads, width = q_MHK.shape[1], q_MHK.shape[2]
    for block in prange(len(starts) - 1):
        for row in range(starts[block], starts[block + 1]):
            asked = q_MHK[row]
            for edge in range(offsets[row], offsets[row + 1]):
                said = k_NHK[senders[edge]]
                for h in range(heads):
                    total = asked[h, 0] * said[h, 0]
                    for k in range(1, width):
                        total += asked[h, k] * said[h, k]
                    out_EH[edge, h] = total


@njit(parallel=True, nogil=True, cache=True)
def bent_sums(
    starts: np.ndarray,
    offsets: np.ndarray,
    senders: np.ndarray,
    q_MH: np.ndarray,
    k_NH: np.ndarray,
    slope: float,
    out_EH: np.ndarray,
) -> None:
    """`out[e, h] = LeakyReLU(q[receiver of e, h] + k[sender of e, h])`."""
    for block in prange(len(starts) - 1):
        for row in range(starts[block], starts[block + 1]):
            own = q_MH[row]
            for edge in range(offsets[row], offsets[row + 1]):
                other = k_NH[senders[edge]]
                for h in range(len(own)):
                    value = own[h] + other[h]
                    out_EH[edge, h] = value if value > 0 else slope * value


@njit(parallel=True, nogil=True, cache=True)
def softmax(
    starts: np.ndarray, offsets: np.ndarray, logits_EH: np.ndarray, out_EH: np.ndarray
) -> None:
    """Softmax over the edges of each receiver, head by head."""
    heads = logits_EH.shape[1]
    for block in prange(len(starts) - 1):
        for row in range(starts[block], starts[block + 1]):
            first, stop = offsets[row], offsets[row + 1]
            for h in range(heads):
                peak = -np.inf
                for edge in range(first, stop):
                    # What is not a number must be told on, not hidden.
                    if logits_EH[edge, h] > peak or logits_EH[edge, h] != logits_EH[edge, h]:
                        peak = logits_EH[edge, h]
                total = 0.0
                for edge in range(first, stop):
                    out_EH[edge, h] = np.exp(logits_EH[edge, h] - peak)
                    total += out_EH[edge, h]
                for edge in range(first, stop):
                    out_EH[edge, h] /= total


@njit(parallel=True, nogil=True, cache=True)
def softmax_back(
    starts: np.ndarray,
    offsets: np.ndarray,
    shares_EH: np.ndarray,
    pull_EH: np.ndarray,
    out_EH: np.ndarray,
) -> None:
    """`out = shares (pull - sum over the receiver's edges of shares pull)`."""
    heads = shares_EH.shape[1]
    for block in prange(len(starts) - 1):
        for row in range(starts[block], starts[block + 1]):
            first, stop = offsets[row], offsets[row + 1]
            for h in range(heads):
                total = 0.0
                for edge in range(first, stop):
                    total += shares_EH[edge, h] * pull_EH[edge, h]
                for edge in range(first, stop):
                    out_EH[edge, h] = shares_EH[edge, h] * (pull_EH[edge, h] - total)


@njit(parallel=True, nogil=True, cache=True)
def edge_sums(
    starts: np.ndarray,
    offsets: np.ndarray,
    places: np.ndarray | None,
    values_EH: np.ndarray,
    out_MH: np.ndarray,
) -> None:
    """`out[m] = sum over the edges of m of their values`; `places` as in `weighted_sum`."""
    for block in prange(len(starts) - 1):
        for row in range(starts[block], starts[block + 1]):
            total = out_MH[row]
            total[:] = 0
            for at in range(offsets[row], offsets[row + 1]):
                values = values_EH[at if places is None else places[at]]
                for h in range(len(total)):
                    total[h] += values[h]


@njit(parallel=True, nogil=True, cache=True, fastmath={"contract", "reassoc"})
def bent_products(
    starts: np.ndarray,
    offsets: np.ndarray,
    senders: np.ndarray,
    q_MHK: np.ndarray,
    k_NHK: np.ndarray,
    a_HK: np.ndarray,
    slope: float,
    out_EH: np.ndarray,
) -> None:
    """`out[e, h] = a[h] . LeakyReLU(q[receiver of e, h] + k[sender of e, h])`."""
    heads, width = q_MHK.shape[1], q_MHK.shape[2]
    for block in prange(len(starts) - 1):
        for row in range(starts[block], starts[block + 1]):
            asked = q_MHK[row]
            for edge in range(offsets[row], offsets[row + 1]):
                said = k_NHK[senders[edge]]
                for h in range(heads):
                    total = 0 * asked[h, 0]
                    for k in range(width):
                        value = asked[h, k] + said[h, k]
                        total += a_HK[h, k] * (value if value > 0 else slope * value)
                    out_EH[edge, h] = total


@njit(parallel=True, nogil=True, cache=True, fastmath={"contract"})
def bent_back(
    starts: np.ndarray,
    offsets: np.ndarray,
    ends: np.ndarray,
    places: np.ndarray | None,
    own_MHK: np.ndarray,
    other_NHK: np.ndarray,
    a_HK: np.ndarray,
    slope: float,
    pull_EH: np.ndarray,
    out_MHK: np.ndarray,
    a_BHK: np.ndarray | None,
) -> None:
    """Gradient of `bent_products` with respect to one side, and to a where `a_BHK` is given.

    Args:
        starts: where each of the B blocks of rows starts.
        offsets: where the edges of each row of that side start.
        ends: the row of the other side that each edge has.
        places: the row of `pull_EH` that each edge has; None where it is its own.
        own_MHK: what that side holds.
        other_NHK: what the other holds.
        a_HK: the vector.
        slope: below zero.
        pull_EH: gradient of the products.
        out_MHK: is written.
        a_BHK: is written: what each block adds to the gradient of a.
    """
    heads, width = own_MHK.shape[1], own_MHK.shape[2]
    for block in prange(len(starts) - 1):
        if a_BHK is not None:
            a_BHK[block] = 0
        for row in range(starts[block], starts[block + 1]):
            own, total = own_MHK[row], out_MHK[row]
            total[:] = 0
            for at in range(offsets[row], offsets[row + 1]):
                pulls = pull_EH[at if places is None else places[at]]
                other = other_NHK[ends[at]]
                for h in range(heads):
                    pull = pulls[h]
                    for k in range(width):
                        value = own[h, k] + other[h, k]
                        steep = pull if value > 0 else slope * pull
                        total[h, k] += a_HK[h, k] * steep
                        if a_BHK is not None:
                            a_BHK[block, h, k] += steep * value
