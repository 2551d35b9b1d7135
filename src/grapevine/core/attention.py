"""Attention: each place takes a weighted sum of what the places hold that it hears.

`attend` picks the route, and nothing else does; each equals `core.propagate` with `dot_product`
weights over the edges of the pattern, and so do its gradients.

B = sequences, H = heads, L = queries, S = keys, K = width of a head, N = places of all sequences.
"""

from typing import Literal, overload

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import dropout as drop
from torch.nn.functional import scaled_dot_product_attention, silu

from grapevine.core.patterns import Causal, Complete, Packed, Pattern

Merge = Literal["softmax", "silu"]
"""What becomes of the products of a receiver: shares that add up to one, or SiLU of each, which
HSTU adds up as they are (Zhai et al., 2024, eq. 2); the caller divides by the length."""
Route = Literal["fused", "matrix", "packed"]
Queries = Float[Tensor, "batch heads queries key"]
Keys = Float[Tensor, "batch heads keys key"]
Values = Float[Tensor, "batch heads keys value"]


@overload
def attend(
    q_BHLK: Queries,
    k_BHSK: Keys,
    v_BHSK: Values,
    pattern: Pattern,
    *,
    there: Bool[Tensor, "batch keys"] | None = None,
    bias: Float[Tensor, "#batch #heads #queries keys"] | None = None,
    dropout: float = 0.0,
    scale: float | None = None,
    merge: Merge = "softmax",
    weights: Literal[False] = False,
    route: Route | None = None,
) -> Tensor: ...
@overload
def attend(
    q_BHLK: Queries,
    k_BHSK: Keys,
    v_BHSK: Values,
    pattern: Pattern,
    *,
    there: Bool[Tensor, "batch keys"] | None = None,
    bias: Float[Tensor, "#batch #heads #queries keys"] | None = None,
    dropout: float = 0.0,
    scale: float | None = None,
    merge: Merge = "softmax",
    weights: Literal[True],
    route: Route | None = None,
) -> tuple[Tensor, Tensor]: ...
def attend(
    q_BHLK: Queries,
    k_BHSK: Keys,
    v_BHSK: Values,
    pattern: Pattern,
    *,
    there: Bool[Tensor, "batch keys"] | None = None,
    bias: Float[Tensor, "#batch #heads #queries keys"] | None = None,
    dropout: float = 0.0,
    scale: float | None = None,
    merge: Merge = "softmax",
    weights: bool = False,
    route: Route | None = None,
) -> Tensor | tuple[Tensor, Tensor]:
    """What each query hears; 0 where it hears nobody.

    Args:
        q_BHLK: what the receivers ask. With fewer queries than keys they stand at the last places.
        k_BHSK: what the senders are asked for.
        v_BHSK: what the senders say.
        pattern: who listens to whom.
        there: which keys exist; padding is heard by nobody.
        bias: added to the products.
        dropout: share of the weights that are left out at random; the rest makes up for it.
        scale: what products are multiplied by, 1 / sqrt(K) if None.
        merge: what becomes of the products of a receiver.
        weights: return the attention maps `(B, H, L, S)` too, as they were before dropout.
        route: one by name, for tests and measurements; None takes the fastest that serves.
    """
    if route is None:
        route = _route(q_BHLK, k_BHSK, pattern, there, bias, merge, weights)
    if route == "packed":
        return _packed(q_BHLK, k_BHSK, v_BHSK, pattern, dropout, scale)
    if route == "fused":
        return _fused(q_BHLK, k_BHSK, v_BHSK, pattern, there, bias, dropout, scale)
    out, maps = _matrix(q_BHLK, k_BHSK, v_BHSK, pattern, there, bias, dropout, scale, merge)
    return (out, maps) if weights else out


def _route(
    q_BHLK: Queries,
    k_BHSK: Keys,
    pattern: Pattern,
    there: Tensor | None,
    bias: Tensor | None,
    merge: Merge,
    weights: bool,
) -> Route:
    if weights or merge == "silu":
        return "matrix"
    square = q_BHLK.shape[-2] == k_BHSK.shape[-2]
    if isinstance(pattern, Packed) and square and there is None and bias is None:
        return "packed"
    return "fused"


