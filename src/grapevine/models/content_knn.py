"""Content neighbours: what reads like what was taken, whoever else took it."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from jaxtyping import Float32, Int32, Int64
from scipy import sparse

from grapevine.config import check_bounds
from grapevine.data.dataset import Dataset
from grapevine.graph.cooccurrence import distinct
from grapevine.models.base import Fitted
from grapevine.models.histories import Behaviours, asked_history
from grapevine.structs.batch import Batch

WORK_BYTES = 1 << 26
"""Of the questions' dense vectors that are in memory at once."""


@dataclass(frozen=True, kw_only=True)
class ContentKNN(Fitted):
    """Scores the cosines of an item's features with those of the history, added up.

    Words, categories and tags by tf-idf, vectors as they stand, numbers by how near they are; each
    kind of length one. Nobody's events enter into the features, so an item without any is scored
    like all others. Pictures are not looked at: pixels side by side say next to nothing. With
    nothing but IDs in the catalogue all scores are zero.

    Attributes:
        offsets: `(items + 1,)` the features of item i are `[offsets[i], offsets[i + 1])`.
        columns: `(entries,)` which features.
        weights: `(entries,)` how much of each.
        behaviour: `(1,)` the behaviour of a history that counts, -1 for all.
    """

    @dataclass(frozen=True, kw_only=True, slots=True)
    class Config:
        """What content is."""

        buckets: int = 1 << 16
        """How many words are told apart."""
        numbers: float = 0.5
        """Weight of numbers and times beside all else; 0 leaves them out."""
        behaviours: Behaviours = "target"
        """Which events of the history count."""

        def __post_init__(self) -> None:
            check_bounds(self, "content-knn", "buckets", least=1, most=(1 << 31) - 1)
            check_bounds(self, "content-knn", "numbers", least=0)

        def fit(self, train: Dataset, *, seed: int = 0) -> "ContentKNN":
            """Read the catalogue; nothing is drawn."""
            from grapevine.views.content import rarity_of, side_by_side
            from grapevine.views.features import KINDS, FeatureView

            # The degree is asked for so that there is always something to see, and left aside.
            use = [kind for kind in KINDS if kind != "image"]
            view = FeatureView.fit(train, use=use, buckets=self.buckets)
            features = view.encode_all(train)
            found = side_by_side(
                features, rarity_of(features, self.buckets),
                buckets=self.buckets, degree=True, numbers=self.numbers,
            )  # fmt: skip
            # Only features that some item has are columns.
            columns = np.unique(found.indices, return_inverse=True)[1]
            target = -1 if self.behaviours == "all" else train.schema.target_row
            return ContentKNN(
                config=self,
                offsets=found.indptr.astype(np.int64),
                columns=columns.astype(np.int32),
                weights=found.data.astype(np.float32),
                behaviour=np.array([target]),
            )

    offsets: Int64[np.ndarray, " items_plus_one"]
    columns: Int32[np.ndarray, " entries"]
    weights: Float32[np.ndarray, " entries"]
    behaviour: Int64[np.ndarray, " one"]
    paper: ClassVar[str] = (
        "Lops, de Gemmis, Semeraro: Content-based recommender systems: state of the art and "
        "trends. Recommender Systems Handbook 2011. doi:10.1007/978-0-387-85820-3_3"
    )

    def score(self, batch: Batch) -> Float32[np.ndarray, "queries items"]:
        """Sum of the cosines with the items of the history; 0 where there is none."""
        num_items = len(self.offsets) - 1
        width = int(self.columns.max(initial=0)) + 1
        features = sparse.csr_matrix(
            (self.weights, self.columns, self.offsets), (num_items, width), copy=False
        )
        history = distinct(asked_history(batch, self.behaviour), num_items)
        scores = np.empty((len(batch), num_items), np.float32)
        step = max(1, WORK_BYTES // (4 * width))
        for start in range(0, len(batch), step):
            part = history.slice(start, min(start + step, len(batch)))
            ones = np.ones(len(part.values), np.float32)
            asked = sparse.csr_matrix(
                (ones, part.values, part.offsets), (len(part), num_items), copy=False
            )
            wanted = (features.T @ asked.T).toarray(order="C")
            scores[start : start + len(part)] = (features @ wanted).T
        return scores
