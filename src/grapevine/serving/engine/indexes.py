"""The index of a run's item vectors: made when the run is opened, or one that was made before."""

import numpy as np
import polars as pl
from jaxtyping import Float32

from grapevine.errors import BundleError
from grapevine.index.build import build
from grapevine.index.vector_index import Settings, VectorIndex, comparable
from grapevine.models.run import Run

EXACT = 8_000
"""Vectors that are all looked at, sooner than an index would find its way."""
SCANNED = 500_000
"""Vectors up to which short codes of all are looked at; above it lists of them are visited."""
RECALL, MARGIN = 0.99, 0.005
"""Of the exact best ten, what an index made here must find; and by how much more it is built, so
that other questions than those it was measured with find as much."""


def own_index(vectors: Float32[np.ndarray, "items width"], ids: pl.Series) -> VectorIndex:
    """An index of all vectors, of the kind that answers one question at a time soonest.

    Raises:
        ConfigError: a vector is not finite.
    """
    if len(vectors) <= EXACT:
        return _flat(vectors, ids)
    kind = "pq" if len(vectors) <= SCANNED else "ivf"
    return build(vectors, ids, kind=kind, recall=RECALL + MARGIN)


def index_of(
    run: Run, vectors: Float32[np.ndarray, "items width"], index: VectorIndex
) -> VectorIndex:
    """The index, if it is one of this run's vectors, in the order of its items.

    Raises:
        BundleError: it is of others.
    """
    same = (
        index.settings.metric == "inner-product"
        and index.ids.to_list() == run.items.ids.to_list()
        and not index.deleted.any()
        and np.array_equal(index.vectors, vectors)
    )
    if not same:
        raise BundleError(
            f"the index is not one of the item vectors of {run.label}",
            hint="make it again: grapevine embed RUN --out DIR, grapevine index DIR --out INDEX",
        )
    return index


def _flat(vectors: Float32[np.ndarray, "items width"], ids: pl.Series) -> VectorIndex:
    """An index that looks at every vector; there is nothing to measure of it."""
    settings = Settings(
        kind="flat", metric="inner-product", width=vectors.shape[1], effort=0, wanted=1.0,
        recall=1.0, recall_at=min(10, len(vectors)), queries=0, queries_from="items",
        queries_per_second=0.0, build_seconds=0.0, seed=0,
    )  # fmt: skip
    return VectorIndex(
        settings=settings,
        ids=ids.alias("id"),
        vectors=comparable(vectors, "inner-product"),
        added=np.empty((0, vectors.shape[1]), np.float32),
        deleted=np.zeros(len(vectors), bool),
    )
