"""Networks for nodes of one graph, by the name of their layer."""

from dataclasses import dataclass
from typing import Literal, cast

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import dropout, elu, relu

from grapevine.config import check_bounds
from grapevine.core.additive import GAT, GATv2, Heard
from grapevine.core.bag import Bag, dropped, project
from grapevine.core.edges import Edges
from grapevine.core.graph_convolution import GraphConvolution, RandomPropagation
from grapevine.core.graph_transformer import GraphAttention, GraphTransformer
from grapevine.core.isomorphism import GIN
from grapevine.core.kernels.unit import unit_rows
from grapevine.core.neighbourhoods import Adjacency, with_self_loops
from grapevine.core.positions import flipped, laplacian
from grapevine.core.propagate import symmetric_normalised
from grapevine.errors import ConfigError
from grapevine.random import stream
from grapevine.structs.graph import Graph

LayerName = Literal["gcn", "mean", "gat", "gatv2", "attention", "graph-transformer", "gin", "grand"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Shape:
    """What a network is made of."""

    layer: LayerName = "gcn"
    """How nodes listen."""
    depth: int = 2
    """Layers, the last of which gives what is asked; of "grand" the steps of spreading."""
    width: int = 16
    """Of the states between layers; of each head in attention."""
    heads: int = 8
    """Of attention between layers, side by side."""
    last_heads: int = 1
    """Of the last layer, their mean."""
    drop: float = 0.5
    """Share of the states that is dropped in training."""
    drop_inputs: float = 0.5
    """Share of the features."""
    positions: int = 0
    """Eigenvectors of the Laplacian that tell "graph-transformer" and "gin" where a node stands."""
    drop_edges: float = 0.0
    """Share of the weights of attention; of "grand" the share of nodes that say nothing."""
    unit: bool = False
    """Whether states between layers of "gcn" and "mean" are scaled to length one, as GraphSAGE's
    are (Hamilton et al., NeurIPS 2017, algorithm 1, line 7)."""

    def __post_init__(self) -> None:
        check_bounds(self, "shape", "depth", "width", "heads", "last_heads", least=1)
        check_bounds(self, "shape", "drop", "drop_inputs", "drop_edges", least=0, most=1)
        if self.drop_edges and self.layer in ("gcn", "mean", "graph-transformer", "gin"):
            raise ConfigError(
                f"shape: drop_edges says nothing to {self.layer!r}",
                hint="set it to 0, or take an attention or grand",
            )
        if self.unit and (self.layer not in ("gcn", "mean") or self.depth == 1):
            raise ConfigError(
                f"shape: unit says nothing to {self.layer!r} of depth {self.depth}",
                hint="leave it out, or take mean of depth 2",
            )
        if self.positions and self.layer not in ("graph-transformer", "gin"):
            raise ConfigError(
                f"shape: positions say nothing to {self.layer!r}",
                hint="set it to 0, or take graph-transformer or gin",
            )


class Network(nn.Module):
    """Layers of listening, with dropout before and a bend after each but the last.

    Args:
        shape: the options.
        width: D, of the features.
        out: C, of what is asked.
    """

    def __init__(self, shape: Shape, width: int, out: int) -> None:
        super().__init__()
        self.shape = shape
        last = shape.depth - 1
        inside = shape.width * (shape.heads if shape.layer in ("gat", "gatv2", "attention") else 1)
        widths = [width, *[inside] * last, out]
        self.layers = nn.ModuleList(
            _layer(shape, *widths[place : place + 2], last=place == last)
            for place in range(shape.depth)
        )
        self.bend = elu if shape.layer in ("gat", "gatv2") else relu

    def forward(
        self, h_ND: Float[Tensor, "nodes width"] | Bag, neighbourhood: Heard
    ) -> Float[Tensor, "nodes out"]:
        """What is asked of each node."""
        first, *others = self.layers
        h: Tensor = first(dropped(h_ND, self.shape.drop_inputs, self.training), neighbourhood)
        for layer in others:
            h = self.bend(h)
            h = unit_rows(h) if self.shape.unit else h
            h = layer(dropout(h, self.shape.drop, self.training), neighbourhood)
        return h


class Stack(nn.Module):
    """A projection, layers that keep the width, and a projection to what is asked.

    Args:
        shape: the options; heads share the width.
        width: D, of the features.
        out: C, of what is asked.
        places_NP: where each node stands in the graph, added to what it holds; None for nowhere.
    """

    def __init__(
        self,
        shape: Shape,
        width: int,
        out: int,
        places_NP: Float[Tensor, "nodes positions"] | None = None,
    ) -> None:
        super().__init__()
        self.shape = shape
        self.enter, self.leave = nn.Linear(width, shape.width), nn.Linear(shape.width, out)
        self.register_buffer("places", places_NP, persistent=False)
        self.stand = None if places_NP is None else nn.Linear(places_NP.shape[1], shape.width)
        self.layers = nn.ModuleList(_keeping(shape) for _ in range(shape.depth))

    def forward(
        self, h_ND: Float[Tensor, "nodes width"] | Bag, neighbourhood: Heard
    ) -> Float[Tensor, "nodes out"]:
        """What is asked of each node."""
        h = project(self.enter, dropped(h_ND, self.shape.drop_inputs, self.training))
        if self.stand is not None:
            h = h + self.stand(self._seen())
        for layer in self.layers:
            h = layer(h, neighbourhood)
        return self.leave(dropout(h, self.shape.drop, self.training))

    def _seen(self) -> Float[Tensor, "nodes positions"]:
        """The sign of an eigenvector is chance: in training none is to be relied on."""
        places_NP = cast("Tensor", self.places)
        if not self.training:
            return places_NP
        return flipped(places_NP, stream(int(torch.randint(2**62, ())), "signs"))


def network_of(shape: Shape, graph: Graph, width: int, out: int) -> nn.Module:
    """The network of that shape for the nodes of a graph, from D features to C numbers."""
    if shape.layer in ("graph-transformer", "gin"):
        places = laplacian(graph, shape.positions) if shape.positions else None
        return Stack(shape, width, out, places)
    if shape.layer == "grand":
        return RandomPropagation(
            width,
            shape.width,
            out,
            hops=shape.depth,
            drop_nodes=shape.drop_edges,
            drop_inputs=shape.drop_inputs,
            drop=shape.drop,
        )
    return Network(shape, width, out)


def neighbourhood_of(shape: Shape, graph: Graph) -> Heard:
    """The form of a graph that its layers listen along; a node hears itself but in mean and GIN."""
    if shape.layer in ("mean", "gin"):
        return Adjacency.of(graph)
    looped = with_self_loops(graph)
    if shape.layer in ("gcn", "grand"):
        return Adjacency.of(looped, symmetric_normalised)
    return Edges.of(looped, graph.num_nodes)


def _layer(shape: Shape, width: int, out: int, *, last: bool) -> nn.Module:
    if shape.layer in ("gcn", "mean"):
        merge = "mean" if shape.layer == "mean" else "importance"
        return GraphConvolution(width, out, merge=merge, own=shape.layer == "mean")
    make = {"gat": GAT, "gatv2": GATv2, "attention": GraphAttention}[shape.layer]
    heads = shape.last_heads if last else shape.heads
    return make(
        width, out if last else out // heads, heads=heads, joined=not last, drop=shape.drop_edges
    )


def _keeping(shape: Shape) -> nn.Module:
    if shape.layer == "graph-transformer":
        return GraphTransformer(shape.width, heads=shape.heads, drop=shape.drop)
    wide = shape.width
    dense = nn.Sequential(nn.Linear(wide, wide), nn.ReLU(), nn.Linear(wide, wide), nn.ReLU())
    return GIN(dense, learnt=True)
