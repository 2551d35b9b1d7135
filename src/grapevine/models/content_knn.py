"""Content neighbours: what reads like what was taken, whoever else took it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Float32, Float64, Int32, Int64
from scipy import sparse

from grapevine.config import check_bounds
from grapevine.data.dataset import Dataset
from grapevine.graph.cooccurrence import distinct
from grapevine.models.base import Fitted
from grapevine.models.histories import Behaviours, asked_history
from grapevine.structs.batch import Batch
from grapevine.structs.features import Features
from grapevine.structs.jagged import Jagged

BUMPS = np.linspace(-2, 2, 9, dtype=np.float32)
"""A standardised number is near these, a deviation of 1/2 around each: so a number far from another
is unlike it, be it on the same side of the mean or not."""

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
            from grapevine.views.features import KINDS, FeatureView

            # The degree is asked for so that there is always something to see, and left aside.
            use = [kind for kind in KINDS if kind != "image"]
            view = FeatureView.fit(train, use=use, buckets=self.buckets)
            features = view.encode_all(train)
            found = _side_by_side(features, self.buckets, self.numbers)
            target = -1 if self.behaviours == "all" else train.schema.target_row
            return ContentKNN(
                config=self,
                offsets=found.indptr.astype(np.int64),
                columns=found.indices.astype(np.int32),
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


def _side_by_side(features: Features, buckets: int, numbers: float) -> Any:
    """A row of features for each item; only features that some item has are columns."""
    kinds: list[Any] = [
        _unit(_tf_idf(_counts(lists, buckets))) for lists in features.tokens.values()
    ]
    kinds += [_unit(sparse.csr_matrix(rows)) for rows in features.vectors.values()]
    parts = [part / np.sqrt(len(kinds)) for part in kinds]
    columns = np.zeros((len(features), 0)) if features.numbers is None else features.numbers[:, :-1]
    if numbers and columns.shape[1]:
        parts.append(numbers * _unit(sparse.csr_matrix(np.hstack(list(_bumps(columns))))))
    if not parts:
        return sparse.csr_matrix((len(features), 0), dtype=np.float32)
    whole: Any = sparse.hstack(parts, format="csr", dtype=np.float32)
    whole.eliminate_zeros()
    used, whole.indices = np.unique(whole.indices, return_inverse=True)
    whole.resize(len(features), len(used))
    return whole


def _bumps(columns: Float32[np.ndarray, "items numbers"]) -> Iterator[np.ndarray]:
    for column in columns.T:
        yield np.exp(-2 * (column[:, None] - BUMPS) ** 2)


def _counts(lists: Jagged, buckets: int) -> Any:
    """How often each item has each token."""
    ones = np.ones(len(lists.values), np.float32)
    counts = sparse.csr_matrix(
        (ones, lists.values, lists.offsets), (len(lists), buckets), copy=True
    )
    counts.sum_duplicates()
    return counts


def _tf_idf(counts: Any) -> Any:
    """(1 + log count) * log((1 + items) / (1 + items that have it))."""
    having = np.bincount(counts.indices, minlength=counts.shape[1])
    rarity: Float64[np.ndarray, " buckets"] = np.log((1 + counts.shape[0]) / (1 + having))
    counts.data = (1 + np.log(counts.data)) * rarity[counts.indices]
    return counts


def _unit(rows: Any) -> Any:
    """Rows of length one, and those of zeros as they are."""
    length = np.sqrt(np.asarray(rows.multiply(rows).sum(axis=1)).ravel())
    return sparse.diags(1 / np.where(length > 0, length, 1)) @ rows
