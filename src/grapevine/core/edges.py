"""The form of a sparse graph for attention: edges receiver by receiver, and the way back.

M = receivers, N = senders, E = edges
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
from jaxtyping import Int32, Int64

from grapevine.core.neighbourhoods import Adjacency, Neighbourhood
from grapevine.structs.graph import Graph
from grapevine.structs.jagged import Jagged, offsets_of


@dataclass(frozen=True, slots=True)
class Edges:
    """Edges receiver by receiver, and sender by sender for the way back.

    Attributes:
        heard: the senders of each receiver; what belongs to an edge stands in this order.
        told: the receivers of each sender.
        places: `(E,)` where each edge of `told` stands in `heard`.
    """

    heard: Jagged
    told: Jagged
    places: Int64[np.ndarray, " edges"]

    def __len__(self) -> int:
        return len(self.heard)

    @property
    def senders(self) -> Int32[np.ndarray, " edges"]:
        """Of each edge."""
        return self.heard.values

    @property
    def receivers(self) -> Int64[np.ndarray, " edges"]:
        """Of each edge."""
        return np.repeat(np.arange(len(self.heard)), self.heard.lengths)

    @classmethod
    def of(cls, neighbourhood: "Neighbourhood | Edges", num_senders: int) -> "Edges":
        """The edges of any form; what they weigh is left out, and edges stay as they are."""
        if isinstance(neighbourhood, Edges):
            return neighbourhood
        if isinstance(neighbourhood, Adjacency):
            return cls.from_lists(neighbourhood.matrix.rows, num_senders)
        if isinstance(neighbourhood, Graph):
            graph, receivers = neighbourhood, neighbourhood.num_nodes
        else:
            graph, receivers = neighbourhood.edges(num_senders), len(neighbourhood)
        ends = graph.senders.numpy(), graph.receivers.numpy()
        return cls.from_pairs(*ends, receivers, num_senders)

    @classmethod
    def from_pairs(
        cls,
        senders: Int64[np.ndarray, " edges"],
        receivers: Int64[np.ndarray, " edges"],
        num_receivers: int,
        num_senders: int,
    ) -> Self:
        """Edges in any order; those of one receiver keep theirs."""
        order = np.argsort(receivers, kind="stable")
        lengths = np.bincount(receivers, minlength=num_receivers)
        return cls.from_lists(
            Jagged(offsets_of(lengths), senders[order].astype(np.int32)), num_senders
        )

    @classmethod
    def from_lists(cls, heard: Jagged, num_senders: int) -> Self:
        """The senders of each receiver.

        Raises:
            ValueError: a sender is out of range: compiled loops trust them.
        """
        senders = heard.values
        if len(senders) and not 0 <= senders.min() <= senders.max() < num_senders:
            raise ValueError(
                f"senders must lie in [0, {num_senders}): got {senders.min()} .. {senders.max()}"
            )
        places = np.argsort(senders, kind="stable")
        receivers = np.repeat(np.arange(len(heard), dtype=np.int32), heard.lengths)
        lengths = np.bincount(senders, minlength=num_senders)
        return cls(heard, Jagged(offsets_of(lengths), receivers[places]), places)
