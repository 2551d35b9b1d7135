"""The part of a typed graph that a batch needs: a few neighbours by each relation, round by round.

A step over a batch then costs what the batch costs, however large the graph is. Every relation has
its own quota (HGSampling's aim; Hu et al., WWW 2020, section 3.2), so that a thousand clicks do not
crowd out ten purchases.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Int64

from grapevine.graph.counter import mix
from grapevine.graph.links import How, Links
from grapevine.structs.graph import Graph
from grapevine.structs.typed_graph import Relation, TypedGraph


@dataclass(frozen=True)
class Around:
    """Some nodes of a typed graph, each once, and the edges along which the asked ones hear.

    Attributes:
        nodes: rows in the whole graph, rising, and so type by type.
        graph: over these nodes, by their place in `nodes`.
        asked: place of each node that was asked for, in the order of asking.
    """

    nodes: Int64[np.ndarray, " nodes"]
    graph: TypedGraph
    asked: Int64[np.ndarray, " asked"]


def around(
    links: Sequence[Links],
    offsets: tuple[int, ...],
    asked: Int64[np.ndarray, " asked"],
    *,
    rounds: int,
    width: int | None = 10,
    how: How = "uniform",
    seed: int = 0,
    hidden: Int64[np.ndarray, "pairs 2"] | None = None,
    hidden_from: Sequence[int] | None = None,
) -> Around:
    """What so many rounds of listening need, so that the asked nodes hear as in the whole graph.

    With all neighbours they hear the very same, but for weights. A node draws the same neighbours
    wherever it is met, by (seed, relation, node).

    Args:
        links: of all relations in the order of the view, each beside its reverse
            (`TypedView.links`).
        offsets: rows of each type.
        asked: rows of nodes, repeated or not.
        rounds: layers that will listen.
        width: neighbours of a node by each relation; None for all.
        how: which.
        seed: names the draws.
        hidden: rows of the user and the item of each pair whose edges are left out, both ways: what
            the step asks for (`TypedView.without`).
        hidden_from: places of the relations that they are left out of, a reverse by the one it
            reverses; all if not given.
    """
    met = np.zeros(offsets[-1], np.bool_)
    newest = np.unique(asked)
    met[newest] = True
    ends: list[list[np.ndarray]] = [[] for _ in links]
    for _ in range(rounds):
        for place in range(len(links)):
            # The edges that lead to a node are those of the reverse that leave it.
            back = links[place ^ 1]
            low, high = np.searchsorted(newest, offsets[back.source : back.source + 2])
            rows = newest[low:high]
            key = np.uint64(mix(np.uint64(seed), np.uint64(place)))
            drawn = back.all_of(rows) if width is None else back.draw(rows, width, how, key=key)
            pairs = np.stack([drawn.ravel(), np.repeat(rows, drawn.shape[1])], 1).astype(np.int64)
            pairs = pairs[pairs[:, 0] >= 0]
            if hidden is not None and (hidden_from is None or place - place % 2 in hidden_from):
                pairs = pairs[~_among(pairs, hidden, offsets[-1])]
            ends[place].append(pairs)
        found = np.unique(np.concatenate([part[-1][:, 0] for part in ends]))
        newest = found[~met[found]]
        met[newest] = True
    nodes = np.flatnonzero(met)
    relations: list[Relation] = []
    for one, parts in zip(links, ends):
        pairs = np.concatenate([*parts, np.empty((0, 2), np.int64)])
        senders, receivers = torch.from_numpy(np.searchsorted(nodes, pairs)).unbind(1)
        relations.append(Relation(one.source, one.target, Graph(senders, receivers, len(nodes))))
    types = tuple(np.searchsorted(nodes, offsets).tolist())
    return Around(nodes, TypedGraph(types, tuple(relations)), np.searchsorted(nodes, asked))


def stale(
    links: Sequence[Links], changed: Int64[np.ndarray, " changed"], rounds: int
) -> Int64[np.ndarray, " nodes"]:
    """Rows of the nodes whose vectors a change can have altered, rising; the others stand.

    Args:
        links: of all relations, as they are after the change.
        changed: nodes that an edge was added to, from either end (`TypedView.changed`).
        rounds: layers that listen; one more where they weigh by the degrees of both ends, which
            alters what the neighbours of a changed node hear.
    """
    met = np.zeros(len(links[0].ends), np.bool_)
    newest = np.unique(changed)
    for _ in range(rounds):
        met[newest] = True
        told = np.unique(np.concatenate([one.ends.take(newest).values for one in links]))
        newest = told[~met[told]].astype(np.int64)
    return np.flatnonzero(met)


def _among(
    pairs: Int64[np.ndarray, "edges 2"], hidden: Int64[np.ndarray, "pairs 2"], num_nodes: int
) -> Bool[np.ndarray, " edges"]:
    """Which edges are between the two of a pair, either way."""

    def keys(ends: Int64[np.ndarray, "some 2"]) -> Int64[np.ndarray, " some"]:
        return ends.min(axis=1) * num_nodes + ends.max(axis=1)

    return np.isin(keys(pairs), keys(hidden))
