"""Pairs of places that are named one by one, and places that everybody knows."""

from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from jaxtyping import Int, Int64
from torch import Tensor

from grapevine.core.patterns.base import Pattern
from grapevine.core.patterns.plain import Causal
from grapevine.structs.graph import Graph
from grapevine.structs.jagged import Jagged, offsets_of


@dataclass(frozen=True, slots=True, eq=False)
class Listed(Pattern):
    """Any edges whatever, each with a type if need be.

    Attributes:
        length: places that may be named.
        pairs: `(E,)` receiver times length plus sender, rising, each once.
        types: `(E,)` what kind of edge each is, or None.
    """

    length: int
    pairs: Int64[Tensor, " edges"]
    types: Int64[Tensor, " edges"] | None = None

    @classmethod
    def of(cls, graph: Graph, types: Int64[Tensor, " edges"] | None = None) -> Self:
        """The edges of a graph; one that stands twice is heard once, as its first type."""
        pairs = (graph.receivers * graph.num_nodes + graph.senders).numpy()
        once, first = np.unique(pairs, return_index=True)
        kinds = None if types is None else types[torch.as_tensor(first)]
        return cls(graph.num_nodes, torch.as_tensor(once), kinds)

    def hears(self, receivers: Int[Tensor, "*#any"], senders: Int[Tensor, "*#any"]) -> Tensor:
        """Where there is an edge."""
        pairs, place = self._place(receivers, senders)
        if not len(self.pairs):
            return torch.zeros_like(pairs, dtype=torch.bool)
        within = (senders < self.length) & (senders >= 0)
        return (self.pairs.to(pairs.device)[place] == pairs) & within

    def types_of(self, receivers: Int[Tensor, "*#any"], senders: Int[Tensor, "*#any"]) -> Tensor:
        """The type of each edge; that of any other where there is no edge."""
        if self.types is None:
            raise ValueError("these edges have no types")
        place = self._place(receivers, senders)[1]
        return self.types.to(place.device)[place]

    def sparse(self) -> bool:
        """The edges are there."""
        return True

    def senders(self, length: int) -> Jagged:
        """As they stand; those of places that are not there are left out."""
        receivers, senders = (self.pairs // self.length).numpy(), self.pairs % self.length
        there = (receivers < length) & (senders.numpy() < length)
        lengths = np.bincount(receivers[there], minlength=length)
        return Jagged(offsets_of(lengths), senders.numpy()[there].astype(np.int32))

    def _place(self, receivers: Tensor, senders: Tensor) -> tuple[Tensor, Tensor]:
        """The pairs by number, and where each stands if it stands anywhere."""
        pairs = receivers.long() * self.length + senders
        known = self.pairs.to(pairs.device)
        return pairs, torch.searchsorted(known, pairs).clamp_max(max(len(known) - 1, 0))


@dataclass(frozen=True, slots=True)
class Global(Pattern):
    """Some places hear everyone, and everyone hears them.

    Attributes:
        known: these places.
    """

    known: tuple[int, ...]

    def hears(self, receivers: Int[Tensor, "*#any"], senders: Int[Tensor, "*#any"]) -> Tensor:
        """Where one of both is known."""
        heard = (receivers < 0) & (senders < 0)  # nobody
        for place in self.known:
            heard = heard | (receivers == place) | (senders == place)
        return heard

    def sparse(self) -> bool:
        """The places are known."""
        return True

    def senders(self, length: int) -> Jagged:
        """The known places, and for each of them everyone."""
        known = np.unique([place for place in self.known if place < length]).astype(np.int32)
        lists = [known] * length
        for place in known:
            lists[place] = np.arange(length, dtype=np.int32)
        return Jagged.from_lists(lists)


def peter() -> Pattern:
    """A decoder whose first place, the user, hears the second, the item, as well.

    Li, Zhang, Chen: Personalized Transformer for Explainable Recommendation (ACL 2021,
    arXiv:2105.11601, figure 2).
    """
    told = Graph(torch.tensor([1]), torch.tensor([0]), 2)
    return Causal() | Listed.of(told)
