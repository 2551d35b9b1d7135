"""Attention with several heads: what each place asks, and what it is told.

B = sequences, L = places, D = width, H = heads, K = width of a head
"""

from collections.abc import Callable
from typing import Any, cast

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from grapevine.core.attention import attend
from grapevine.core.patterns import Complete, Pattern
from grapevine.core.routes.dense import softmax_or_nothing

States = Float[Tensor, "batch places width"]
Asking = Float[Tensor, "batch asking width"]
"""What those hold that listen: all places, or some of them."""
There = Bool[Tensor, "batch places"]
Bias = Float[Tensor, "#batch #heads #asking places"]
Attend = Callable[..., Any]
"""As `core.attention.attend`, which it is unless `core.heads` listens in."""


class Attention(nn.Module):
    """Multi-head dot-product attention (Vaswani et al., NeurIPS 2017, section 3.2).

    Args:
        width: D, of what places hold; divisible by the heads.
        heads: H.
        dropout: share of the weights left out.
        bias: whether the four products have a bias.
    """

    def __init__(self, width: int, heads: int, *, dropout: float = 0.0, bias: bool = True) -> None:
        super().__init__()
        if width % heads:
            raise ValueError(f"a width of {width} cannot be shared by {heads} heads")
        self.heads, self.dropout = heads, dropout
        self.query = nn.Linear(width, width, bias)
        # Keys and values in one product, for they look at the same states.
        self.keys_values = nn.Linear(width, 2 * width, bias)
        self.out = nn.Linear(width, width, bias)
        self.attend: Attend = attend

    def forward(
        self,
        asking: Asking,
        told: States,
        pattern: Pattern,
        *,
        there: There | None = None,
        bias: Bias | None = None,
    ) -> Asking:
        """What each place of `asking` hears of the places of `told`."""
        if self._one_asks(asking, pattern, bias):
            return self.out(self._heard_by_one(asking, told, there))
        q = split_heads(self.query(asking), self.heads)
        k, v = (split_heads(part, self.heads) for part in self.keys_values(told).chunk(2, -1))
        dropout = self.dropout if self.training else 0.0
        heard_BHLK = self.attend(q, k, v, pattern, there=there, bias=bias, dropout=dropout)
        return self.out(heard_BHLK.transpose(1, 2).flatten(2))

    def _one_asks(self, asking: Asking, pattern: Pattern, bias: Bias | None) -> bool:
        """Whether there is one place that hears all others, and nobody wants to know how much."""
        left_out = self.dropout if self.training else 0.0
        plain = isinstance(pattern, Complete) and bias is None and not left_out
        return asking.shape[1] == 1 and plain and self.attend is attend

    def _heard_by_one(self, asking: Asking, told: States, there: There | None) -> Asking:
        """The same with no key and no value made: `q (W x + b)` is `(W' q) x` and a constant.

        What is the same for all keys changes no share, and values are a product of the mean of the
        states: a place is read twice, where a key and a value of it cost as much as `2 D^2`.
        """
        width, key = told.shape[2], told.shape[2] // self.heads
        weight_PHKD = self.keys_values.weight.view(2, self.heads, key, width)
        q_BHK = self.query(asking)[:, 0].unflatten(1, (self.heads, key))
        toward_BHD = torch.einsum("bhk,hkd->bhd", q_BHK, weight_PHKD[0])
        products_BHL = toward_BHD @ told.transpose(1, 2) * key**-0.5
        if there is None:
            shares_BHL = products_BHL.softmax(-1)
        else:
            shares_BHL = softmax_or_nothing(products_BHL, there[:, None])
        value_BHK = torch.einsum("bhd,hkd->bhk", shares_BHL @ told, weight_PHKD[1])
        bias = cast("Tensor | None", self.keys_values.bias)
        if bias is not None:
            # A place that hears nobody hears no bias either.
            bias_HK = bias[width:].view(self.heads, key)
            value_BHK = value_BHK + shares_BHL.sum(-1, keepdim=True) * bias_HK
        return value_BHK.flatten(1)[:, None]


def split_heads(x: States, heads: int) -> Float[Tensor, "batch heads places key"]:
    """What each head gets of a state, the heads before the places."""
    batch, places, width = x.shape
    return x.reshape(batch, places, heads, width // heads).transpose(1, 2)
