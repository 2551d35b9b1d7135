"""The route for a fixed number of neighbours a node: one row of a table says whom it hears.

It equals `propagate` on the edges of the table, and never holds a message for each edge at once
unless the greatest is asked for.

N = nodes that speak, M = nodes that hear, T = most neighbours of one, D = width.
"""

from typing import Literal

from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import embedding_bag

Merge = Literal["importance", "mean", "sum", "max"]
"""How messages merge: by the weights that are given, by equal shares, by adding up, or the greatest
of each number."""


def pool(
    x_ND: Float[Tensor, "nodes width"],
    nodes_MT: Int[Tensor, "receivers most"],
    weights_MT: Float[Tensor, "receivers most"],
    merge: Merge = "importance",
) -> Float[Tensor, "receivers width"]:
    """What each receiver hears of its neighbours; 0 where it has none, whatever the merge.

    A neighbour that stands twice in a row counts twice.

    Args:
        x_ND: what each node says.
        nodes_MT: rows of x; -1 where there are fewer than T neighbours.
        weights_MT: the weight of each; only "importance" looks at them.
        merge: how messages merge.
    """
    there_MT = nodes_MT >= 0
    if len(x_ND) == 0 or nodes_MT.shape[1] == 0:
        # The sum of no rows is zero, and lets a gradient of zeros back.
        return x_ND[:0].sum(0).expand(len(nodes_MT), -1)
    safe_MT = nodes_MT.clamp_min(0)
    if merge == "max":
        said_MTD = x_ND[safe_MT].masked_fill(~there_MT[:, :, None], float("-inf"))
        return said_MTD.amax(1).masked_fill(~there_MT.any(1, keepdim=True), 0.0)
    if merge == "importance":
        # Whatever weight stands where nobody is, it weighs nothing.
        weights_MT = weights_MT.to(x_ND.dtype).masked_fill(~there_MT, 0.0)
    else:
        weights_MT = there_MT.to(x_ND.dtype)
        if merge == "mean":
            weights_MT /= weights_MT.sum(1, keepdim=True).clamp_min(1.0)
    return embedding_bag(safe_MT, x_ND, mode="sum", per_sample_weights=weights_MT)
