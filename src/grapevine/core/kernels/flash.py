"""Torch's attention in the type that it is quickest in."""

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention


def scaled_dot_product(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    *,
    mask: Tensor | None = None,
    dropout: float = 0.0,
    causal: bool = False,
    scale: float,
) -> Tensor:
    """`scaled_dot_product_attention`, in float32 where bfloat16 would take longer.

    On a processor without matrix units torch's way back in bfloat16 is slower than in float32; what
    comes out is rounded to bfloat16 either way.

    Args:
        q: `(B, H, L, K)`.
        k: `(B, H, S, K)`.
        v: `(B, H, S, V)`.
        mask: `(.., L, S)` who hears whom, or what is added.
        dropout: share of the weights left out.
        causal: whether a place hears those up to it alone.
        scale: of the products.
    """
    asked = q.dtype
    if asked == torch.bfloat16 and q.device.type == "cpu":
        q, k, v = q.float(), k.float(), v.float()
        mask = mask.float() if mask is not None and mask.is_floating_point() else mask
    heard = scaled_dot_product_attention(
        q, k, v, attn_mask=mask, dropout_p=dropout, is_causal=causal, scale=scale
    )
    return heard.to(asked)
