"""Links: which pairs of nodes belong together, learnt from the edges that are there.

N = nodes, P = pairs, D = width
"""

from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Float, Float32, Int64
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from grapevine.config import check_bounds
from grapevine.data.sources.graphs import LabelledGraph
from grapevine.errors import DataError
from grapevine.random import stream
from grapevine.structs.graph import Graph
from grapevine.tasks.descent import Trace, descend
from grapevine.tasks.inputs import edges_of, features_of
from grapevine.tasks.networks import Shape, neighbourhood_of, network_of

Pairs = Int64[np.ndarray, "pairs 2"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    """How links are learnt."""

    shape: Shape = field(default_factory=lambda: Shape(width=32))
    """The network."""
    width: int = 16
    """Of the vectors whose product says how likely a link is."""
    shares: bool = True
    """Whether features are shares of what a node has."""
    epochs: int = 200
    """Steps, at most."""
    patience: int = 50
    """Epochs without a better validation."""
    learning_rate: float = 0.01
    """Of Adam."""
    weight_decay: float = 0.0
    """Of Adam, added to the gradient."""

    def __post_init__(self) -> None:
        check_bounds(self, "links", "width", "epochs", least=1)
        check_bounds(self, "links", "learning_rate", above=0)
        check_bounds(self, "links", "patience", "weight_decay", least=0)


@dataclass(frozen=True, slots=True)
class Held:
    """A graph without some of its edges, and the pairs that are asked instead.

    Attributes:
        known: the edges that are left, both ways: along these and no others messages go.
        train: each edge that is left, once.
        validation: `(P, 2)` edges that were taken out, then as many pairs without an edge.
        test: likewise.
    """

    known: Graph
    train: Pairs
    validation: Pairs
    test: Pairs


def hold_out(
    graph: LabelledGraph, *, validation: float = 0.05, test: float = 0.1, seed: int = 0
) -> Held:
    """Take edges out, both ways, and draw as many pairs that have none.

    Kipf and Welling, 2016 (arXiv:1611.07308), section 3, whose shares these are.

    Raises:
        DataError: there are too few edges for both parts.
    """
    edges = edges_of(graph)
    once = (edges.senders < edges.receivers).numpy()
    pairs = torch.stack([edges.senders, edges.receivers], 1).numpy()[once]
    draw = stream(seed, "links", "split")
    pairs = pairs[draw.permutation(len(pairs))]
    counts = [int(share * len(pairs)) for share in (validation, test)]
    if min(counts) < 1 or sum(counts) >= len(pairs):
        raise DataError(f"{len(pairs)} edges are too few to hold some out")
    parts = np.split(pairs, np.cumsum(counts))
    apart = strangers(pairs, graph.num_nodes, sum(counts), draw)
    left = torch.from_numpy(parts[2])
    known = Graph(
        torch.cat([left[:, 0], left[:, 1]]), torch.cat([left[:, 1], left[:, 0]]), graph.num_nodes
    )
    ends = np.split(apart, counts[:1])
    asked = [np.concatenate([yes, no]) for yes, no in zip(parts, ends)]
    return Held(known, parts[2], *asked)


def strangers(pairs: Pairs, num_nodes: int, count: int, draw: np.random.Generator) -> Pairs:
    """Distinct pairs of different nodes that are none of these, each in rising order.

    Raises:
        DataError: there are not so many.
    """
    low, high = pairs.min(1), pairs.max(1)
    taken = np.unique(low * num_nodes + high)
    if num_nodes * (num_nodes - 1) // 2 - len(taken) < count:
        raise DataError(f"no {count} pairs of {num_nodes} nodes are without an edge")
    found = np.empty(0, np.int64)
    while len(found) < count:
        ends = np.sort(draw.integers(num_nodes, size=(2 * count + 8, 2)), axis=1)
        key = ends[:, 0] * num_nodes + ends[:, 1]
        key = key[(ends[:, 0] < ends[:, 1]) & ~np.isin(key, taken)]
        both = np.concatenate([found, key])
        # Kept in the order they were drawn in: the least would not be a fair draw.
        found = both[np.sort(np.unique(both, return_index=True)[1])]
    return np.stack(np.divmod(found[:count], num_nodes), 1)


@dataclass(frozen=True)
class Linker:
    """What came of a training.

    Attributes:
        vectors: `(nodes, width)`; the product of two says how likely a link is, as a logit.
        trace: how it went.
    """

    vectors: Float32[np.ndarray, "nodes width"]
    trace: Trace

    def score(self, pairs: Pairs) -> Float32[np.ndarray, " pairs"]:
        """The logit of each pair."""
        one, two = self.vectors[pairs[:, 0]], self.vectors[pairs[:, 1]]
        return (one * two).sum(1)


def fit(config: Config, graph: LabelledGraph, held: Held, *, seed: int = 0) -> Linker:
    """Learn from the edges that are known, and as many pairs a step that have none.

    Args:
        config: the options.
        graph: for the features of its nodes; its edges are not looked at.
        held: what is known and what is asked.
        seed: names what is drawn.
    """
    features = features_of(graph, shares=config.shares)
    neighbourhood = neighbourhood_of(config.shape, held.known)
    torch.manual_seed(int(stream(seed, "links", "start").integers(2**63)))
    network = network_of(config.shape, held.known, graph.num_features, config.width)
    yes, told = held.train, truth_of(held.validation)
    epoch = 0

    def loss() -> Tensor:
        nonlocal epoch
        draw = stream(seed, "links", "strangers", epoch)
        epoch += 1
        no = strangers(yes, graph.num_nodes, len(yes), draw)
        z_ND = network(features, neighbourhood)
        logits = _products(z_ND, np.concatenate([yes, no]))
        wanted = torch.arange(2 * len(yes)) < len(yes)
        return binary_cross_entropy_with_logits(logits, wanted.float())

    def worth() -> tuple[float]:
        z_ND = network(features, neighbourhood)
        return (auc(_products(z_ND, held.validation).numpy(), told),)

    trace = descend(
        network,
        loss,
        worth,
        epochs=config.epochs,
        patience=config.patience,
        learning_rate=config.learning_rate,
        weight_decay=config.weight_decay,
        seed=seed,
    )
    with torch.no_grad():
        return Linker(network(features, neighbourhood).numpy(), trace)


def truth_of(pairs: Pairs) -> np.ndarray:
    """Which pairs of `Held` are edges: the first half."""
    return np.arange(len(pairs)) < len(pairs) // 2


def auc(scores: Float[np.ndarray, " pairs"], positive: np.ndarray) -> float:
    """How often a positive stands above a negative, ties counted as half."""
    order = np.sort(scores[~positive])
    below = np.searchsorted(order, scores[positive], "left")
    upto = np.searchsorted(order, scores[positive], "right")
    return float((below + upto).mean() / 2 / max(len(order), 1))


def average_precision(scores: Float[np.ndarray, " pairs"], positive: np.ndarray) -> float:
    """Mean over the positives of the share of positives down to each; of ties the worst order."""
    order = np.lexsort((positive, -scores))
    hits = positive[order]
    precision = np.cumsum(hits) / np.arange(1, len(hits) + 1)
    return float(precision[hits].mean())


def _products(z_ND: Tensor, pairs: Pairs) -> Tensor:
    one, two = torch.from_numpy(pairs).unbind(1)
    return (z_ND[one] * z_ND[two]).sum(1)
