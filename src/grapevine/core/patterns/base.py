"""Who listens to whom among the places of a sequence: a rule, as a mask, lists, a table or edges.

A pattern is a rule about two places, and each form that a route of attention asks for follows from
the rule. One that can tell its senders without looking at every pair says so: it is sparse.

Q = queries, K = keys, L = places of a sequence, T = most senders of one place
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Int, Int64
from torch import Tensor

from grapevine.structs.graph import Graph
from grapevine.structs.jagged import Jagged, offsets_of

ROWS = 1024
"""Rows of a mask that are looked at together where a rule is asked about every pair."""


class Pattern(ABC):
    """Who listens to whom; frozen, so that patterns compare by what they say."""

    @abstractmethod
    def hears(self, receivers: Int[Tensor, "*#any"], senders: Int[Tensor, "*#any"]) -> Tensor:
        """Whether each receiver hears each sender, both given as places; shapes broadcast."""

    def sparse(self) -> bool:
        """Whether `senders` looks at few pairs beyond those that it finds."""
        return False

    def reach(self) -> tuple[int, int] | None:
        """How many places back and ahead a place hears at most; None where there is no bound."""
        return None

    def places(
        self, queries: int, keys: int, device: torch.device | None = None
    ) -> Int64[Tensor, " queries"]:
        """Where the queries stand among the keys: at the last places.

        So they do in a decoder that has kept what came before.
        """
        return torch.arange(keys - queries, keys, device=device)

    def mask(
        self, queries: int, keys: int | None = None, *, device: torch.device | None = None
    ) -> Bool[Tensor, "queries keys"]:
        """The whole truth: `[i, j]` says whether query i hears key j."""
        keys = queries if keys is None else keys
        receivers = self.places(queries, keys, device)[:, None]
        senders = torch.arange(keys, device=device)[None, :]
        return self.hears(receivers, senders).expand(queries, keys)

    def senders(self, length: int) -> Jagged:
        """Whom each place hears, rising, each once."""
        everyone = torch.arange(length)[None, :]
        some = (torch.arange(low, min(low + ROWS, length)) for low in range(0, length, ROWS))
        found = [self.hears(rows[:, None], everyone).expand(-1, length).numpy() for rows in some]
        counts = np.concatenate([part.sum(1) for part in found] or [np.empty(0, np.int64)])
        columns = [part.nonzero()[1].astype(np.int32) for part in found]
        return Jagged(offsets_of(counts), np.concatenate(columns or [np.empty(0, np.int32)]))

    def table(self, length: int) -> Int64[Tensor, "places most"]:
        """The same as a table; -1 at the end of a row where there are fewer."""
        return tabled(self.senders(length))

    def edges(self, length: int) -> Graph:
        """The same as edges, receiver by receiver."""
        lists = self.senders(length)
        receivers = torch.as_tensor(np.repeat(np.arange(length), lists.lengths))
        return Graph(torch.as_tensor(lists.values).long(), receivers, length)

    def __or__(self, other: "Pattern") -> "Pattern":
        return Union(self, other)

    def __and__(self, other: "Pattern") -> "Pattern":
        return Intersection(self, other)


def tabled(lists: Jagged) -> Int64[Tensor, "places most"]:
    """Lists as a table; -1 at the end of a row where there are fewer."""
    table = np.full((len(lists), int(lists.lengths.max(initial=0))), -1)
    table[np.arange(table.shape[1]) < lists.lengths[:, None]] = lists.values
    return torch.as_tensor(table)


def kept(
    candidates: Int[np.ndarray, "#places most"], keep: Bool[np.ndarray, "places most"]
) -> Jagged:
    """Of each place the candidates, rising, that are kept."""
    senders = np.broadcast_to(candidates, keep.shape)[keep]
    return Jagged(offsets_of(keep.sum(1)), senders.astype(np.int32))


def merged(*lists: Jagged) -> Jagged:
    """Of each place the senders of any of the lists, rising, each once."""
    length = len(lists[0])
    rows = [np.repeat(np.arange(length), each.lengths) for each in lists]
    pairs = [row * length + each.values for row, each in zip(rows, lists)]
    receivers, senders = np.divmod(np.unique(np.concatenate(pairs)), max(length, 1))
    return Jagged(offsets_of(np.bincount(receivers, minlength=length)), senders.astype(np.int32))


@dataclass(frozen=True, slots=True)
class Union(Pattern):
    """A place hears whom it hears by either rule, once."""

    one: Pattern
    other: Pattern

    def hears(self, receivers: Int[Tensor, "*#any"], senders: Int[Tensor, "*#any"]) -> Tensor:
        """By either."""
        return self.one.hears(receivers, senders) | self.other.hears(receivers, senders)

    def sparse(self) -> bool:
        """If both are."""
        return self.one.sparse() and self.other.sparse()

    def reach(self) -> tuple[int, int] | None:
        """The farther of both."""
        one, other = self.one.reach(), self.other.reach()
        if one is None or other is None:
            return None
        return max(one[0], other[0]), max(one[1], other[1])

    def senders(self, length: int) -> Jagged:
        """Those of both."""
        return merged(self.one.senders(length), self.other.senders(length))


@dataclass(frozen=True, slots=True)
class Intersection(Pattern):
    """A place hears whom it hears by both rules."""

    one: Pattern
    other: Pattern

    def hears(self, receivers: Int[Tensor, "*#any"], senders: Int[Tensor, "*#any"]) -> Tensor:
        """By both."""
        return self.one.hears(receivers, senders) & self.other.hears(receivers, senders)

    def sparse(self) -> bool:
        """If one is."""
        return self.one.sparse() or self.other.sparse()

    def reach(self) -> tuple[int, int] | None:
        """The nearer of both."""
        bounds = [bound for bound in (self.one.reach(), self.other.reach()) if bound is not None]
        if not bounds:
            return None
        return min(back for back, _ in bounds), min(ahead for _, ahead in bounds)

    def senders(self, length: int) -> Jagged:
        """Those of the sparser that the other lets through."""
        narrow, wide = (self.one, self.other) if self.one.sparse() else (self.other, self.one)
        lists = narrow.senders(length)
        receivers = torch.as_tensor(np.repeat(np.arange(length), lists.lengths))
        return lists.where(wide.hears(receivers, torch.as_tensor(lists.values)).numpy())
