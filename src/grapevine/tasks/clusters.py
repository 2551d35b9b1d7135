"""Parts of a graph, from the states of its nodes or from its edges alone, and how good they are.

N = nodes, D = width, K = parts
"""

import numpy as np
import torch
from jaxtyping import Float, Float64, Int, Int64
from scipy.cluster.vq import ClusterError, kmeans2

from grapevine.core.positions import laplacian
from grapevine.random import stream
from grapevine.structs.graph import Graph


def k_means(
    states_ND: Float[np.ndarray, "nodes width"], parts: int, *, seed: int = 0, starts: int = 10
) -> Int64[np.ndarray, " nodes"]:
    """The part of each node: the tightest of several tries of k-means++.

    Args:
        states_ND: what the nodes hold.
        parts: K.
        seed: names what is drawn.
        starts: tries.
    """
    states_ND = states_ND.astype(np.float64)
    different, best = np.unique(states_ND, axis=0, return_inverse=True)
    if len(different) <= parts:
        return best.ravel().astype(np.int64)
    least = np.inf
    for start in range(starts):
        draw = stream(seed, "k-means", start)
        try:
            centres_KD, part = kmeans2(states_ND, parts, minit="++", seed=draw, missing="raise")  # pyright: ignore[reportCallIssue]
        except ClusterError:  # a part was left empty: the next try
            continue
        spread = float(np.square(states_ND - centres_KD[part]).sum())
        if spread < least:
            best, least = part.astype(np.int64), spread
    return best


def spectral(graph: Graph, parts: int, *, seed: int = 0) -> Int64[np.ndarray, " nodes"]:
    """The part of each node by k-means on the smoothest directions of the graph.

    Shi and Malik, 2000: eigenvectors of the walk's Laplacian, without the first, which is the same
    for all nodes. Edges count both ways; a node without an edge stands at zero.
    """
    graph_degrees = np.bincount(graph.receivers.numpy(), minlength=graph.num_nodes)
    rows_NK = laplacian(graph, parts - 1).double().numpy()
    return k_means(rows_NK / np.sqrt(np.maximum(graph_degrees, 1))[:, None], parts, seed=seed)


def agreement(
    found: Int[np.ndarray, " nodes"], truth: Int[np.ndarray, " nodes"]
) -> dict[str, float]:
    """How far two partitions are the same, whatever the parts are called.

    Returns:
        `nmi`: mutual information over the mean of both entropies, 0 to 1; `ari`: pairs that both
        put together or apart, beyond chance (Hubert and Arabie, 1985), 1 for the same and about 0
        for chance.
    """
    table = _table(found, truth)
    return {"nmi": _nmi(table), "ari": _ari(table)}


def modularity(graph: Graph, part: Int[np.ndarray, " nodes"]) -> float:
    """Share of the edges within parts, less what it would be if only degrees counted.

    Newman and Girvan, 2004, eq. 5; each undirected edge stands in the graph twice.
    """
    senders, receivers = part[graph.senders.numpy()], part[graph.receivers.numpy()]
    weights = None if graph.weights is None else graph.weights.numpy()
    parts = int(part.max()) + 1
    within = np.bincount(senders[senders == receivers], _of(weights, senders == receivers), parts)
    out, into = np.bincount(senders, weights, parts), np.bincount(receivers, weights, parts)
    total = out.sum()
    return float((within / total - out * into / total**2).sum()) if total else 0.0


def _of(weights: np.ndarray | None, keep: np.ndarray) -> np.ndarray | None:
    return None if weights is None else weights[keep]


def _table(
    found: Int[np.ndarray, " nodes"], truth: Int[np.ndarray, " nodes"]
) -> Float64[np.ndarray, "found truth"]:
    """How many nodes are in each pair of parts."""
    _, one = np.unique(found, return_inverse=True)
    _, two = np.unique(truth, return_inverse=True)
    table = np.zeros((one.max() + 1, two.max() + 1))
    np.add.at(table, (one, two), 1)
    return table


def _nmi(table: Float64[np.ndarray, "found truth"]) -> float:
    shares = table / table.sum()
    rows, columns = shares.sum(1), shares.sum(0)
    entropies = _entropy(rows) + _entropy(columns)
    mutual = entropies - _entropy(shares.ravel())
    # Two partitions of one part each are the same.
    return float(2 * mutual / entropies) if entropies > 0 else 1.0


def _entropy(shares: Float64[np.ndarray, " parts"]) -> float:
    shares = shares[shares > 0]
    return float(-(shares * np.log(shares)).sum())


def _ari(table: Float64[np.ndarray, "found truth"]) -> float:
    both, rows, columns = _pairs(table), _pairs(table.sum(1)), _pairs(table.sum(0))
    everyone = float(_pairs(table.sum()))
    chance = rows * columns / everyone if everyone else 0.0
    most = (rows + columns) / 2
    return float((both - chance) / (most - chance)) if most != chance else 1.0


def _pairs(counts: Float[np.ndarray, "..."] | np.float64) -> float:
    return float(np.sum(counts * (counts - 1) / 2))


def states_of(states: torch.Tensor) -> Float64[np.ndarray, "nodes width"]:
    """States as `k_means` and a map take them: each of length one."""
    rows = states.detach().double().numpy()
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    return rows / np.where(length > 0, length, 1)
