"""A labelled graph as what layers take: features as a bag or a table, edges as a neighbourhood."""

from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Bool, Float32, Int64
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import connected_components
from torch import Tensor

from grapevine.core.bag import Bag
from grapevine.core.edges import Edges
from grapevine.data.sources.graphs import LabelledGraph
from grapevine.random import stream
from grapevine.structs.graph import Graph
from grapevine.structs.jagged import Jagged, gather_index, offsets_of

DENSE = 0.1
"""Share of the features that nodes have from which on a product with all of them is quicker."""


def edges_of(graph: LabelledGraph) -> Graph:
    """Its edges, each both ways."""
    receivers = np.repeat(np.arange(graph.num_nodes), np.diff(graph.offsets))
    senders = graph.neighbours.astype(np.int64)
    return Graph(torch.from_numpy(senders), torch.from_numpy(receivers), graph.num_nodes)


def bag_of(graph: LabelledGraph, *, shares: bool = True) -> Bag:
    """Its features; as shares of what a node has, where they are counts of words."""
    columns = Jagged(graph.feature_offsets, graph.feature_columns)
    values = _values(graph, shares)
    return Bag(Edges.from_lists(columns, graph.num_features), torch.as_tensor(values))


def features_of(graph: LabelledGraph, *, shares: bool = True) -> Tensor | Bag:
    """The same, as a table `(nodes, features)` where nodes have many of them."""
    shape = graph.num_nodes, graph.num_features
    if len(graph.feature_values) < DENSE * shape[0] * shape[1]:
        return bag_of(graph, shares=shares)
    entries = _values(graph, shares), graph.feature_columns, graph.feature_offsets
    return torch.from_numpy(csr_matrix(entries, shape=shape).toarray())


def _values(graph: LabelledGraph, shares: bool) -> Float32[np.ndarray, " entries"]:
    values = graph.feature_values
    if not shares:
        return values
    rows = np.repeat(np.arange(graph.num_nodes), np.diff(graph.feature_offsets))
    totals = np.bincount(rows, values, minlength=graph.num_nodes)
    return (values / np.where(totals > 0, totals, 1)[rows]).astype(np.float32)


def induced(graph: LabelledGraph, keep: Bool[np.ndarray, " nodes"]) -> LabelledGraph:
    """One graph with only these nodes, in their order, and the edges between them."""
    rows = np.flatnonzero(keep)
    place = np.where(keep, np.cumsum(keep) - 1, -1)
    lists = Jagged(graph.offsets, place[graph.neighbours].astype(np.int32)).take(rows)
    lists = lists.where(lists.values >= 0)
    feature_offsets, entries = gather_index(graph.feature_offsets, rows)
    parts = {
        name: None if mask is None else mask[rows]
        for name, mask in (
            ("train", graph.train),
            ("validation", graph.validation),
            ("test", graph.test),
        )
    }
    return replace(
        graph,
        offsets=lists.offsets,
        neighbours=lists.values,
        feature_offsets=feature_offsets,
        feature_columns=graph.feature_columns[entries],
        feature_values=graph.feature_values[entries],
        labels=graph.labels[rows],
        graph_offsets=np.array([0, len(rows)]),
        **parts,
    )


def largest_component(graph: LabelledGraph) -> LabelledGraph:
    """The greatest part of one graph in which all nodes reach each other."""
    ones = np.ones(len(graph.neighbours), np.int8)
    shape = graph.num_nodes, graph.num_nodes
    _, part = connected_components(
        csr_matrix((ones, graph.neighbours, graph.offsets), shape=shape), directed=False
    )
    return induced(graph, part == np.bincount(part).argmax())


def with_split(
    graph: LabelledGraph, *, train: int = 20, validation: int = 30, seed: int = 0
) -> LabelledGraph:
    """Drawn afresh: so many nodes of each class for training and validation, the rest for test.

    Shchur et al., 2018 (arXiv:1811.05868), section 3. Nodes of unknown class are in no part.

    Raises:
        ValueError: a class has too few nodes.
    """
    draw = stream(seed, "nodes", "split")
    part = np.where(graph.labels >= 0, 2, -1)
    for label in range(graph.num_classes):
        nodes = draw.permutation(np.flatnonzero(graph.labels == label))
        if len(nodes) <= train + validation:
            raise ValueError(f"class {label} has {len(nodes)} nodes: too few to split")
        part[nodes[:train]], part[nodes[train : train + validation]] = 0, 1
    return replace(graph, train=part == 0, validation=part == 1, test=part == 2)


def several(graph: LabelledGraph, chosen: Int64[np.ndarray, " chosen"]) -> LabelledGraph:
    """Some of many graphs laid end to end, in that order."""
    sizes = np.diff(graph.graph_offsets)[chosen]
    graph_offsets, rows = gather_index(graph.graph_offsets, chosen)
    # Edges stay within a graph: an end moves as far as its graph's first node does.
    moved = np.repeat(graph_offsets[:-1] - graph.graph_offsets[chosen], sizes)
    lists = Jagged(graph.offsets, graph.neighbours).take(rows)
    neighbours = lists.values + np.repeat(moved, lists.lengths)
    feature_offsets, entries = gather_index(graph.feature_offsets, rows)
    return replace(
        graph,
        offsets=lists.offsets,
        neighbours=neighbours.astype(np.int32),
        feature_offsets=feature_offsets,
        feature_columns=graph.feature_columns[entries],
        feature_values=graph.feature_values[entries],
        labels=graph.labels[chosen],
        graph_offsets=offsets_of(sizes),
    )
