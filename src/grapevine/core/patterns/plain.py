"""Everyone, everyone before, those near by, and those at the head of the sequence."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Int, Int64
from torch import Tensor

from grapevine.core.patterns.base import Pattern, kept
from grapevine.structs.jagged import Jagged


@dataclass(frozen=True, slots=True)
class Complete(Pattern):
    """Every place hears every place: an encoder."""

    def hears(self, receivers: Int[Tensor, "*#any"], senders: Int[Tensor, "*#any"]) -> Tensor:
        """Always."""
        return (receivers == receivers) & (senders == senders)


@dataclass(frozen=True, slots=True)
class Causal(Pattern):
    """Every place hears itself and all before it: a decoder."""

    def hears(self, receivers: Int[Tensor, "*#any"], senders: Int[Tensor, "*#any"]) -> Tensor:
        """Unless the sender comes later."""
        return senders <= receivers


@dataclass(frozen=True, slots=True)
class Prefix(Pattern):
    """Every place hears itself, all before it and the whole prefix: a prefix language model.

    Attributes:
        count: places of the prefix; 0 is `Causal`, the whole length is `Complete`.
    """

    count: int

    def hears(self, receivers: Int[Tensor, "*#any"], senders: Int[Tensor, "*#any"]) -> Tensor:
        """Unless the sender comes later and is not of the prefix."""
        return (senders <= receivers) | (senders < self.count)


@dataclass(frozen=True, slots=True)
class Window(Pattern):
    """A place hears those less than `width` places away, itself among them.

    Attributes:
        width: 1 leaves each place alone.
        ahead: whether later places are heard too.
    """

    width: int
    ahead: bool = False

    def hears(self, receivers: Int[Tensor, "*#any"], senders: Int[Tensor, "*#any"]) -> Tensor:
        """Where they are near enough."""
        back = receivers - senders
        return (back < self.width) & (back > (-self.width if self.ahead else -1))

    def sparse(self) -> bool:
        """The senders stand side by side."""
        return True

    def reach(self) -> tuple[int, int] | None:
        """As the width says."""
        return self.width - 1, self.width - 1 if self.ahead else 0

    def senders(self, length: int) -> Jagged:
        """The same steps from each place."""
        far = min(self.width, length)
        near = np.arange(length)[:, None] + np.arange(1 - far, far if self.ahead else 1)
        return kept(near, (near >= 0) & (near < length))


@dataclass(frozen=True, slots=True)
class Cross(Pattern):
    """Cross attention: the queries stand beside the keys, each counted from its own start.

    Attributes:
        inner: the rule; `Complete` where every query hears every key.
    """

    inner: Pattern

    def places(
        self, queries: int, keys: int, device: torch.device | None = None
    ) -> Int64[Tensor, " queries"]:
        """From their own start, however many keys there are."""
        return torch.arange(queries, device=device)

    def hears(self, receivers: Int[Tensor, "*#any"], senders: Int[Tensor, "*#any"]) -> Tensor:
        """By the inner rule."""
        return self.inner.hears(receivers, senders)

    def sparse(self) -> bool:
        """If the inner rule is."""
        return self.inner.sparse()

    def senders(self, length: int) -> Jagged:
        """Those of the inner rule."""
        return self.inner.senders(length)
