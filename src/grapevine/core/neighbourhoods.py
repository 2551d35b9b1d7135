"""Who listens to whom: the graphs by name, and the three forms in which one is told.

- `Graph`: edges, in any order; the weights may depend on what the nodes hold.
- `Table`: at most T senders of each receiver, as walks and samples give them.
- `Adjacency`: the senders of each receiver one after another, each with a weight that stays.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from jaxtyping import Float, Int, Int64
from torch import Tensor

from grapevine.core.kernels.spmm import Sparse
from grapevine.core.propagate import Weigh, importance
from grapevine.structs.graph import Graph
from grapevine.structs.jagged import Jagged, offsets_of
from grapevine.structs.neighbour_table import NeighbourTable


@dataclass(frozen=True, slots=True)
class Table:
    """At most T senders of each receiver; receivers and senders may be different nodes.

    Attributes:
        nodes: `(M, T)` rows of the senders; -1 where there are fewer than T.
        weights: `(M, T)` how much each counts; anything where there is none.
    """

    nodes: Int[Tensor, "receivers most"]
    weights: Float[Tensor, "receivers most"]

    def __len__(self) -> int:
        return len(self.nodes)

    @classmethod
    def of(cls, table: NeighbourTable) -> Self:
        """The same table for torch, without a copy."""
        return cls(torch.as_tensor(table.nodes), torch.as_tensor(table.weights))

    def edges(self, num_senders: int) -> Graph:
        """The same as edges, receiver by receiver."""
        receivers, places = (self.nodes >= 0).nonzero().unbind(1)
        senders = self.nodes[receivers, places].long()
        weights = self.weights[receivers, places]
        return Graph(senders, receivers, max(len(self), num_senders), weights)


@dataclass(frozen=True, slots=True)
class Adjacency:
    """A sparse matrix of weights, receivers by senders, and its transpose for the way back.

    Attributes:
        matrix: row r names the senders of receiver r.
        transpose: the same entries, sender by sender.
    """

    matrix: Sparse
    transpose: Sparse

    def __len__(self) -> int:
        return len(self.matrix.rows)

    @classmethod
    def of(cls, graph: Graph, weigh: Weigh = importance) -> Self:
        """The edges of a graph, each with the weight it has once and for all."""
        weights = weigh(graph).detach().numpy()
        senders, receivers = graph.senders.numpy(), graph.receivers.numpy()
        order = np.argsort(receivers, kind="stable")
        degrees = np.bincount(receivers, minlength=graph.num_nodes)
        lists = Jagged(offsets_of(degrees), senders[order].astype(np.int32))
        matrix = Sparse(lists, graph.num_nodes, weights[order])
        return cls(matrix, matrix.transposed())

    def edges(self, num_senders: int) -> Graph:
        """The same as edges, receiver by receiver."""
        rows, weights = self.matrix.rows, self.matrix.weights
        return Graph(
            torch.as_tensor(rows.values).long(),
            torch.repeat_interleave(torch.as_tensor(rows.lengths)),
            max(len(self), num_senders),
            None if weights is None else torch.as_tensor(weights),
        )


Neighbourhood = Graph | Table | Adjacency
"""Whichever form is at hand; `listen` takes them all."""


def causal(length: int) -> Graph:
    """Each place of a sequence hears itself and all before it."""
    receivers, senders = torch.tril_indices(length, length)
    return Graph(senders, receivers, length)


def complete(length: int) -> Graph:
    """Everyone hears everyone."""
    receivers, senders = torch.ones(length, length).nonzero().unbind(1)
    return Graph(senders, receivers, length)


def bipartite(
    users: Int64[Tensor, " events"], items: Int64[Tensor, " events"], num_users: int, num_items: int
) -> Graph:
    """Users hear their items and items their users; item i is node `num_users + i`."""
    places = items + num_users
    return Graph(torch.cat([places, users]), torch.cat([users, places]), num_users + num_items)


def with_self_loops(graph: Graph) -> Graph:
    """Everyone hears itself too, with weight one."""
    nodes = torch.arange(graph.num_nodes)
    weights = graph.weights
    return Graph(
        torch.cat([graph.senders, nodes]),
        torch.cat([graph.receivers, nodes]),
        graph.num_nodes,
        None if weights is None else torch.cat([weights, weights.new_ones(graph.num_nodes)]),
    )
