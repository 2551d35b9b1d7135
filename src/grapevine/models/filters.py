"""What graph filters share: a graph of items, its largest eigenvalues, and one way to score.

A history is a signal on the items; a filter lets pass what is smooth on their graph. The graph is
`G = A'A` of the weighted user-item matrix `A = D_U^-a X D_I^-b`, and a filter is its response
`h(lambda)` to the eigenvalues of G. All but the largest eigenvalues are small, where a smooth
response is nearly a straight line. So every filter here is

    h(G) = c G  +  V (h(L) - c L) V'

exact on the K largest eigenvalues L with vectors V, and the line of slope c below them. The line
is two hops over the edges, counted exactly; the rest is a product of two narrow matrices. No
matrix of items times items is made.

I = items, K = eigenvectors
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from jaxtyping import Float32, Float64, Int32, Int64

from grapevine.data.dataset import Dataset
from grapevine.graph.cooccurrence import distinct, transposed
from grapevine.graph.hops import add_two_hops
from grapevine.models.base import Fitted
from grapevine.models.histories import Behaviours, asked_history, training_events
from grapevine.structs.batch import Batch
from grapevine.structs.jagged import Jagged

if TYPE_CHECKING:
    from grapevine.core.kernels.spmm import Sparse

ROUNDS = 2
"""How often the eigenvectors are sharpened; beyond it only the last of them still move."""

Response = Callable[[Float64[np.ndarray, " n"]], Float64[np.ndarray, " n"]]


@dataclass(frozen=True)
class ItemGraph:
    """A weighted user-item matrix, and with it the graph of items.

    An edge of a user with d items and an item with n users weighs `d^-user_exponent
    n^-item_exponent`. With 1/2 for both the largest eigenvalue is 1.

    Attributes:
        lists: of each user, the distinct items.
        holders: of each item, the users.
        user_exponent: a.
        item_exponent: b.
        behaviour: `(1,)` the behaviour that edges are made of, -1 for all.
    """

    lists: Jagged
    holders: Jagged
    user_exponent: float
    item_exponent: float
    behaviour: Int64[np.ndarray, " one"]

    @classmethod
    def of(
        cls,
        train: Dataset,
        behaviours: Behaviours,
        *,
        user_exponent: float = 0.5,
        item_exponent: float = 0.5,
    ) -> Self:
        """The graph of the training events; a pair counts once, however often it happened."""
        events, behaviour = training_events(train, behaviours)
        lists = distinct(events.histories, events.num_items)
        holders = transposed(lists, events.num_items)
        return cls(lists, holders, user_exponent, item_exponent, behaviour)

    def user_weights(self, exponent: float) -> Float32[np.ndarray, " users"]:
        """Items of each user to the power of `-exponent`."""
        return _power(self.lists.lengths, -exponent)

    def item_weights(self, exponent: float) -> Float32[np.ndarray, " items"]:
        """Users of each item to the power of `-exponent`."""
        return _power(self.holders.lengths, -exponent)

    def matrix(self) -> "Sparse":
        """A, users times items."""
        from grapevine.core.kernels.spmm import Sparse  # torch is imported late

        of_users = self.user_weights(self.user_exponent).repeat(self.lists.lengths)
        of_items = self.item_weights(self.item_exponent)[self.lists.values]
        return Sparse(self.lists, len(self.holders), of_users * of_items)

    def spectrum(
        self, rank: int, seed: int
    ) -> tuple[Float64[np.ndarray, " rank"], Float32[np.ndarray, "items rank"]]:
        """The largest eigenvalues of G, falling, and their vectors.

        An item without users has no place in any of them. Where fewer eigenvalues than `rank` are
        above zero, the vectors of the others are arbitrary, and would tell of it.
        """
        from grapevine.core.spectrum import leading

        values, vectors_IK = leading(self.matrix(), rank, seed=seed, rounds=ROUNDS)
        vectors_IK[self.holders.lengths == 0] = 0
        return values.astype(np.float64), vectors_IK


def _power(degrees: Int64[np.ndarray, " n"], exponent: float) -> Float32[np.ndarray, " n"]:
    return (np.maximum(degrees, 1.0) ** exponent).astype(np.float32)


def slope_below(response: Response, largest: float) -> float:
    """Slope of the line through the origin nearest to the response on [0, largest]."""
    x = np.linspace(0, max(largest, 1e-3), 65)
    y = response(x) - response(np.zeros(1))
    return float((x * y).sum() / (x * x).sum())


@dataclass(frozen=True, kw_only=True)
class Filtered(Fitted):
    """Scores `history x h(G)`: a narrow product, and two hops over the edges.

    The filter is a function of the history alone: a known user and a stranger with the same
    history get the same scores, and events since training count.

    Attributes:
        left: `(items, rank)` what an item of the history says.
        right: `(items, rank)` how an item hears it.
        sources: `(items,)` weight of an item of the history in the two hops.
        users: `(users,)` weight of a user on the way.
        targets: `(items,)` weight of an item that is reached.
        list_offsets: `(users + 1,)` the items of user u are `[list_offsets[u], list_offsets[u+1])`.
        lists: `(edges,)` item rows.
        holder_offsets: `(items + 1,)` likewise the users of an item.
        holders: `(edges,)` user rows.
        behaviour: `(1,)` the behaviour of a history that counts, -1 for all.
    """

    left: Float32[np.ndarray, "items rank"]
    right: Float32[np.ndarray, "items rank"]
    sources: Float32[np.ndarray, " items"]
    users: Float32[np.ndarray, " users"]
    targets: Float32[np.ndarray, " items"]
    list_offsets: Int64[np.ndarray, " users_plus_one"]
    lists: Int32[np.ndarray, " edges"]
    holder_offsets: Int64[np.ndarray, " items_plus_one"]
    holders: Int32[np.ndarray, " edges"]
    behaviour: Int64[np.ndarray, " one"]

    @classmethod
    def of(
        cls,
        config: Any,
        graph: ItemGraph,
        left_IK: Float32[np.ndarray, "items rank"],
        right_IK: Float32[np.ndarray, "items rank"],
        *,
        slope: float,
        shift: float,
    ) -> Self:
        """The model from its narrow product and its line.

        Args:
            config: the options it was made by.
            graph: the graph of items.
            left_IK: what an item of the history says.
            right_IK: how an item hears it.
            slope: c, of the line.
            shift: the line is `c D_I^-shift G D_I^shift`: more than 0 takes weight from the
                popular items of the history and gives it to the popular items reached.
        """
        return cls(
            config=config,
            left=left_IK,
            right=right_IK,
            sources=graph.item_weights(graph.item_exponent + shift),
            users=np.float32(slope) * graph.user_weights(2 * graph.user_exponent),
            targets=graph.item_weights(graph.item_exponent - shift),
            list_offsets=graph.lists.offsets,
            lists=graph.lists.values,
            holder_offsets=graph.holders.offsets,
            holders=graph.holders.values,
            behaviour=graph.behaviour,
        )

    def score(self, batch: Batch) -> Float32[np.ndarray, "queries items"]:
        """The filtered history; 0 everywhere where there is none."""
        from grapevine.core.kernels.spmm import Sparse, multiply  # torch is imported late

        history = distinct(asked_history(batch, self.behaviour), len(self.sources))
        out = multiply(Sparse(history, len(self.sources)), self.left) @ self.right.T
        holders = Jagged(self.holder_offsets, self.holders)
        lists = Jagged(self.list_offsets, self.lists)
        add_two_hops(history, holders, lists, self.sources, self.users, self.targets, out)
        return out
