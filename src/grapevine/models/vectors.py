"""Models that end up as a vector for each user and one for each item."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float32, Int64
from scipy.sparse import csr_matrix

from grapevine.graph.cooccurrence import distinct
from grapevine.models.base import Fitted
from grapevine.models.histories import asked_history
from grapevine.structs.batch import Batch
from grapevine.structs.products import Products


@dataclass(frozen=True, kw_only=True)
class UserItemVectors(Fitted):
    """Dot products of users and items.

    A known user keeps the vector it was trained to. A stranger takes one convolution from its
    items' vectors: `sum of z_i / sqrt(degree of i)` over its history, by the root of its length
    (LightGCN's eq. 3 for a user who was not there). The vector of a question without a history is
    of zeros, and so is that of an item that nobody took.

    Attributes:
        users: `(users, width)` vectors; of zeros where nothing is known of the user.
        items: `(items, width)` vectors; of zeros where nothing is known of the item.
        degrees: `(items,)` how many users took each item.
        behaviour: `(1,)` the behaviour of a history that counts, -1 for all.
    """

    users: Float32[np.ndarray, "users width"]
    items: Float32[np.ndarray, "items width"]
    degrees: Int64[np.ndarray, " items"]
    behaviour: Int64[np.ndarray, " one"]

    @cached_property
    def known(self) -> Bool[np.ndarray, " items"]:
        """Items of which something is known; the others score 0."""
        return np.asarray(self.items.any(1))

    def score(self, batch: Batch) -> Float32[np.ndarray, "queries items"]:
        """Dot products; 0 for whom nothing is known."""
        return np.asarray(self.products(batch))

    def products(self, batch: Batch) -> Products:
        """The users and the items."""
        asking = np.empty((len(batch), self.items.shape[1]), np.float32)
        known = self.met(batch)
        asking[known] = self.users[batch.users[known]]
        if not known.all():
            strangers = stranger_vectors(batch, self.behaviour, self.degrees, self.items)
            asking[~known] = strangers[~known]
        return Products(asking, self.items)

    def met(self, batch: Batch) -> Bool[np.ndarray, " queries"]:
        """Which questions the user's own vector answers, and not the history."""
        return met_users(self.users, batch)


def stranger_vectors(
    batch: Batch,
    behaviour: Int64[np.ndarray, " one"],
    degrees_I: Int64[np.ndarray, " items"],
    items_ID: Float32[np.ndarray, "items width"],
) -> Float32[np.ndarray, "queries width"]:
    """One convolution from the items of each history, every item once; those nobody took say none.

    Args:
        batch: the questions.
        behaviour: of a history that counts, -1 for all.
        degrees_I: how many users took each item.
        items_ID: what items say.
    """
    history = distinct(asked_history(batch, behaviour), len(items_ID))
    history = history.where(degrees_I[history.values] > 0)
    lengths = history.lengths.repeat(history.lengths)
    weights = (degrees_I[history.values] * lengths) ** -0.5
    matrix = csr_matrix(
        (weights.astype(np.float32), history.values, history.offsets),
        shape=(len(history), len(items_ID)),
    )
    return matrix @ items_ID


def met_users(
    users_UD: Float32[np.ndarray, "users width"], batch: Batch
) -> Bool[np.ndarray, " queries"]:
    """Which questions are of a user whom training has met; the vector of any other is of zeros."""
    met = batch.users >= 0
    met[met] = users_UD[batch.users[met]].any(1)
    return met


def unit(x_ND: Float32[np.ndarray, "rows width"]) -> Float32[np.ndarray, "rows width"]:
    """Each row by its length; a row of zeros stays one."""
    lengths = np.linalg.norm(x_ND, axis=1, keepdims=True)
    return x_ND / np.where(lengths > 0, lengths, np.float32(1))
