"""Torch's flex attention: the rules of pattern and bias compiled into one kernel.

On a processor it has no way back, takes a minute to compile, and hears no faster than `band` or
`along` do; so nothing picks it, and it is there to be asked for by name.
"""

from collections.abc import Callable
from functools import cache, partial
from typing import Any, cast

import torch
from torch import Tensor
from torch.nn.attention import flex_attention as torch_flex

from grapevine.core.routes.ask import Ask

Kernel = Callable[..., Tensor]


@cache
def compiled() -> Kernel:
    """The kernel, which each new shape, pattern or bias compiles anew."""
    return cast("Any", torch).compile(torch_flex.flex_attention)


def flex(ask: Ask, kernel: Kernel | None = None) -> Tensor:
    """What is heard.

    Args:
        ask: of a softmax without dropout; on a processor without a gradient.
        kernel: another than the compiled one.

    Raises:
        ValueError: it is asked for what it cannot do.
    """
    if ask.merge != "softmax" or ask.dropout:
        raise ValueError("flex attention knows the softmax alone, and leaves out no weights")
    if ask.q.device.type == "cpu" and torch.is_grad_enabled() and ask.q.requires_grad:
        raise ValueError("flex attention has no way back on a processor")
    blocks = cast("Any", torch_flex.create_block_mask)(
        partial(_heard, ask), len(ask.q), None, ask.queries, ask.keys, device=str(ask.q.device)
    )
    added = None if ask.bias is None else partial(_added, ask)
    return (kernel or compiled())(ask.q, ask.k, ask.v, added, blocks, ask.scale)


def _heard(ask: Ask, b: Tensor, h: Tensor, i: Tensor, j: Tensor) -> Tensor:
    """Whether query i hears key j in sequence b, whichever the head."""
    heard = ask.pattern.hears(i + ask.first, j)
    return heard if ask.there is None else heard & ask.there[b, j]


def _added(ask: Ask, score: Tensor, b: Tensor, h: Tensor, i: Tensor, j: Tensor) -> Tensor:
    """The product and its bias; one that all sequences or heads share has but one row of them."""
    bias = cast("Tensor", ask.added(i + ask.first, j))
    return score + bias[b % bias.shape[0], h % bias.shape[1]]