def _mask(pattern: Pattern, queries: int, there: Tensor | None, k_BHSK: Keys) -> Tensor | None:
    """Who hears whom, `(L, S)` or `(B, 1, L, S)`; None where everyone hears everyone."""
    if isinstance(pattern, Complete):
        return None if there is None else there[:, None, None, :]
    mask = pattern.mask(queries, k_BHSK.shape[-2], device=k_BHSK.device)
    return mask if there is None else mask & there[:, None, None, :]


def _fused(
    q_BHLK: Queries,
    k_BHSK: Keys,
    v_BHSK: Values,
    pattern: Pattern,
    there: Tensor | None,
    bias: Tensor | None,
    dropout: float,
    scale: float | None,
) -> Tensor:
    """Torch's own, which keeps no matrix of weights where its kernel allows."""
    queries, keys = q_BHLK.shape[-2], k_BHSK.shape[-2]
    if isinstance(pattern, Causal) and queries == keys and there is None and bias is None:
        return scaled_dot_product_attention(
            q_BHLK, k_BHSK, v_BHSK, dropout_p=dropout, is_causal=True, scale=scale
        )
    mask = None if _hears_all(pattern, queries) else _mask(pattern, queries, None, k_BHSK)
    if there is not None:
        mask = there[:, None, None, :] if mask is None else mask & there[:, None, None, :]
    if bias is not None:
        mask = bias if mask is None else bias.masked_fill(~mask, float("-inf"))
    return scaled_dot_product_attention(
        q_BHLK, k_BHSK, v_BHSK, attn_mask=mask, dropout_p=dropout, scale=scale
    )


def _hears_all(pattern: Pattern, queries: int) -> bool:
    """Whether no mask is needed: the last place hears all before it."""
    return isinstance(pattern, Complete) or (isinstance(pattern, Causal) and queries == 1)


def _matrix(
    q_BHLK: Queries,
    k_BHSK: Keys,
    v_BHSK: Values,
    pattern: Pattern,
    there: Tensor | None,
    bias: Tensor | None,
    dropout: float,
    scale: float | None,
    merge: Merge,
) -> tuple[Tensor, Tensor]:
    """The whole matrix of weights, for whoever wants to see it or merges otherwise."""
    factor: float = q_BHLK.shape[-1] ** -0.5 if scale is None else scale
    logits_BHLS = torch.matmul(q_BHLK, k_BHSK.transpose(-1, -2)) * factor
    if bias is not None:
        logits_BHLS = logits_BHLS + bias
    mask = _mask(pattern, q_BHLK.shape[-2], there, k_BHSK)
    if merge == "silu":
        maps = silu(logits_BHLS)
        maps = maps if mask is None else maps.masked_fill(~mask, 0.0)
    else:
        maps = softmax_or_nothing(logits_BHLS, mask)
    return drop(maps, dropout) @ v_BHSK, maps


def softmax_or_nothing(logits: Tensor, mask: Tensor | None) -> Tensor:
    """Softmax over the last axis of what the mask lets through; 0 where it lets nothing."""
    if mask is None:
        return logits.softmax(-1)
    nobody = ~mask.any(-1, keepdim=True)
    masked = logits.masked_fill(~(mask | nobody), float("-inf"))
    return masked.softmax(-1).masked_fill(nobody, 0.0)


def _packed(
    q_BHNK: Queries,
    k_BHNK: Keys,
    v_BHNK: Values,
    pattern: Pattern,
    dropout: float,
    scale: float | None,
) -> Tensor:
    """One sequence after another."""
    assert isinstance(pattern, Packed)
    lengths = pattern.lengths()
    one_by_one = zip(*(torch.split(x, lengths, -2) for x in (q_BHNK, k_BHNK, v_BHNK)))
    parts = [attend(q, k, v, pattern.inner, dropout=dropout, scale=scale) for q, k, v in one_by_one]
    return torch.cat(parts, -2)
