"""Item-to-item neighbours: what is taken together goes together."""

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from jaxtyping import Float32, Int32, Int64

from grapevine.config import check_bounds
from grapevine.data.dataset import Dataset
from grapevine.errors import ConfigError
from grapevine.graph.cooccurrence import distinct, nearest_items
from grapevine.graph.listen import listen_sparse
from grapevine.models.base import Fitted
from grapevine.models.histories import Behaviours, asked_history, training_events
from grapevine.structs.batch import Batch


@dataclass(frozen=True, kw_only=True)
class ItemKNN(Fitted):
    """Scores `history x similarity`, where each item keeps its nearest neighbours only.

    A pair of user and item counts once, however often it happened. The item itself is among its
    own neighbours, as in implicit's recommenders, whose lists these are for like options.

    Attributes:
        offsets: `(items + 1,)` the neighbours of item i are `[offsets[i], offsets[i + 1])`.
        near: `(edges,)` item rows of the neighbours, most alike first.
        similarity: `(edges,)` how alike.
        behaviour: `(1,)` the behaviour of a history that counts, -1 for all.
    """

    @dataclass(frozen=True, kw_only=True, slots=True)
    class Config:
        """What alike means."""

        neighbours: int = 100
        """How many items each item listens to, itself counted."""
        similarity: Literal["cosine", "jaccard"] = "cosine"
        """Cosine of the columns of the user-item matrix, or shared users over all users."""
        weighting: Literal["none", "tfidf"] = "none"
        """Every user alike, or by `log(items) - log(1 + length of the history)`: cosine only."""
        shrink: float = 0.0
        """Added to the denominator, so that pairs met by chance count less."""
        behaviours: Behaviours = "target"
        """Which events count, in training and in the history."""

        def __post_init__(self) -> None:
            check_bounds(self, "item-knn", "neighbours", least=1)
            check_bounds(self, "item-knn", "shrink", least=0)
            if self.similarity == "jaccard" and self.weighting != "none":
                raise ConfigError(
                    "item-knn: Jaccard counts users and cannot weigh them",
                    hint="set model.similarity=cosine or model.weighting=none",
                )

        def fit(self, train: Dataset, *, seed: int = 0) -> "ItemKNN":
            """Count together, keep the nearest; nothing is drawn."""
            events, behaviour = training_events(train, self.behaviours)
            lists = distinct(events.histories, events.num_items)
            near, similarity = nearest_items(
                lists,
                self._weights(lists.lengths, events.num_items),
                events.num_items,
                self.neighbours,
                jaccard=self.similarity == "jaccard",
                shrink=self.shrink,
            )
            return ItemKNN(
                config=self,
                offsets=near.offsets,
                near=near.values,
                similarity=similarity,
                behaviour=behaviour,
            )

        def _weights(self, lengths: np.ndarray, num_items: int) -> np.ndarray:
            if self.weighting == "none":
                return np.ones(len(lengths))
            return np.log(num_items) - np.log1p(lengths)

    offsets: Int64[np.ndarray, " items_plus_one"]
    near: Int32[np.ndarray, " edges"]
    similarity: Float32[np.ndarray, " edges"]
    behaviour: Int64[np.ndarray, " one"]
    paper: ClassVar[str] = (
        "Sarwar, Karypis, Konstan, Riedl: Item-based collaborative filtering recommendation "
        "algorithms. WWW 2001. doi:10.1145/371920.372071"
    )

    def score(self, batch: Batch) -> Float32[np.ndarray, "queries items"]:
        """Sum of the similarities to the items of the history; 0 where there is none."""
        history = distinct(asked_history(batch, self.behaviour), len(self.offsets) - 1)
        ones = np.ones(len(history.values), np.float32)
        return listen_sparse(
            history.offsets, history.values, ones, self.offsets, self.near, self.similarity
        )
