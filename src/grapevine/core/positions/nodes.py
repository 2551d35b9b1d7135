"""Where a node stands in a graph that has no order: eigenvectors, and walks that come home.

N = nodes, K = numbers of each
"""

from typing import Any, cast

import numpy as np
import scipy.sparse.linalg  # pyright: ignore[reportMissingTypeStubs]
import torch
from jaxtyping import Float
from torch import Tensor

from grapevine.core.kernels.spmm import Sparse, multiply
from grapevine.core.neighbourhoods import Adjacency
from grapevine.core.propagate import shares
from grapevine.random import stream
from grapevine.structs.graph import Graph
from grapevine.structs.jagged import Jagged, offsets_of

DENSE = 1000
"""Nodes up to which all eigenvectors are found, of a matrix that is written out."""
COLUMNS = 256
"""Nodes whose walks are followed at once."""


def laplacian(graph: Graph, count: int) -> Float[Tensor, "nodes count"]:
    """The smoothest ways to tell nodes apart (Dwivedi and Bresson, arXiv:2012.09699, section 2.2).

    The eigenvectors of the smallest eigenvalues of `I - D^-1/2 A D^-1/2`, but for the first, which
    tells nothing. Edges count both ways, once, and loops do not. The sign of a vector is chance:
    here its greatest number is positive, and in training `flipped` turns it at random. Where the
    graph has too few nodes the rest is 0.
    """
    nodes = graph.num_nodes
    out = np.zeros((nodes, count))
    wanted = min(count, nodes - 1)
    if wanted > 0:
        out[:, :wanted] = _smoothest(_normalised(graph), wanted + 1)[:, 1:]
        greatest = np.abs(out).argmax(0)
        out *= np.where(out[greatest, np.arange(count)] < 0, -1, 1)
    return torch.as_tensor(out).to(torch.get_default_dtype())


def _normalised(graph: Graph) -> Sparse:
    """`D^-1/2 A D^-1/2` of the undirected graph without loops."""
    nodes, one, other = graph.num_nodes, graph.senders.numpy(), graph.receivers.numpy()
    pairs = np.concatenate([one * nodes + other, other * nodes + one])
    rows, columns = np.divmod(np.unique(pairs), nodes)
    rows, columns = rows[rows != columns], columns[rows != columns]
    degrees = np.bincount(rows, minlength=nodes)
    weights = 1 / np.sqrt((degrees[rows] * degrees[columns]).astype(np.float64))
    return Sparse(Jagged(offsets_of(degrees), columns.astype(np.int32)), nodes, weights)


def _smoothest(matrix: Sparse, count: int) -> np.ndarray:
    """The eigenvectors of the largest eigenvalues, falling."""
    nodes = matrix.num_columns
    if nodes <= DENSE or count >= nodes:
        values, vectors = np.linalg.eigh(multiply(matrix, np.eye(nodes)))
    else:
        solver = cast("Any", scipy.sparse.linalg)

        def product(x: np.ndarray) -> np.ndarray:
            return multiply(matrix, x.reshape(-1, 1))

        operator = solver.LinearOperator(matrix.shape, dtype=np.float64, matvec=product)
        start = stream(0, "laplacian").standard_normal(nodes)
        values, vectors = solver.eigsh(operator, count, which="LA", v0=start)
    return vectors[:, np.argsort(-values, kind="stable")[:count]]


def flipped(
    positions_NK: Float[Tensor, "nodes count"], draw: np.random.Generator
) -> Float[Tensor, "nodes count"]:
    """Each eigenvector, or its opposite, by chance: a network must not learn from the sign."""
    signs = 1 - 2 * draw.integers(2, size=positions_NK.shape[1])
    return positions_NK * torch.as_tensor(signs).to(positions_NK)


def walk_returns(graph: Graph, steps: int) -> Float[Tensor, "nodes steps"]:
    """The chance that a walk is home again after 1, 2, .. steps (Dwivedi et al., ICLR 2022).

    A walk goes to each of the senders of a node with equal chance; who has none stays nowhere. Time
    grows with nodes times edges: it is for graphs of up to tens of thousands of nodes.
    """
    matrix = Adjacency.of(graph, lambda graph: shares(graph).double()).matrix
    out = np.zeros((graph.num_nodes, steps))
    for low in range(0, graph.num_nodes, COLUMNS):
        columns = np.arange(low, min(low + COLUMNS, graph.num_nodes))
        there = np.zeros((graph.num_nodes, len(columns)))
        there[columns, columns - low] = 1
        for step in range(steps):
            there = multiply(matrix, there)
            out[columns, step] = there[columns, columns - low]
    return torch.as_tensor(out).to(torch.get_default_dtype())
