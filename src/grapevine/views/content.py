"""The catalogue's words as numbers: tf-idf, and the few directions that most of it lies in."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from jaxtyping import Float32, Float64, Int64
from scipy import sparse

from grapevine.structs.features import Features
from grapevine.structs.jagged import Jagged

BUMPS = np.linspace(-2, 2, 9, dtype=np.float32)
"""A standardised number is near these, a deviation of 1/2 around each: so a number far from another
is unlike it, be it on the same side of the mean or not."""

SURVEYED = 50_000
"""Items that the directions are found in, spread evenly over a larger catalogue."""

Rarity = dict[str, Float64[np.ndarray, " buckets"]]
"""Of each kind of token, how much one of it counts."""


def rarity_of(features: Features, buckets: int) -> Rarity:
    """`log((1 + items) / (1 + items that have it))` of each token."""
    return {
        name: np.log((1 + len(features)) / (1 + _having(lists, buckets)))
        for name, lists in features.tokens.items()
    }


def side_by_side(
    features: Features, rarity: Rarity, *, buckets: int, degree: bool, numbers: float = 0.5
) -> Any:
    """A sparse row for each item: every kind of length one, all of them together of length one.

    Words, categories and tags by tf-idf, vectors as they stand, numbers by how near they are.
    Pictures are not looked at: pixels side by side say next to nothing.

    Args:
        features: of any items.
        rarity: of the catalogue, see `rarity_of`.
        buckets: tokens are below it.
        degree: whether the last of the numbers is the degree, which is no content.
        numbers: weight of numbers and times beside all else; 0 leaves them out.
    """
    kinds: list[Any] = [
        _unit(_tf_idf(_counts(lists, buckets), rarity[name]))
        for name, lists in features.tokens.items()
    ]
    kinds += [_unit(sparse.csr_matrix(rows)) for rows in features.vectors.values()]
    parts = [part / np.sqrt(len(kinds)) for part in kinds]
    columns = np.zeros((len(features), 0)) if features.numbers is None else features.numbers
    columns = columns[:, : columns.shape[1] - degree]
    if numbers and columns.shape[1]:
        parts.append(numbers * _unit(sparse.csr_matrix(np.hstack(list(_bumps(columns))))))
    if not parts:
        return sparse.csr_matrix((len(features), 0), dtype=np.float32)
    whole: Any = sparse.hstack(parts, format="csr", dtype=np.float32)
    whole.eliminate_zeros()
    return whole


@dataclass(frozen=True)
class Content:
    """What an item is about, as a short vector whose dot products are nearly those of tf-idf.

    Latent semantic analysis (Deerwester et al., JASIS 1990): the rows of `side_by_side`, seen along
    their first right singular vectors. They are not scaled again, so an item of which little lies
    in these directions has a short vector, and is near nothing. Nobody's events enter.

    Attributes:
        settings: `(2,)` the number of buckets, and whether the numbers end with the degree.
        rarity: of each kind of token.
        columns: `(U,)` the columns of `side_by_side` that some item had, rising.
        basis: `(U, C)` the directions.
    """

    settings: Int64[np.ndarray, " two"]
    rarity: Rarity
    columns: Int64[np.ndarray, " U"]
    basis: Float32[np.ndarray, "U C"]

    @classmethod
    def fit(cls, features: Features, *, buckets: int, degree: bool, width: int) -> Self:
        """The directions of a catalogue: `width` of them, or as many as it has.

        Args:
            features: of its items.
            buckets: tokens are below it.
            degree: whether the last of the numbers is the degree.
            width: of a vector.
        """
        rarity = rarity_of(features, buckets)
        rows = side_by_side(features, rarity, buckets=buckets, degree=degree)
        surveyed = np.unique(np.linspace(0, rows.shape[0] - 1, SURVEYED).astype(np.int64))
        seen = rows[surveyed] if rows.shape[0] > SURVEYED else rows
        columns = np.unique(seen.indices).astype(np.int64)
        return cls(
            settings=np.array([buckets, int(degree)]),
            rarity=rarity,
            columns=columns,
            basis=_directions(seen[:, columns], width),
        )

    @property
    def width(self) -> int:
        """C, of a vector."""
        return self.basis.shape[1]

    def vectors(self, features: Features) -> Float32[np.ndarray, "items C"]:
        """The vector of each item, of the catalogue or not."""
        buckets, degree = self.settings.tolist()
        rows = side_by_side(features, self.rarity, buckets=buckets, degree=bool(degree))
        return np.asarray(rows[:, self.columns] @ self.basis, np.float32)

    def arrays(self) -> dict[str, np.ndarray]:
        """All of it as arrays, so that it can be a part of a model's state."""
        plain = {"settings": self.settings, "columns": self.columns, "basis": self.basis}
        return plain | {f"rarity.{name}": one for name, one in self.rarity.items()}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> Self:
        """The content that `arrays` came from."""
        rarity = {
            name.removeprefix("rarity."): one
            for name, one in arrays.items()
            if name.startswith("rarity.")
        }
        return cls(arrays["settings"], rarity, arrays["columns"], arrays["basis"])


def _directions(rows: Any, width: int) -> Float32[np.ndarray, "columns width"]:
    """The first right singular vectors; on one thread, so that they are the same every time."""
    from scipy.sparse.linalg import svds
    from threadpoolctl import threadpool_limits

    least = min(rows.shape)
    with threadpool_limits(1):
        if least <= 2 * width:
            basis = np.linalg.svd(rows.toarray(), full_matrices=False)[2][:width]
        else:
            start = np.ones(least) / np.sqrt(least)
            found: Any = svds(rows.astype(np.float64), k=width, v0=start)
            basis = found[2][::-1]
    return np.ascontiguousarray(basis.T, np.float32)


def _bumps(columns: Float32[np.ndarray, "items numbers"]) -> Iterator[np.ndarray]:
    for column in columns.T:
        yield np.exp(-2 * (column[:, None] - BUMPS) ** 2)


def _having(lists: Jagged, buckets: int) -> Int64[np.ndarray, " buckets"]:
    """How many items have each token."""
    return np.bincount(_counts(lists, buckets).indices, minlength=buckets)


def _counts(lists: Jagged, buckets: int) -> Any:
    """How often each item has each token."""
    ones = np.ones(len(lists.values), np.float32)
    counts = sparse.csr_matrix(
        (ones, lists.values, lists.offsets), (len(lists), buckets), copy=True
    )
    counts.sum_duplicates()
    return counts


def _tf_idf(counts: Any, rarity: Float64[np.ndarray, " buckets"]) -> Any:
    """`(1 + log count) * rarity`."""
    counts.data = (1 + np.log(counts.data)) * rarity[counts.indices]
    return counts


def _unit(rows: Any) -> Any:
    """Rows of length one, and those of zeros as they are."""
    length = np.sqrt(np.asarray(rows.multiply(rows).sum(axis=1)).ravel())
    return sparse.diags(1 / np.where(length > 0, length, 1)) @ rows
