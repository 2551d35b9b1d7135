"""Classes of whole graphs: layers of GIN, and a sum over the nodes that any order leaves the same.

N = nodes of a batch, G = graphs of a batch, D = width, C = classes
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Float32, Int64
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, dropout

from grapevine.config import check_bounds
from grapevine.core.bag import Bag, project
from grapevine.core.isomorphism import GIN
from grapevine.core.neighbourhoods import Adjacency
from grapevine.core.propagate import segment_sum
from grapevine.data.sources.graphs import LabelledGraph
from grapevine.errors import CheckFailed
from grapevine.random import stream
from grapevine.tasks.inputs import bag_of, edges_of, several


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    """A graph isomorphism network, and how it is trained."""

    depth: int = 4
    """Rounds of listening."""
    width: int = 32
    """Of every state."""
    drop: float = 0.0
    """Share of the states of a graph that is dropped before its class is asked."""
    epochs: int = 100
    """Times each graph is seen."""
    batch: int = 32
    """Graphs of a step."""
    learning_rate: float = 0.01
    """Of Adam; half of it after every 50 epochs."""

    def __post_init__(self) -> None:
        check_bounds(self, "graphs", "depth", "width", "epochs", "batch", least=1)
        check_bounds(self, "graphs", "learning_rate", above=0)


class Network(nn.Module):
    """GIN with batch norms, all rounds read out (Xu et al., ICLR 2019, sections 4.2 and 7).

    Args:
        config: the options.
        width: D, of the features of a node.
        classes: C.
    """

    def __init__(self, config: Config, width: int, classes: int) -> None:
        super().__init__()
        self.enter = nn.Linear(width, config.width, bias=False)
        self.layers = nn.ModuleList(
            GIN(_dense(config.width, first=round_ == 0)) for round_ in range(config.depth)
        )
        # A graph is told by what its nodes hold before the first round, too.
        self.counts = nn.Linear(width, classes, bias=False)
        self.reads = nn.ModuleList(nn.Linear(config.width, classes) for _ in self.layers)
        self.drop = config.drop

    def forward(
        self, features: Bag, edges: Adjacency, graphs_N: Int64[Tensor, " nodes"], num_graphs: int
    ) -> Float[Tensor, "graphs classes"]:
        """The logits of each graph.

        Args:
            features: of the nodes.
            edges: between them.
            graphs_N: which graph each node is of.
            num_graphs: G.
        """
        h = project(self.enter, features)
        read = segment_sum(project(self.counts, features), graphs_N, num_graphs)
        out = dropout(read, self.drop, self.training)
        for layer, read in zip(self.layers, self.reads):
            h = layer(h, edges)
            whole_GD = segment_sum(h, graphs_N, num_graphs)
            out = out + dropout(read(whole_GD), self.drop, self.training)
        return out


def _dense(width: int, *, first: bool) -> nn.Module:
    """Two layers; the first matrix of the first round is that by which features enter."""
    start: list[nn.Module] = [] if first else [nn.Linear(width, width)]
    return nn.Sequential(
        *start,
        nn.BatchNorm1d(width),
        nn.ReLU(),
        nn.Linear(width, width),
        nn.BatchNorm1d(width),
        nn.ReLU(),
    )


@dataclass(frozen=True)
class Classifier:
    """What came of a training.

    Attributes:
        network: in evaluation mode, after the last epoch.
        curve: `(epochs,)` accuracy on the graphs to validate with, after each epoch.
    """

    network: Network
    curve: Float32[np.ndarray, " epochs"]

    def accuracy(self, graph: LabelledGraph, chosen: Int64[np.ndarray, " chosen"]) -> float:
        """Share of these graphs whose class is found."""
        return _accuracy(self.network, graph, chosen)


def fit(
    config: Config,
    graph: LabelledGraph,
    train: Int64[np.ndarray, " train"],
    validation: Int64[np.ndarray, " validation"],
    *,
    seed: int = 0,
) -> Classifier:
    """Learn the classes of some graphs, and follow how well others are told.

    Args:
        config: the options.
        graph: many graphs laid end to end.
        train: which of them are learnt.
        validation: which of them are asked after each epoch.
        seed: names what is drawn.

    Raises:
        CheckFailed: the loss is not finite.
    """
    torch.manual_seed(int(stream(seed, "graphs", "start").integers(2**63)))
    network = Network(config, graph.num_features, graph.num_classes)
    adam = torch.optim.Adam(network.parameters(), lr=config.learning_rate)
    halve = torch.optim.lr_scheduler.StepLR(adam, 50, 0.5)
    asked = list(_batches(graph, validation, 256))
    curve = np.zeros(config.epochs, np.float32)
    for epoch in range(config.epochs):
        draw = stream(seed, "graphs", "order", epoch)
        torch.manual_seed(int(draw.integers(2**63)))
        network.train()
        for batch in _batches(graph, draw.permutation(train), config.batch):
            lost = cross_entropy(network(*batch.given), batch.labels)
            if not torch.isfinite(lost):
                raise CheckFailed(f"epoch {epoch + 1}: the loss is {lost.item()}")
            adam.zero_grad()
            lost.backward()
            adam.step()
        halve.step()
        curve[epoch] = _right(network, asked) / max(len(validation), 1)
    return Classifier(network.eval(), curve)


def folds(
    labels: Int64[np.ndarray, " graphs"], parts: int = 10, *, seed: int = 0
) -> Int64[np.ndarray, " graphs"]:
    """The part of each graph, every class shared out evenly among the parts."""
    draw, part = stream(seed, "graphs", "folds"), np.zeros(len(labels), np.int64)
    dealt = 0
    for label in np.unique(labels):
        rows = draw.permutation(np.flatnonzero(labels == label))
        part[rows] = (np.arange(len(rows)) + dealt) % parts
        dealt += len(rows)
    return part


def cross_validate(
    config: Config, graph: LabelledGraph, *, parts: int = 10, seed: int = 0
) -> Float32[np.ndarray, "parts epochs"]:
    """Accuracy on each part after each epoch of training on the others.

    The papers of GIN and its like report the epoch whose mean over the parts is best, with the
    spread over the parts at that epoch: it is chosen on what it is measured on, so that it flatters
    a little. The last epoch does not.
    """
    part = folds(graph.labels.astype(np.int64), parts, seed=seed)
    each = [
        fit(config, graph, np.flatnonzero(part != one), np.flatnonzero(part == one), seed=seed)
        for one in range(parts)
    ]
    return np.stack([found.curve for found in each])


@dataclass(frozen=True, slots=True)
class _Batch:
    given: tuple[Bag, Adjacency, Tensor, int]
    labels: Tensor


def _batches(
    graph: LabelledGraph, chosen: Int64[np.ndarray, " chosen"], size: int
) -> Iterator[_Batch]:
    for start in range(0, len(chosen), size):
        part = several(graph, chosen[start : start + size])
        sizes = np.diff(part.graph_offsets)
        graphs = torch.from_numpy(np.repeat(np.arange(len(sizes)), sizes))
        given = bag_of(part, shares=False), Adjacency.of(edges_of(part)), graphs, len(sizes)
        yield _Batch(given, torch.as_tensor(part.labels).long())


@torch.no_grad()
def _right(network: Network, batches: list[_Batch]) -> int:
    network.eval()
    return sum(int((network(*batch.given).argmax(1) == batch.labels).sum()) for batch in batches)


def _accuracy(
    network: Network, graph: LabelledGraph, chosen: Int64[np.ndarray, " chosen"]
) -> float:
    return _right(network, list(_batches(graph, chosen, 256))) / max(len(chosen), 1)
