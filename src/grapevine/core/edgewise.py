"""What attention does edge by edge, as steps of a torch network.

A score for each edge and head, a softmax over each receiver's edges, a sum by these weights: each
is compiled, forward and back, and agrees with `propagate` to rounding.

M = receivers, N = senders, E = edges, H = heads, K = width per head
"""

from collections.abc import Callable
from typing import Any, cast

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from grapevine.core.edges import Edges
from grapevine.core.kernels import edges as loops
from grapevine.core.kernels.memory import empty, tensor_of
from grapevine.core.kernels.spmm import blocks_of
from grapevine.core.kernels.threads import threads_for
from grapevine.structs.jagged import Jagged

Apply = Callable[..., Tensor]


def weighted_sum(
    edges: Edges,
    weights_EH: Float[Tensor, "edges heads"],
    x_NHK: Float[Tensor, "senders heads key"],
) -> Float[Tensor, "receivers heads key"]:
    """What each receiver hears: the sum over its edges of weight times what the sender says.

    A receiver without an edge hears 0.
    """
    apply: Apply = cast("Any", _WeightedSum).apply
    return apply(edges, weights_EH, x_NHK)


def dot_products(
    edges: Edges,
    q_MHK: Float[Tensor, "receivers heads key"],
    k_NHK: Float[Tensor, "senders heads key"],
) -> Float[Tensor, "edges heads"]:
    """The product of what both ends of each edge hold, head by head."""
    apply: Apply = cast("Any", _DotProducts).apply
    return apply(edges, q_MHK, k_NHK)


def bent_products(
    edges: Edges,
    q_MHK: Float[Tensor, "receivers heads key"],
    k_NHK: Float[Tensor, "senders heads key"],
    a_HK: Float[Tensor, "heads key"],
    slope: float = 0.2,
) -> Float[Tensor, "edges heads"]:
    """`a . LeakyReLU(q + k)` of both ends of each edge: the score of GATv2."""
    apply: Apply = cast("Any", _BentProducts).apply
    return apply(edges, q_MHK, k_NHK, a_HK, slope)


def bent_sums(
    edges: Edges,
    q_MH: Float[Tensor, "receivers heads"],
    k_NH: Float[Tensor, "senders heads"],
    slope: float = 0.2,
) -> Float[Tensor, "edges heads"]:
    """`LeakyReLU(q + k)` of both ends of each edge, one number a head: the score of GAT."""
    apply: Apply = cast("Any", _BentSums).apply
    return apply(edges, q_MH, k_NH, slope)


def softmax(edges: Edges, logits_EH: Float[Tensor, "edges heads"]) -> Float[Tensor, "edges heads"]:
    """Softmax over the edges of each receiver, head by head."""
    apply: Apply = cast("Any", _Softmax).apply
    return apply(edges, logits_EH)


def _summed(
    lists: Jagged, places: np.ndarray | None, weights_EH: np.ndarray, x_NHK: np.ndarray
) -> Tensor:
    out = empty((len(lists), *x_NHK.shape[1:]), x_NHK.dtype)
    with threads_for(len(lists.values) * x_NHK.shape[1] * x_NHK.shape[2]):
        loops.weighted_sum(
            blocks_of(lists.lengths), lists.offsets, lists.values, places, weights_EH, x_NHK, out
        )
    return torch.as_tensor(out)


def _multiplied(lists: Jagged, q_MHK: np.ndarray, k_NHK: np.ndarray) -> Tensor:
    out = empty((len(lists.values), q_MHK.shape[1]), q_MHK.dtype)
    with threads_for(len(lists.values) * q_MHK.shape[1] * q_MHK.shape[2]):
        starts = blocks_of(lists.lengths)
        loops.dot_products(starts, lists.offsets, lists.values, q_MHK, k_NHK, out)
    return torch.as_tensor(out)


def _added(lists: Jagged, places: np.ndarray | None, values_EH: np.ndarray) -> Tensor:
    out = empty((len(lists), values_EH.shape[1]), values_EH.dtype)
    with threads_for(values_EH.size):
        loops.edge_sums(blocks_of(lists.lengths), lists.offsets, places, values_EH, out)
    return torch.as_tensor(out)


def _numpy(x: Tensor) -> np.ndarray:
    return x.detach().contiguous().numpy()


