"""Classes of nodes, some of which are known: one graph, trained as a whole.

N = nodes, C = classes
"""

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from grapevine.config import check_bounds
from grapevine.data.sources.graphs import LabelledGraph
from grapevine.errors import ConfigError, DataError
from grapevine.random import stream
from grapevine.tasks.descent import Trace, descend
from grapevine.tasks.inputs import edges_of, features_of
from grapevine.tasks.networks import Shape, neighbourhood_of, network_of


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    """How a classifier of nodes is made and trained."""

    shape: Shape = field(default_factory=Shape)
    """The network."""
    shares: bool = True
    """Whether features are shares of what a node has; False takes them as they are."""
    views: int = 1
    """How often each epoch looks at the graph, each time with other parts dropped."""
    agreement: float = 0.0
    """How much it counts that the views of all nodes agree, labelled or not."""
    sharpness: float = 0.5
    """What the views are to agree on: their mean, to the power of 1 / this, summed to one."""
    epochs: int = 200
    """Steps, at most."""
    keep: Literal["both", "loss"] = "both"
    """Which epoch is kept: the last that was best in accuracy and loss, or that of least loss."""
    patience: int = 0
    """Epochs without a better validation, in loss or accuracy; 0 goes on to the end."""
    learning_rate: float = 0.01
    """Of Adam."""
    weight_decay: float = 5e-4
    """Of Adam, added to the gradient."""

    def __post_init__(self) -> None:
        check_bounds(self, "nodes", "views", "epochs", least=1)
        check_bounds(self, "nodes", "sharpness", "learning_rate", above=0)
        check_bounds(self, "nodes", "agreement", "patience", "weight_decay", least=0)
        if self.agreement and self.views < 2:
            raise ConfigError("nodes: one view agrees with itself", hint="set views to 2 or more")


GCN = Config()
"""Kipf and Welling, ICLR 2017; weights decay in both layers, and the best epoch is kept."""
GAT = Config(
    shape=Shape(layer="gat", width=8, drop=0.6, drop_inputs=0.6, drop_edges=0.6),
    learning_rate=0.005,
    epochs=1000,
    patience=100,
)
"""Veličković et al., ICLR 2018: eight heads of eight, then one."""
GRAND = Config(
    shape=Shape(layer="grand", width=32, depth=8, drop_edges=0.5),
    views=4,
    agreement=1.0,
    keep="loss",
    epochs=1000,
    patience=200,
)
"""Feng et al., NeurIPS 2020, as they set it for Cora."""


@dataclass(frozen=True)
class Classifier:
    """What came of a training.

    Attributes:
        network: in evaluation mode, as it validated best.
        logits: `(nodes, classes)` of all nodes.
        trace: how it went.
    """

    network: nn.Module
    logits: Float32[np.ndarray, "nodes classes"]
    trace: Trace

    def accuracy(self, graph: LabelledGraph, part: Bool[np.ndarray, " nodes"]) -> float:
        """Share of the nodes of a part whose class is found."""
        return float((self.logits[part].argmax(1) == graph.labels[part]).mean())


def fit(config: Config, graph: LabelledGraph, *, seed: int = 0) -> Classifier:
    """Learn from the nodes of `graph.train`; `graph.validation` picks the epoch.

    The classes of no other nodes are looked at. All nodes speak, whatever part they are in: what is
    learnt is of this graph (transductive).

    Raises:
        DataError: the graph has no split, or no node to train or to validate with.
    """
    train, validation = _part(graph, "train"), _part(graph, "validation")
    features = features_of(graph, shares=config.shares)
    edges = edges_of(graph)
    neighbourhood = neighbourhood_of(config.shape, edges)
    labels = torch.as_tensor(graph.labels).long()
    torch.manual_seed(int(stream(seed, "nodes", "start").integers(2**63)))
    network = network_of(config.shape, edges, graph.num_features, graph.num_classes)

    def loss() -> Tensor:
        views = [network(features, neighbourhood) for _ in range(config.views)]
        lost = torch.stack([cross_entropy(one[train], labels[train]) for one in views]).mean()
        if not config.agreement:
            return lost
        return lost + config.agreement * disagreement(torch.stack(views), config.sharpness)

    def worth() -> tuple[float, float]:
        logits = network(features, neighbourhood)[validation]
        right = (logits.argmax(1) == labels[validation]).float().mean()
        return float(right), -float(cross_entropy(logits, labels[validation]))

    trace = descend(
        network,
        loss,
        worth,
        epochs=config.epochs,
        patience=config.patience,
        every=config.keep == "both",
        learning_rate=config.learning_rate,
        weight_decay=config.weight_decay,
        seed=seed,
    )
    with torch.no_grad():
        logits = network(features, neighbourhood).numpy()
    return Classifier(network, logits, trace)


def disagreement(
    logits_VNC: Float[Tensor, "views nodes classes"], sharpness: float
) -> Float[Tensor, ""]:
    """How far the views are from their sharpened mean (Feng et al., 2020, eq. 6 and 7)."""
    shares_VNC = logits_VNC.softmax(-1)
    mean_NC = shares_VNC.detach().mean(0)
    sharp_NC = mean_NC.pow(1 / sharpness)
    sharp_NC = sharp_NC / sharp_NC.sum(-1, keepdim=True)
    return (shares_VNC - sharp_NC).square().sum(-1).mean()


def _part(graph: LabelledGraph, name: str) -> Tensor:
    mask = getattr(graph, name)
    if mask is None or not mask.any():
        raise DataError(
            f"{graph.name or 'the graph'}: no nodes for {name}",
            hint="draw a split with `tasks.inputs.with_split`",
        )
    return torch.as_tensor(mask)
