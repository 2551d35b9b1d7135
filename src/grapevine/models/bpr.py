"""BPR: matrix factorisation that learns to put what was taken before what was not."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from jaxtyping import Float32, Int64

from grapevine.config import check_bounds
from grapevine.data.dataset import Dataset
from grapevine.errors import ConfigError
from grapevine.graph.bpr import epoch
from grapevine.graph.cooccurrence import distinct
from grapevine.models.base import Fitted
from grapevine.models.histories import Behaviours, asked_history, training_events
from grapevine.models.vectors import met_users
from grapevine.random import stream
from grapevine.structs.batch import Batch
from grapevine.structs.jagged import Jagged
from grapevine.structs.products import Products

# U = users, I = items, D = width


@dataclass(frozen=True, kw_only=True)
class BPR(Fitted):
    """Bayesian personalised ranking: user and item vectors, and a bias for each item.

    A known user keeps the vector it was trained to. A stranger's is the mean of its items'
    vectors, taken to where users are by the linear map that does this best for the known ones.

    Unlike the paper, the item that a pair is compared with is drawn by popularity, as implicit
    does. A pair of user and item counts once, however often it happened. An item that nobody took
    is never compared: nothing is known of it, and it scores 0.

    Attributes:
        users: `(users, width)` vectors; of zeros where training had no event of the user.
        items: `(items, width)` vectors; of zeros where it had none of the item.
        bias: `(items,)` what an item has for everyone.
        from_history: `(width, width)` the map from the mean of a history to a user.
        behaviour: `(1,)` the behaviour of a history that counts, -1 for all.
    """

    @dataclass(frozen=True, kw_only=True, slots=True)
    class Config:
        """What implicit calls by the same names."""

        factors: int = 64
        """Width of the vectors, D."""
        iterations: int = 100
        """Epochs: as many steps each as there are pairs."""
        learning_rate: float = 0.01
        """Length of a step."""
        regularization: float = 0.01
        """Of every vector and bias."""
        behaviours: Behaviours = "target"
        """Which events count, in training and in a stranger's history."""

        def __post_init__(self) -> None:
            check_bounds(self, "bpr", "factors", "iterations", least=1)
            check_bounds(self, "bpr", "learning_rate", above=0)
            check_bounds(self, "bpr", "regularization", least=0)

        def fit(self, train: Dataset, *, seed: int = 0) -> "BPR":
            """Draw the start, then climb.

            Raises:
                ConfigError: the steps were too long, and the vectors grew without bound.
            """
            events, behaviour = training_events(train, self.behaviours)
            taken = distinct(events.histories, events.num_items)
            users_UD = self._start(seed, "users", events.num_users)
            items_ID = self._start(seed, "items", events.num_items)
            bias_I = np.zeros(events.num_items, np.float32)
            keys = stream(seed, "bpr", "epochs").integers(2**64, size=self.iterations, dtype="u8")
            for key in keys:
                epoch(
                    taken,
                    users_UD,
                    items_ID,
                    bias_I,
                    key=key,
                    learning_rate=self.learning_rate,
                    regularization=self.regularization,
                )
            if not (np.isfinite(users_UD).all() and np.isfinite(items_ID).all()):
                raise ConfigError(
                    "bpr: the vectors grew without bound",
                    hint=f"set model.learning_rate below {self.learning_rate}",
                )
            # What was drawn for whom no step ever looked at is not knowledge.
            users_UD[taken.lengths == 0] = 0
            items_ID[np.bincount(taken.values, minlength=events.num_items) == 0] = 0
            return BPR(
                config=self,
                users=users_UD,
                items=items_ID,
                bias=bias_I,
                from_history=_map(_means(taken, items_ID), users_UD),
                behaviour=behaviour,
            )

        def _start(self, seed: int, side: str, rows: int) -> Float32[np.ndarray, "rows width"]:
            draw = stream(seed, "bpr", side).uniform(-0.5, 0.5, (rows, self.factors))
            return (draw / self.factors).astype(np.float32)

    users: Float32[np.ndarray, "users width"]
    items: Float32[np.ndarray, "items width"]
    bias: Float32[np.ndarray, " items"]
    from_history: Float32[np.ndarray, "width width"]
    behaviour: Int64[np.ndarray, " one"]
    paper: ClassVar[str] = (
        "Rendle, Freudenthaler, Gantner, Schmidt-Thieme: BPR: Bayesian personalized ranking from "
        "implicit feedback. UAI 2009. arXiv:1205.2618"
    )

    def score(self, batch: Batch) -> Float32[np.ndarray, "queries items"]:
        """Dot products, plus the bias of each item; the bias alone where nothing is known."""
        return np.asarray(self.products(batch))

    def products(self, batch: Batch) -> Products:
        """The users and the items; the bias is one more product, with a one."""
        history = distinct(asked_history(batch, self.behaviour), len(self.items))
        met_I = np.any(self.items, axis=1)
        history = history.where(met_I[history.values])
        asking = _means(history, self.items) @ self.from_history
        known = met_users(self.users, batch)
        asking[known] = self.users[batch.users[known]]
        ones = np.ones((len(asking), 1), np.float32)
        return Products(np.hstack([asking, ones]), np.hstack([self.items, self.bias[:, None]]))


def _means(
    histories: Jagged, items_ID: Float32[np.ndarray, "items width"]
) -> Float32[np.ndarray, "histories width"]:
    """Mean vector of each history's items; zeros where it has none."""
    sums = np.zeros((len(histories), items_ID.shape[1]), np.float32)
    some = histories.lengths > 0
    if some.any():
        # Empty lists take no values, so the starts of the others part all values among them.
        starts = histories.offsets[:-1][some]
        sums[some] = np.add.reduceat(items_ID[histories.values], starts)
    return sums / np.maximum(histories.lengths, 1)[:, None].astype(np.float32)


def _map(
    means_UD: Float32[np.ndarray, "users width"], users_UD: Float32[np.ndarray, "users width"]
) -> Float32[np.ndarray, "width width"]:
    """Ridge regression from means to users, a thousandth of the mean variance as the ridge."""
    means, users = means_UD.astype(np.float64), users_UD.astype(np.float64)
    gram_DD = means.T @ means
    ridge = max(1e-3 * np.trace(gram_DD) / len(gram_DD), 1e-12)
    return np.linalg.solve(gram_DD + ridge * np.eye(len(gram_DD)), means.T @ users).astype(
        np.float32
    )
