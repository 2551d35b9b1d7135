"""Whom items hear: those that walks meet, and for new ones those that are alike in content."""

from dataclasses import replace

import numpy as np
from jaxtyping import Float32, Int64

from grapevine.graph.neighbourhoods import importance_table
from grapevine.models.pinsage.config import Config
from grapevine.random import stream
from grapevine.structs.bipartite import Bipartite
from grapevine.structs.features import Features
from grapevine.structs.neighbour_table import NeighbourTable
from grapevine.views.content import Content
from grapevine.views.features import FeatureView

CONTENT = "tf-idf"
"""The name of the content among the vectors of the features."""

CANDIDATES = 20_000
"""Items that a new one may listen to, at most: those most met."""

BLOCK = 1024


def content_of(config: Config, features: Features, view: FeatureView) -> Content | None:
    """How content is seen; None where it is not wanted, or the catalogue has none."""
    if not config.content:
        return None
    degree = view.degree is not None
    content = Content.fit(features, buckets=view.buckets, degree=degree, width=config.content)
    return content if content.width else None


def with_content(features: Features, content: Content) -> Features:
    """The features with one vector more: what each item is about."""
    return replace(features, vectors={**features.vectors, CONTENT: content.vectors(features)})


def neighbours_of(
    config: Config, graph: Bipartite, seed: int, rows: Int64[np.ndarray, " rows"] | None = None
) -> NeighbourTable:
    """Whom items listen to: the rows asked for, or all."""
    return importance_table(
        graph,
        width=config.neighbours,
        walks=config.walks,
        length=config.length,
        restart=config.restart,
        seed=int(stream(seed, "pinsage", "walks").integers(2**63)),
        most_degree=config.most_degree,
        rows=rows,
    )


def nobody(rows: int, width: int) -> NeighbourTable:
    """A table in which nobody hears anyone."""
    empty = np.full((rows, width), -1, np.int32)
    return NeighbourTable(empty, np.zeros(empty.shape, np.float32))


def most_met(counts: Int64[np.ndarray, " items"]) -> Int64[np.ndarray, " met"]:
    """The items that someone has met, in the order of their rows; the first where they are many."""
    order = np.argsort(-counts, kind="stable")[:CANDIDATES]
    return np.sort(order[counts[order] > 0])


def nearest(
    asking: Float32[np.ndarray, "asking width"],
    vectors: Float32[np.ndarray, "items width"],
    candidates: Int64[np.ndarray, " candidates"],
    width: int,
    *,
    same: bool = False,
) -> NeighbourTable:
    """The candidates with the greatest dot products above 0; shares are in proportion to them.

    Args:
        asking: vectors of those who listen.
        vectors: of all items.
        candidates: whom they may listen to.
        width: at most so many.
        same: those who ask are the items themselves, and do not listen to themselves.
    """
    table = nobody(len(asking), width)
    keep = min(width, len(candidates))
    place = np.full(len(vectors), -1, np.int64)
    place[candidates] = np.arange(len(candidates))
    for start in range(0, len(asking) if keep else 0, BLOCK):
        near = asking[start : start + BLOCK] @ vectors[candidates].T
        rows = np.arange(len(near))
        if same:
            own = place[start + rows]
            near[rows[own >= 0], own[own >= 0]] = 0
        best = np.argpartition(-near, keep - 1, axis=1)[:, :keep]
        order = np.lexsort((best, -near[rows[:, None], best]))
        best = np.take_along_axis(best, order, 1)
        weight = np.maximum(near[rows[:, None], best], 0)
        total = np.maximum(weight.sum(1, keepdims=True), 1e-12)
        table.nodes[start : start + BLOCK, :keep] = np.where(weight > 0, candidates[best], -1)
        table.weights[start : start + BLOCK, :keep] = weight / total
    return table
