"""The one primitive: every node takes the weighted sum of what its senders hold.

A graph convolution and an attention layer differ in who listens to whom and in the weights, and in
nothing else. `propagate` is the slow reference that every faster route must agree with.

N = nodes, E = edges, D = width, H = heads, K = width per head.
"""

from collections.abc import Callable

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from grapevine.structs.graph import Graph

Weigh = Callable[[Graph], Tensor]
"""A merge: one weight for each edge, `(E,)` or `(E, H)`."""


def segment_sum(values: Tensor, segments: Int64[Tensor, " edges"], num_segments: int) -> Tensor:
    """Sum of the values of each segment; 0 for an empty one."""
    return values.new_zeros(num_segments, *values.shape[1:]).index_add(0, segments, values)


def segment_softmax(
    logits: Float[Tensor, " edges *heads"], segments: Int64[Tensor, " edges"], num_segments: int
) -> Float[Tensor, " edges *heads"]:
    """Softmax over the values of each segment."""
    index = segments.view(-1, *[1] * (logits.dim() - 1)).expand_as(logits)
    peak = logits.new_full((num_segments, *logits.shape[1:]), float("-inf"))
    peak = peak.scatter_reduce(0, index, logits, "amax")  # less the peak, exp cannot overflow
    weight = (logits - peak[segments]).exp()
    return weight / segment_sum(weight, segments, num_segments)[segments]


def propagate(graph: Graph, x: Float[Tensor, " nodes *width"], weigh: Weigh) -> Tensor:
    """Every node takes the weighted sum of what its senders hold.

    A node to which nobody speaks takes 0.

    Args:
        graph: who listens to whom.
        x: `(N, D)` or `(N, H, K)`, what each node holds.
        weigh: how messages merge.
    """
    weight = weigh(graph)
    message = x[graph.senders]  # (E, D) or (E, H, K)
    weight = weight.view(*weight.shape, *[1] * (message.dim() - weight.dim()))
    return segment_sum(message * weight, graph.receivers, graph.num_nodes)


def symmetric_normalised(graph: Graph) -> Float[Tensor, " edges"]:
    """1 / sqrt(out-degree of the sender x in-degree of the receiver).

    LightGCN (He et al., SIGIR 2020, arXiv:2002.02126, eq. 3); GCN with self-loops in the graph.
    """
    one = torch.ones(len(graph.senders), dtype=torch.get_default_dtype())
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
