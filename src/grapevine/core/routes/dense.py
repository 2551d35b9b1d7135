"""Every query against every key: torch's own kernel, or the whole matrix of weights."""

import torch
from torch import Tensor
from torch.nn.functional import silu

from grapevine.core.kernels.dropout import Dropout
from grapevine.core.kernels.flash import scaled_dot_product
from grapevine.core.kernels.pointwise import pointwise
from grapevine.core.kernels.weighed import serves, weighed
from grapevine.core.patterns import Causal
from grapevine.core.routes.ask import Ask, Merge


def fused(ask: Ask) -> Tensor:
    """Torch's own, told that a mask is causal rather than shown it wherever that is all.

    Raises:
        ValueError: the merge is no softmax.
    """
    if ask.merge != "softmax":
        raise ValueError(f"the fused kernel knows the softmax alone, not {ask.merge}")
    if weighed_serves(ask):
        causal = isinstance(ask.pattern, Causal) and ask.queries > 1
        key = int(torch.randint(2**62, ())) if ask.dropout else 0
        return weighed(
            ask.q, ask.k, ask.v, there=ask.there, causal=causal, scale=ask.scale,
            dropout=ask.dropout, key=key,
        )  # fmt: skip
    if is_plainly_causal(ask):
        return scaled_dot_product(
            ask.q, ask.k, ask.v, dropout=ask.dropout, causal=ask.queries > 1, scale=ask.scale
        )
    return merged(
        ask.q, ask.k, ask.v, ask.whole_mask(), ask.whole_bias(), ask.dropout, ask.scale, "softmax"
    )


def weighed_serves(ask: Ask) -> bool:
    """Whether `kernels.weighed` does the same: plain shares in bfloat16."""
    same = ask.queries == ask.keys or ask.queries == 1
    who = ask.everyone() or (isinstance(ask.pattern, Causal) and same)
    return who and ask.bias is None and ask.dropout < 1 and serves(ask.q, ask.k)


def is_plainly_causal(ask: Ask) -> bool:
    """Whether the causal flag says it all: the last place alone needs not even that."""
    same = ask.queries == ask.keys or ask.queries == 1
    plain = ask.there is None and ask.bias is None and ask.merge == "softmax"
    return isinstance(ask.pattern, Causal) and same and plain


def bent(ask: Ask) -> Tensor:
    """SiLU weights a few sequences at a time, by compiled code: float32 on the processor."""
    bias = ask.whole_bias()
    if bias is not None:
        bias = bias.expand(bias.shape[0], 1, ask.queries, ask.keys)
    mask = ask.whole_mask()
    if mask is not None:
        mask = mask.expand(*mask.shape[:-2], ask.queries, ask.keys)
    return pointwise(ask.q, ask.k, ask.v, bias=bias, mask=mask, scale=ask.scale)


def is_plainly_bent(ask: Ask) -> bool:
    """Whether `bent` serves: nothing dropped, and all heads told the same beside products."""
    numbers = ask.bias is None or (
        isinstance(ask.bias, Tensor) and ask.bias.shape[1] == 1 and ask.bias.dtype == torch.float32
    )
    plain = ask.q.dtype == torch.float32 and ask.q.device.type == "cpu"
    by_hand = numbers and plain and not torch.is_autocast_enabled("cpu")
    return ask.merge == "silu" and not ask.dropout and by_hand


def matrix(ask: Ask) -> tuple[Tensor, Tensor]:
    """What is heard, and the weights `(B, H, L, S)` before any was left out."""
    mask, bias = ask.whole_mask(), ask.whole_bias()
    weights = weights_of(ask.q, ask.k, mask, bias, ask.scale, ask.merge)
    return torch.matmul(left_out(weights, ask.dropout), ask.v), weights


def merged(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    mask: Tensor | None,
    bias: Tensor | None,
    dropout: float,
    scale: float,
    merge: Merge,
) -> Tensor:
    """What is heard under a mask and a bias that are there as numbers."""
    if merge == "silu":
        return torch.matmul(left_out(weights_of(q, k, mask, bias, scale, merge), dropout), v)
    if bias is not None:
        mask = bias if mask is None else bias.masked_fill(~mask, float("-inf"))
        mask = mask.to(q.dtype)
    return scaled_dot_product(q, k, v, mask=mask, dropout=dropout, scale=scale)


def weights_of(
    q: Tensor, k: Tensor, mask: Tensor | None, bias: Tensor | None, scale: float, merge: Merge
) -> Tensor:
    """The weights of all pairs; 0 for those that the mask keeps apart."""
    if merge == "silu":
        weights = silu(_products(q, k, bias, scale))
        return weights if mask is None else weights.masked_fill(~mask, 0.0)
    if mask is None:
        return _products(q, k, bias, scale).softmax(-1)
    nobody = ~mask.any(-1, keepdim=True)
    # A row of -inf alone would turn to what is no number, and so would its gradient.
    shut = ~mask if not nobody.any() else ~(mask | nobody)
    added = torch.zeros(shut.shape, dtype=q.dtype, device=q.device) if bias is None else bias
    weights = _products(q, k, added.masked_fill(shut, float("-inf")), scale).softmax(-1)
    return weights.masked_fill(nobody, 0.0) if nobody.any() else weights


def _products(q: Tensor, k: Tensor, added: Tensor | None, scale: float) -> Tensor:
    """`q k' scale + added`, in one step where all sequences and heads have the same added."""
    if added is None:
        return torch.matmul(q, k.transpose(-1, -2)) * scale
    if added.dim() > 2 or q.dtype != added.dtype:
        return torch.matmul(q, k.transpose(-1, -2)) * scale + added
    one, other = q.flatten(0, 1), k.flatten(0, 1).transpose(-1, -2)
    rows = added.expand(len(one), one.shape[1], other.shape[2])
    return torch.baddbmm(rows, one, other, alpha=scale).view(*q.shape[:-1], k.shape[-2])


def softmax_or_nothing(logits: Tensor, mask: Tensor) -> Tensor:
    """Softmax over the last axis of what the mask lets through; 0 where it lets nothing."""
    nobody = ~mask.any(-1, keepdim=True)
    return logits.masked_fill(~(mask | nobody), float("-inf")).softmax(-1).masked_fill(nobody, 0.0)


def left_out(weights: Tensor, share: float) -> Tensor:
    """The weights but for some, by chance, which the rest makes up for."""
    return Dropout(share)(weights) if share else weights
