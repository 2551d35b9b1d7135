"""Who listens to whom among the places of a sequence: a rule, as a mask, a table or edges.

A pattern is a rule about two places. Each form that a route of attention asks for follows from the
rule; a pattern that can tell its senders in time linear in the length says so in `table`.

Q = queries, K = keys, L = places of a sequence, T = most senders of one place, E = edges.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from grapevine.structs.graph import Graph


class Pattern(ABC):
    """Who listens to whom; frozen, so that patterns compare by what they say.

    Where there are fewer queries than keys the queries stand at the last places, as in a decoder
    that has kept what came before.
    """

    @abstractmethod
    def hears(self, receivers: Int[Tensor, "*#any"], senders: Int[Tensor, "*#any"]) -> Tensor:
        """Whether each receiver hears each sender, both given as places; shapes broadcast."""

    def reach(self) -> tuple[int, int] | None:
        """How many places back and ahead a place hears at most; None where there is no bound."""
        return None

    def mask(
        self, queries: int, keys: int | None = None, *, device: torch.device | None = None
    ) -> Bool[Tensor, "queries keys"]:
        """The whole truth: `[i, j]` says whether query i hears key j."""
        keys = queries if keys is None else keys
        receivers = torch.arange(keys - queries, keys, device=device)[:, None]
        senders = torch.arange(keys, device=device)[None, :]
        return self.hears(receivers, senders).expand(queries, keys)

    def table(
        self, length: int, *, device: torch.device | None = None
    ) -> Int[Tensor, "places most"]:
        """The senders of each place, rising, each once; -1 at the end where there are fewer."""
        return table_of(self.mask(length, device=device))

    def edges(self, length: int) -> Graph:
        """The same as edges, receiver by receiver."""
        table_LT = self.table(length)
        receivers, nth = (table_LT >= 0).nonzero().unbind(1)
        return Graph(table_LT[receivers, nth], receivers, length)

    def __or__(self, other: "Pattern") -> "Pattern":
        return Union(self, other)

    def __and__(self, other: "Pattern") -> "Pattern":
        return Intersection(self, other)


def table_of(mask_LK: Bool[Tensor, "places keys"]) -> Int[Tensor, "places most"]:
    """The senders that a mask names, as a table."""
    receivers, senders = mask_LK.nonzero().unbind(1)
    counts = mask_LK.sum(1)
    first = counts.cumsum(0) - counts
    most = int(counts.max()) if len(counts) else 0
    table_LT = senders.new_full((len(mask_LK), most), -1)
    nth = torch.arange(len(senders), device=senders.device) - first[receivers]
    table_LT[receivers, nth] = senders
    return table_LT


def tidied(table_LT: Int[Tensor, "places some"]) -> Int[Tensor, "places most"]:
    """The same senders, rising, each once, and -1 at the end; no wider than it must be."""
    last = torch.iinfo(table_LT.dtype).max
    table_LT = table_LT.masked_fill(table_LT < 0, last).sort(1).values
    again = torch.zeros_like(table_LT, dtype=torch.bool)
    again[:, 1:] = table_LT[:, 1:] == table_LT[:, :-1]
    table_LT = table_LT.masked_fill(again, last).sort(1).values
    most = int((table_LT < last).sum(1).max()) if len(table_LT) else 0
    table_LT = table_LT[:, :most]
    return table_LT.masked_fill(table_LT == last, -1)


@dataclass(frozen=True, slots=True)
class Union(Pattern):
    """A place hears whom it hears by either rule, once."""

    one: Pattern
    other: Pattern

    def hears(self, receivers: Int[Tensor, "*#any"], senders: Int[Tensor, "*#any"]) -> Tensor:
        """By either."""
        return self.one.hears(receivers, senders) | self.other.hears(receivers, senders)

    def reach(self) -> tuple[int, int] | None:
        """The farther of both."""
        one, other = self.one.reach(), self.other.reach()
        if one is None or other is None:
            return None
        return max(one[0], other[0]), max(one[1], other[1])

    def table(
        self, length: int, *, device: torch.device | None = None
    ) -> Int[Tensor, "places most"]:
        """The senders of both tables, each once."""
        tables = [each.table(length, device=device) for each in (self.one, self.other)]
        return tidied(torch.cat(tables, 1))


@dataclass(frozen=True, slots=True)
class Intersection(Pattern):
    """A place hears whom it hears by both rules."""

    one: Pattern
    other: Pattern

    def hears(self, receivers: Int[Tensor, "*#any"], senders: Int[Tensor, "*#any"]) -> Tensor:
        """By both."""
        return self.one.hears(receivers, senders) & self.other.hears(receivers, senders)

    def reach(self) -> tuple[int, int] | None:
        """The nearer of both."""
        bounds = [bound for bound in (self.one.reach(), self.other.reach()) if bound is not None]
        if not bounds:
            return None
        return min(back for back, _ in bounds), min(ahead for _, ahead in bounds)

    def table(
        self, length: int, *, device: torch.device | None = None
    ) -> Int[Tensor, "places most"]:
        """The senders of the first that the second lets through."""
        narrow, wide = self.one, self.other
        if narrow.reach() is None and wide.reach() is not None:
            narrow, wide = wide, narrow  # the table of a bounded rule costs less
        table_LT = narrow.table(length, device=device)
        receivers = torch.arange(length, device=device)[:, None]
        heard = wide.hears(receivers, table_LT.clamp_min(0)) & (table_LT >= 0)
        return tidied(table_LT.masked_fill(~heard, -1))
