"""What is asked of a route of attention: all of it in one value.

B = sequences, H = heads, L = queries, S = keys, K = width of a key, V = width of a value
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from grapevine.core.patterns import Complete, Cross, Pattern

Merge = Literal["softmax", "silu"]
"""What becomes of the products of a receiver: shares that add up to one; or SiLU of each, which
HSTU adds up as they are (Zhai et al., ICML 2024, arXiv:2402.17152, eq. 2)."""
Places = Callable[[Tensor, Tensor], Tensor]
"""A bias as a rule: told receivers and senders as places, whose shapes broadcast to `(*places)`,
it answers with numbers that broadcast to `(B, H, *places)`."""
Bias = Float[Tensor, "#batch #heads #queries keys"]
Queries = Float[Tensor, "batch heads queries key"]
Keys = Float[Tensor, "batch heads keys key"]
Values = Float[Tensor, "batch heads keys value"]


@dataclass(frozen=True, slots=True)
class Ask:
    """Queries, keys, values, and who hears whom how; see `core.attention.attend`."""

    q: Queries
    k: Keys
    v: Values
    pattern: Pattern
    there: Bool[Tensor, "batch keys"] | None
    bias: Tensor | Places | None
    dropout: float
    scale: float
    merge: Merge

    @property
    def queries(self) -> int:
        """L."""
        return self.q.shape[-2]

    @property
    def keys(self) -> int:
        """S."""
        return self.k.shape[-2]

    @property
    def first(self) -> int:
        """The place of the first query."""
        return int(self.pattern.places(self.queries, self.keys)[0])

    @property
    def pairs(self) -> int:
        """Numbers of the whole matrix of weights."""
        return self.q.shape[0] * self.q.shape[1] * self.queries * self.keys

    def grids(self) -> tuple[Tensor, Tensor]:
        """The places of all queries, and of all keys: `(L, 1)` and `(1, S)`."""
        receivers = self.pattern.places(self.queries, self.keys, self.q.device)
        return receivers[:, None], torch.arange(self.keys, device=self.q.device)[None, :]

    def everyone(self) -> bool:
        """Whether the pattern lets all through."""
        inner = self.pattern.inner if isinstance(self.pattern, Cross) else self.pattern
        return isinstance(inner, Complete)

    def heard(self, receivers: Tensor, senders: Tensor) -> Tensor:
        """Who hears whom of these places: `(*places)`, or `(B, 1, *places)` where keys lack."""
        heard = self.pattern.hears(receivers, senders)
        return heard if self.there is None else heard & self.there[:, None, senders]

    def added(self, receivers: Tensor, senders: Tensor) -> Tensor | None:
        """What is added to the products of these places, to broadcast to `(B, H, *places)`."""
        if self.bias is None or not isinstance(self.bias, Tensor):
            return None if self.bias is None else self.bias(receivers, senders)
        rows = receivers - self.first if self.bias.shape[-2] > 1 else torch.zeros_like(receivers)
        return self.bias[..., rows, senders]

    def whole_bias(self) -> Tensor | None:
        """What is added to all products; as it stands if it is numbers already."""
        return self.bias if isinstance(self.bias, Tensor) else self.added(*self.grids())

    def whole_mask(self) -> Tensor | None:
        """Who hears whom, `(L, S)` or `(B, 1, L, S)`; None where everyone hears everyone."""
        if self.everyone():
            return None if self.there is None else self.there[:, None, None, :]
        return self.heard(*self.grids())
