"""The options of the graph networks, and what sets their layers apart."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from grapevine.config import check_bounds
from grapevine.data.dataset import Dataset
from grapevine.errors import ConfigError
from grapevine.models.histories import Behaviours

if TYPE_CHECKING:  # torch is loaded when something is learnt
    from grapevine.models.gnn.learner import GNNLearner

LayerName = Literal[
    "gcn", "mean", "sage-mean", "sage-max", "sage-gcn", "gat", "gatv2", "graph-transformer"
]


@dataclass(frozen=True, kw_only=True, slots=True)
class Kind:
    """What sets a layer apart from the others; see `core.blocks`.

    Attributes:
        merge: how messages merge.
        own: whether a node's own state is set beside what it hears.
        loops: whether it hears itself among its neighbours.
        symmetric: whether an edge weighs `1 / sqrt(degree x degree)`, self-loops counted.
        speaks: whether what is said goes through a matrix of its own first.
        unit: whether states are scaled to length one.
        attends: whether an edge weighs what attention makes of both ends; the rest is the layer's.
    """

    merge: Literal["importance", "mean", "max"] = "mean"
    own: bool = True
    loops: bool = False
    symmetric: bool = False
    speaks: bool = False
    unit: bool = False
    attends: bool = False


KINDS: dict[LayerName, Kind] = {
    "gcn": Kind(merge="importance", own=False, loops=True, symmetric=True),
    "mean": Kind(),
    "sage-mean": Kind(unit=True),
    "sage-max": Kind(merge="max", speaks=True, unit=True),
    "sage-gcn": Kind(own=False, loops=True, unit=True),
    "gat": Kind(loops=True, attends=True),
    "gatv2": Kind(loops=True, attends=True),
    "graph-transformer": Kind(loops=True, attends=True),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    """Whom nodes hear, what they make of it, and how it is learnt."""

    layer: LayerName = "gcn"
    """GCN, a mean with a matrix for each side, GraphSAGE with one of its aggregators, or attention:
    GAT, GATv2, or the Graph Transformer."""
    depth: int = 2
    """Rounds of listening."""
    width: int = 64
    """Of every state."""
    heads: int = 4
    """Of attention; they share the width."""
    neighbours: int = 0
    """So many of a node's neighbours are drawn anew in each epoch, and only the nodes that a batch
    needs are computed; 0 is all of them, over the whole graph. The fitted model hears all."""
    residual: bool = False
    """Whether a round adds to what a node held instead of replacing it."""
    temperature: float = 0.15
    """What the cosines of users and items are divided by in the loss."""
    negatives: int = 256
    """Items drawn for each batch, uniform and shared; those a user has taken do not count."""
    epochs: int = 40
    """Times each pair is seen, at most."""
    patience: int = 5
    """Epochs without a better validation, where there is one; 0 goes on to the end."""
    batch: int = 4096
    """Pairs of user and item for each step."""
    learning_rate: float = 0.01
    """Of Adam; falls to a tenth along a cosine."""
    weight_decay: float = 0.0
    """Of Adam, decoupled."""
    behaviours: Behaviours = "target"
    """Which events are edges and are learnt."""

    def __post_init__(self) -> None:
        check_bounds(
            self, "gnn", "depth", "width", "heads", "negatives", "epochs", "batch", least=1
        )
        check_bounds(self, "gnn", "temperature", "learning_rate", above=0)
        check_bounds(self, "gnn", "neighbours", "patience", "weight_decay", least=0)
        if self.neighbours and KINDS[self.layer].symmetric:
            raise ConfigError(
                f"gnn: layer {self.layer} weighs an edge by both degrees: it hears all neighbours",
                hint="set model.neighbours to 0, or model.layer to sage-gcn",
            )

        if KINDS[self.layer].attends and self.width % self.heads:
            raise ConfigError(
                f"gnn: {self.heads} heads cannot share a width of {self.width}",
                hint="set model.heads to a divisor of model.width",
            )

    def learner(self, train: Dataset, *, seed: int = 0) -> "GNNLearner":
        """What training starts from."""
        from grapevine.models.gnn.learner import GNNLearner

        return GNNLearner(self, train, seed=seed)
