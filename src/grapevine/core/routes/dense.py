"""Every query against every key: torch's own kernel, or the whole matrix of weights."""

import torch
from torch import Tensor
from torch.nn.functional import dropout as drop
from torch.nn.functional import scaled_dot_product_attention, silu

from grapevine.core.patterns import Causal
from grapevine.core.routes.ask import Ask, Merge


def fused(ask: Ask) -> Tensor:
    """Torch's own, told that a mask is causal rather than shown it wherever that is all.

    Raises:
        ValueError: the merge is no softmax.
    """
    if ask.merge != "softmax":
        raise ValueError(f"the fused kernel knows the softmax alone, not {ask.merge}")
    if is_plainly_causal(ask):
        return scaled_dot_product_attention(
            ask.q, ask.k, ask.v, dropout_p=ask.dropout, is_causal=ask.queries > 1, scale=ask.scale
        )
    return merged(
        ask.q, ask.k, ask.v, ask.whole_mask(), ask.whole_bias(), ask.dropout, ask.scale, "softmax"
    )


def is_plainly_causal(ask: Ask) -> bool:
    """Whether the causal flag says it all: the last place alone needs not even that."""
    same = ask.queries == ask.keys or ask.queries == 1
    plain = ask.there is None and ask.bias is None and ask.merge == "softmax"
    return isinstance(ask.pattern, Causal) and same and plain


def matrix(ask: Ask) -> tuple[Tensor, Tensor]:
    """What is heard, and the weights `(B, H, L, S)` before any was left out."""
    mask, bias = ask.whole_mask(), ask.whole_bias()
    weights = weights_of(ask.q, ask.k, mask, bias, ask.scale, ask.merge)
    return torch.matmul(drop(weights, ask.dropout), ask.v), weights


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
        return torch.matmul(drop(weights_of(q, k, mask, bias, scale, merge), dropout), v)
    if bias is not None:
        mask = bias if mask is None else bias.masked_fill(~mask, float("-inf"))
        mask = mask.to(q.dtype)
    return scaled_dot_product_attention(q, k, v, attn_mask=mask, dropout_p=dropout, scale=scale)


def weights_of(
    q: Tensor, k: Tensor, mask: Tensor | None, bias: Tensor | None, scale: float, merge: Merge
) -> Tensor:
    """The weights of all pairs; 0 for those that the mask keeps apart."""
    logits = torch.matmul(q, k.transpose(-1, -2)) * scale
    if bias is not None:
        logits = logits + bias
    if merge == "silu":
        return silu(logits) if mask is None else silu(logits).masked_fill(~mask, 0.0)
    return softmax_or_nothing(logits, mask)


def softmax_or_nothing(logits: Tensor, mask: Tensor | None) -> Tensor:
    """Softmax over the last axis of what the mask lets through; 0 where it lets nothing."""
    if mask is None:
        return logits.softmax(-1)
    nobody = ~mask.any(-1, keepdim=True)
    # A row of -inf alone would turn to what is no number, and so would its gradient.
    return logits.masked_fill(~(mask | nobody), float("-inf")).softmax(-1).masked_fill(nobody, 0.0)
