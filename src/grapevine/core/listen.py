"""Where the route is picked: the same sum over neighbours, by the fastest way that its form allows.

| form | weights | route |
| --- | --- | --- |
| any | of a function, such as attention | the edges, one message each: `propagate` |
| `Graph` | by name | the same |
| `Table` | by name | a bag of rows: `pool` |
| `Adjacency` | "importance", "sum", "mean" | compiled sparse product: `spmm` |
| `Adjacency` | "max" | compiled segments: `greatest` |

Every route equals `propagate` to rounding, and so does its gradient.
"""

from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor

from grapevine.core.kernels.greatest import greatest
from grapevine.core.kernels.spmm import spmm
from grapevine.core.neighbourhoods import Adjacency, Neighbourhood, Table
from grapevine.core.propagate import (
    Weigh,
    alike,
    importance,
    propagate,
    segment_max,
    segment_sum,
    shares,
)
from grapevine.core.table import Merge, pool
from grapevine.structs.graph import Graph

WEIGHTS: dict[Merge, Weigh] = {"importance": importance, "sum": alike, "mean": shares, "max": alike}
"""What each merge weighs an edge with."""


def listen(
    neighbourhood: Neighbourhood,
    x: Float[Tensor, " nodes *width"],
    merge: Merge | Weigh = "importance",
) -> Float[Tensor, " receivers *width"]:
    """What each receiver hears of its senders; 0 where nobody speaks to it, whatever the merge.

    Args:
        neighbourhood: who listens to whom.
        x: `(N, D)` what each sender says; `(N, H, K)` too where the weights are a function.
        merge: by the weights that the edges have, by adding up, by equal shares or the greatest of
            each number; or a function that weighs the edges.
    """
    if isinstance(neighbourhood, Graph) or callable(merge):
        graph = neighbourhood
        if not isinstance(graph, Graph):
            graph = graph.edges(len(x))
        weigh = merge if callable(merge) else WEIGHTS[merge]
        reduce = segment_max if merge == "max" else segment_sum
        heard = propagate(graph, x, weigh, reduce=reduce)
        return heard if isinstance(neighbourhood, Graph) else heard[: len(neighbourhood)]
    if isinstance(neighbourhood, Table):
        return pool(x, neighbourhood.nodes, neighbourhood.weights, merge)
    if merge == "max":
        return greatest(neighbourhood.matrix, x, neighbourhood.transpose)
    return _summed(neighbourhood, x, merge)


def _summed(
    adjacency: Adjacency, x_ND: Float[Tensor, "nodes width"], merge: Merge
) -> Float[Tensor, "receivers width"]:
    matrix, transpose = adjacency.matrix, adjacency.transpose
    if merge == "importance":
        return spmm(matrix, x_ND, transpose)
    total_MD = spmm(replace(matrix, weights=None), x_ND, replace(transpose, weights=None))
    if merge == "sum":
        return total_MD
    degrees_M = torch.as_tensor(matrix.rows.lengths).clamp_min(1)
    return total_MD / degrees_M[:, None]
