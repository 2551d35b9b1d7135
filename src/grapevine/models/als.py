"""ALS: implicit-feedback matrix factorisation, solved in turns."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from jaxtyping import Float32, Int64
from threadpoolctl import threadpool_limits

from grapevine.config import check_bounds
from grapevine.data.dataset import Dataset
from grapevine.errors import ConfigError
from grapevine.graph.als import fold_in, half_sweep, whiten
from grapevine.graph.cooccurrence import distinct, transposed
from grapevine.models.base import Fitted
from grapevine.models.histories import Behaviours, asked_history, training_events
from grapevine.random import stream
from grapevine.structs.batch import Batch
from grapevine.structs.products import Products

# I = items, D = width


@dataclass(frozen=True, kw_only=True)
class ALS(Fitted):
    """Item factors; a user is the least-squares solution for the history it brings.

    Every question is folded in, by the same equation that training solves: a known user and a
    stranger with the same history get the same scores, and events since training count. A library
    that keeps user factors scores with those of the last sweep but a half.

    A pair of user and item counts once, however often it happened.

    Attributes:
        items: `(items, width)` Z, the factors whitened (see `grapevine.graph.als`), so that the
            score is `w . z`.
        behaviour: `(1,)` the behaviour of a history that counts, -1 for all.
    """

    @dataclass(frozen=True, kw_only=True, slots=True)
    class Config:
        """What implicit calls by the same names; its defaults."""

        factors: int = 64
        """Width of the vectors, D."""
        iterations: int = 15
        """Sweeps: users, then items."""
        regularization: float = 0.01
        """Lambda, the same for every row."""
        alpha: float = 1.0
        """Confidence of a pair that happened, where all others have 1. As in implicit this is the
        whole weight; in the paper it is what is added to 1."""
        steps: int = 3
        """Conjugate-gradient steps for each row of a sweep."""
        behaviours: Behaviours = "target"
        """Which events count, in training and in the history."""

        def __post_init__(self) -> None:
            check_bounds(self, "als", "factors", "iterations", "steps", least=1)
            check_bounds(self, "als", "regularization", "alpha", above=0)

        def fit(self, train: Dataset, *, seed: int = 0) -> "ALS":
            """Sweep; only where the item factors start is drawn.

            Raises:
                ConfigError: the regularization is lost in rounding.
            """
            events, behaviour = training_events(train, self.behaviours)
            of_users = distinct(events.histories, events.num_items)
            of_items = transposed(of_users, events.num_items)
            draw = stream(seed, "als", "items")
            items_ID = draw.normal(0, 0.01, (events.num_items, self.factors)).astype(np.float32)
            users_UD = np.zeros((events.num_users, self.factors), np.float32)
            how = {
                "confidence": self.alpha,
                "regularization": self.regularization,
                "steps": self.steps,
            }
            try:
                # Blocks of rows are shared out among threads already: a BLAS that starts its own
                # for each block makes them wait for each other.
                with threadpool_limits(1, "blas"):
                    for _ in range(self.iterations):
                        users_UD = half_sweep(of_users, users_UD, items_ID, **how)
                        items_ID = half_sweep(of_items, items_ID, users_UD, **how)
                    white_ID, _ = whiten(items_ID, self.regularization)
            except np.linalg.LinAlgError as error:
                raise ConfigError(
                    "als: the equations cannot be solved in floating point",
                    hint=f"set model.regularization above {self.regularization}",
                ) from error
            return ALS(config=self, items=white_ID, behaviour=behaviour)

    items: Float32[np.ndarray, "items width"]
    behaviour: Int64[np.ndarray, " one"]
    paper: ClassVar[str] = (
        "Hu, Koren, Volinsky: Collaborative filtering for implicit feedback datasets. ICDM 2008. "
        "doi:10.1109/ICDM.2008.22"
    )

    def score(self, batch: Batch) -> Float32[np.ndarray, "queries items"]:
        """Dot products with the folded-in users."""
        return np.asarray(self.products(batch))

    def products(self, batch: Batch) -> Products:
        """The folded-in users and the items."""
        history = distinct(asked_history(batch, self.behaviour), len(self.items))
        asking = fold_in(history, self.items, confidence=self.config.alpha)
        return Products(asking, self.items)
