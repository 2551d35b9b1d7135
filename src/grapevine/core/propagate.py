"""The one primitive: every node takes the weighted sum of what its senders hold.

A graph convolution and an attention layer differ in who listens to whom and in the weights, and in
nothing else. `propagate` is the slow reference that every faster route must agree with; `listen`
picks the route.

N = nodes, E = edges, D = width, H = heads, K = width per head.
"""

from collections.abc import Callable

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from grapevine.structs.graph import Graph

Weigh = Callable[[Graph], Tensor]
"""A merge: one weight for each edge, `(E,)` or `(E, H)`."""
Reduce = Callable[[Tensor, Tensor, int], Tensor]
"""What becomes of the values of each segment: `segment_sum` or `segment_max`."""


def segment_sum(values: Tensor, segments: Int64[Tensor, " edges"], num_segments: int) -> Tensor:
    """Sum of the values of each segment; 0 for an empty one."""
    return values.new_zeros(num_segments, *values.shape[1:]).index_add(0, segments, values)


def segment_max(values: Tensor, segments: Int64[Tensor, " edges"], num_segments: int) -> Tensor:
    """Greatest of the values of each segment, number by number; 0 for an empty one.

    Values that are equal share the gradient.
    """
    peak = _peak(values, segments, num_segments)
    return peak.masked_fill(_empty(segments, num_segments, values.dim()), 0.0)


def segment_softmax(
    logits: Float[Tensor, " edges *heads"], segments: Int64[Tensor, " edges"], num_segments: int
) -> Float[Tensor, " edges *heads"]:
    """Softmax over the values of each segment."""
    peak = _peak(logits, segments, num_segments)  # less the peak, exp cannot overflow
    weight = (logits - peak[segments]).exp()
    return weight / segment_sum(weight, segments, num_segments)[segments]


def _peak(values: Tensor, segments: Int64[Tensor, " edges"], num_segments: int) -> Tensor:
    """Greatest of each segment, -inf for an empty one."""
    index = segments.view(-1, *[1] * (values.dim() - 1)).expand_as(values)
    peak = values.new_full((num_segments, *values.shape[1:]), float("-inf"))
    return peak.scatter_reduce(0, index, values, "amax")


def _empty(
    segments: Int64[Tensor, " edges"], num_segments: int, axes: int
) -> Bool[Tensor, " segments *one"]:
    """Which segments have no values, over the other axes alike."""
    empty = torch.bincount(segments, minlength=num_segments) == 0
    return empty.view(-1, *[1] * (axes - 1))


def propagate(
    graph: Graph,
    x: Float[Tensor, " nodes *width"],
    weigh: Weigh,
    *,
    reduce: Reduce = segment_sum,
) -> Tensor:
    """Every node takes the weighted sum of what its senders hold.

    A node to which nobody speaks takes 0. An edge that stands twice counts twice.

    Args:
        graph: who listens to whom.
        x: `(N, D)` or `(N, H, K)`, what each node holds.
        weigh: how messages merge.
        reduce: the sum, or for the greatest of the weighed messages `segment_max`.
    """
    weight = weigh(graph)
    message = x[graph.senders]  # (E, D) or (E, H, K)
    weight = weight.view(*weight.shape, *[1] * (message.dim() - weight.dim()))
    return reduce(message * weight, graph.receivers, graph.num_nodes)


def alike(graph: Graph) -> Float[Tensor, " edges"]:
    """One: the sum over the senders, whatever weights the edges have."""
    return torch.ones(len(graph.senders), dtype=torch.get_default_dtype())


def importance(graph: Graph) -> Float[Tensor, " edges"]:
    """The weights that the edges have; one where they have none."""
    return alike(graph) if graph.weights is None else graph.weights


def shares(graph: Graph) -> Float[Tensor, " edges"]:
    """1 / in-degree of the receiver: the mean over the senders."""
    return segment_sum(alike(graph), graph.receivers, graph.num_nodes)[graph.receivers].reciprocal()


def symmetric_normalised(graph: Graph) -> Float[Tensor, " edges"]:
    """1 / sqrt(out-degree of the sender x in-degree of the receiver).

    LightGCN (He et al., SIGIR 2020, arXiv:2002.02126, eq. 3); GCN with self-loops in the graph
    (Kipf and Welling, ICLR 2017, arXiv:1609.02907, eq. 2). A degree counts the self-loop too.
    """
    one = alike(graph)
    out_degree = segment_sum(one, graph.senders, graph.num_nodes)
    in_degree = segment_sum(one, graph.receivers, graph.num_nodes)
    return (out_degree[graph.senders] * in_degree[graph.receivers]).rsqrt()


def dot_product(
    q_NHK: Float[Tensor, "nodes heads key"], k_NHK: Float[Tensor, "nodes heads key"]
) -> Weigh:
    """Softmax over each receiver's senders of q k / sqrt(K) (Vaswani et al., 2017, eq. 1)."""

    def weigh(graph: Graph) -> Tensor:
        logits_EH = (q_NHK[graph.receivers] * k_NHK[graph.senders]).sum(-1)
        scale = q_NHK.shape[-1] ** -0.5
        return segment_softmax(logits_EH * scale, graph.receivers, graph.num_nodes)

    return weigh
