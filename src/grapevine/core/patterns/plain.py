"""Everyone, everyone before, and those near by."""

from dataclasses import dataclass

import torch
from jaxtyping import Int
from torch import Tensor

from grapevine.core.patterns.base import Pattern, tidied


@dataclass(frozen=True, slots=True)
class Complete(Pattern):
    """Every place hears every place: an encoder; with other keys than queries, cross attention."""

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

    def reach(self) -> tuple[int, int] | None:
        """As the width says."""
        return self.width - 1, self.width - 1 if self.ahead else 0

    def table(
        self, length: int, *, device: torch.device | None = None
    ) -> Int[Tensor, "places most"]:
        """Of each place the steps to its senders are the same."""
        last = self.width if self.ahead else 1
        steps = torch.arange(max(1 - self.width, 1 - length), min(last, length), device=device)
        table_LT = torch.arange(length, device=device)[:, None] + steps
        return tidied(table_LT.masked_fill(table_LT >= length, -1))
