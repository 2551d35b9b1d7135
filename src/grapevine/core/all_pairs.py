"""Squared error over every pair of two sets, by what it is at the few pairs that are there.

The sum over all pairs is one of products of Gram matrices, so that it costs what the vectors cost
and not what the pairs would: nothing is drawn, and the gradient is exact.

B = rows that ask, I = items, D = width, E = pairs that are there
"""

import torch
from jaxtyping import Float, Int64
from torch import Tensor


def all_pairs(
    x_BD: Float[Tensor, "rows width"],
    items_ID: Float[Tensor, "items width"],
    rows_E: Int64[Tensor, " pairs"],
    taken_E: Int64[Tensor, " pairs"],
    *,
    positive: float = 1.0,
    negative: float | Float[Tensor, " items"],
) -> Float[Tensor, ""]:
    """`sum c+ (1 - s)^2` over the pairs that are there and `sum c- s^2` over all others.

    s is the dot product of a pair. Chen, Zhang, Zhang, Dai, Yi, Zhang, Zhang, Ma: Efficient
    heterogeneous collaborative filtering without negative sampling, AAAI 2020, eq. 10 to 13; the
    constant that it leaves out is here, so that the loss is 0 where nothing is wrong.

    Args:
        x_BD: what each row asks with.
        items_ID: all items.
        rows_E: the row of each pair that is there; each pair once.
        taken_E: its item.
        positive: c+, the weight of a pair that is there.
        negative: c-, the weight of one that is not, or that of each item.
    """
    at_E = (x_BD[rows_E] * items_ID[taken_E]).sum(1)
    if isinstance(negative, Tensor):
        weighed_ID, not_there_E = items_ID * negative[:, None], negative[taken_E]
    else:
        weighed_ID, not_there_E = items_ID * negative, negative
    everywhere = ((x_BD.T @ x_BD) * (items_ID.T @ weighed_ID)).sum()
    # What the sum over all pairs has at those that are there is taken out again.
    there = (positive - not_there_E) * at_E.square() - 2 * positive * at_E + positive
    return everywhere + torch.sum(there)