class _WeightedSum(torch.autograd.Function):
    """Of the weights the gradient is a product of both ends, of x a sum along the way back."""

    @staticmethod
    def forward(ctx: Any, edges: Edges, weights: Tensor, x: Tensor) -> Tensor:
        ctx.edges = edges
        ctx.save_for_backward(weights, x)
        return _summed(edges.heard, None, _numpy(weights), _numpy(x))

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[None, Tensor | None, Tensor | None]:
        weights, x = ctx.saved_tensors
        edges, pull = cast("Edges", ctx.edges), _numpy(gradients[0])
        of_weights = of_x = None
        if ctx.needs_input_grad[1]:
            of_weights = _multiplied(edges.heard, pull, _numpy(x))
        if ctx.needs_input_grad[2]:
            of_x = _summed(edges.told, edges.places, _numpy(weights), pull)
        return None, of_weights, of_x


class _DotProducts(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, edges: Edges, q: Tensor, k: Tensor) -> Tensor:
        ctx.edges = edges
        ctx.save_for_backward(q, k)
        return _multiplied(edges.heard, _numpy(q), _numpy(k))

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[None, Tensor, Tensor]:
        q, k = ctx.saved_tensors
        edges, pull = cast("Edges", ctx.edges), _numpy(gradients[0])
        of_q = _summed(edges.heard, None, pull, _numpy(k))
        return None, of_q, _summed(edges.told, edges.places, pull, _numpy(q))


class _BentSums(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, edges: Edges, q: Tensor, k: Tensor, slope: float) -> Tensor:
        lists = edges.heard
        out = empty((len(lists.values), q.shape[1]), _numpy(q).dtype)
        with threads_for(2 * out.size):
            starts = blocks_of(lists.lengths)
            loops.bent_sums(starts, lists.offsets, lists.values, _numpy(q), _numpy(k), slope, out)
        ctx.edges, ctx.slope, ctx.out = edges, slope, out
        return torch.as_tensor(out)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[None, Tensor, Tensor, None]:
        edges, pull = cast("Edges", ctx.edges), _numpy(gradients[0])
        pull = np.where(ctx.out > 0, pull, ctx.slope * pull)  # the slope has the sign of the sum
        of_q, of_k = _added(edges.heard, None, pull), _added(edges.told, edges.places, pull)
        return None, of_q, of_k, None


class _Softmax(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, edges: Edges, logits: Tensor) -> Tensor:
        given = _numpy(logits)
        shares, lists = empty(given.shape, given.dtype), edges.heard
        with threads_for(4 * given.size):
            loops.softmax(blocks_of(lists.lengths), lists.offsets, given, shares)
        ctx.lists, ctx.shares = lists, shares
        return torch.as_tensor(shares)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[None, Tensor]:
        lists, shares = cast("Jagged", ctx.lists), cast("np.ndarray", ctx.shares)
        back = empty(shares.shape, shares.dtype)
        with threads_for(shares.size):
            starts = blocks_of(lists.lengths)
            loops.softmax_back(starts, lists.offsets, shares, _numpy(gradients[0]), back)
        return None, torch.as_tensor(back)


class _BentProducts(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, edges: Edges, q: Tensor, k: Tensor, a: Tensor, slope: float) -> Tensor:
        ctx.edges, ctx.slope = edges, slope
        ctx.save_for_backward(q, k, a)
        lists = edges.heard
        out = empty((len(lists.values), q.shape[1]), _numpy(q).dtype)
        with threads_for(len(lists.values) * q.shape[1] * q.shape[2]):
            loops.bent_products(
                blocks_of(lists.lengths), lists.offsets, lists.values,
                _numpy(q), _numpy(k), _numpy(a), slope, out,
            )  # fmt: skip
        return torch.as_tensor(out)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[None, Tensor, Tensor, Tensor, None]:
        q, k, a = map(_numpy, ctx.saved_tensors)
        edges, pull = cast("Edges", ctx.edges), _numpy(gradients[0])
        starts = blocks_of(edges.heard.lengths)
        of_q, of_k = empty(q.shape, q.dtype), empty(k.shape, k.dtype)
        of_a = empty((len(starts) - 1, *a.shape), a.dtype)
        with threads_for(pull.size * a.shape[1]):
            loops.bent_back(
                starts, edges.heard.offsets, edges.heard.values, None,
                q, k, a, ctx.slope, pull, of_q, of_a,
            )  # fmt: skip
            loops.bent_back(
                blocks_of(edges.told.lengths), edges.told.offsets, edges.told.values, edges.places,
                k, q, a, ctx.slope, pull, of_k, None,
            )  # fmt: skip
        as_tensor = torch.as_tensor
        return None, as_tensor(of_q), as_tensor(of_k), tensor_of(of_a.sum(0)), None
