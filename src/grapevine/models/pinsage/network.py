"""The network of PinSage: features to a start, convolutions, a last look, and who asks."""

import math
from dataclasses import dataclass
from typing import cast

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn.functional import normalize, relu

from grapevine.core.blocks import Convolve
from grapevine.core.table import pool
from grapevine.encoders.fusion import ItemEncoder, Rows, Shapes
from grapevine.models.pinsage.alike import CONTENT
from grapevine.models.pinsage.attend import Attend
from grapevine.models.pinsage.config import Config

UNKNOWN = 0.0
"""The degree of an item that nobody has met, as features have it: the mean (`views.features`)."""

# n = nodes of the widest level, D = width, T = most neighbours, Q = questions, H = events of one


@dataclass(frozen=True, slots=True)
class Subgraph:
    """What a mini-batch needs of the graph, renumbered: see `graph.levels`.

    Attributes:
        rows: `(n,)` the item each node is; -1 for one that training had not.
        features: of each node.
        sizes: how many nodes each level has, the widest first.
        places: `(sizes[1], T)` neighbours as places; -1 where there are fewer.
        weights: `(sizes[1], T)` how much each counts.
    """

    rows: Int[Tensor, " n"]
    features: Rows
    sizes: tuple[int, ...]
    places: Int[Tensor, "heard width"]
    weights: Float[Tensor, "heard width"]


class Network(nn.Module):
    """Item vectors from features and neighbours, and a user's vector from those of its items.

    Args:
        config: the options.
        shapes: of the features.
        num_items: rows of the table of identities.
        num_behaviours: kinds of events that a history may hold.
        ordered: whether the order of a history means anything; if not, all places count alike.
    """

    def __init__(
        self,
        config: Config,
        shapes: Shapes,
        num_items: int,
        num_behaviours: int,
        ordered: bool = True,
    ) -> None:
        super().__init__()
        width = config.width
        self.config, self.shapes = config, shapes
        self.has_degree = shapes.degree
        # Where nothing is known of items but who met them, none can do without that.
        self.id_dropout = config.id_dropout if shapes.describe else 0.0
        self.new_share = config.new_share if shapes.describe else 0.0
        # What an item is about stands beside what is learnt, and says nothing twice.
        kinds = tuple(kind for kind in shapes.kinds if kind != f"vector.{CONTENT}")
        how = ItemEncoder.Config(width=width, hidden=config.hidden, kinds=kinds)
        self.encoder = how.build(shapes)
        self.ids = nn.Parameter(torch.randn(num_items, width) * 0.1) if config.ids else None
        self.convolutions = nn.ModuleList(_layer(config) for _ in range(config.layers))
        self.skips = config.skip and config.layers > 0
        self.first = nn.Linear(2 * width if self.skips else width, width)
        self.last = nn.Linear(width, width, bias=False)
        self.tells = CONTENT in shapes.vectors
        # The same for new items and for others, so that neither are the longer for it.
        weight = torch.tensor(math.log(config.content_weight))
        self.blend = nn.Parameter(weight) if self.tells else None
        halving = math.log(2) / config.half_life if config.half_life and ordered else 0.0
        counts = -halving * torch.arange(config.recent, dtype=torch.float32)
        self.place = nn.Parameter(counts, requires_grad=ordered)
        self.behaviour = nn.Parameter(torch.zeros(num_behaviours))

    @property
    def layers(self) -> list[Convolve | Attend]:
        """The convolutions, from the features up."""
        return [cast("Convolve | Attend", layer) for layer in self.convolutions]

    @property
    def out_width(self) -> int:
        """Of a vector: what is learnt, and what the item is about."""
        return self.config.width + self.shapes.vectors.get(CONTENT, 0)

    @property
    def said_width(self) -> int:
        """How much an item says to its neighbours: with attention, a key and a value."""
        return self.config.hidden * (2 if self.config.merge == "attention" else 1)

    def start(
        self,
        features: Rows,
        rows: Int[Tensor, " nodes"],
        new_N: Bool[Tensor, " nodes"] | None = None,
    ) -> Float[Tensor, "nodes width"]:
        """What each node holds before it has heard anyone.

        Args:
            features: of each node.
            rows: the item of training that each is; -1 for one that training had not.
            new_N: which are to be seen as if nobody had met them; none if not given.
        """
        known_N = rows >= 0
        if self.training:
            known_N = known_N & (torch.rand(len(rows)) >= self.id_dropout)
        if new_N is not None:
            known_N = known_N & ~new_N
            if self.has_degree:
                numbers = features["numbers"].clone()
                numbers[new_N, -1] = UNKNOWN
                features = {**features, "numbers": numbers}
        h_ND = self.encoder(features)
        if self.ids is None:
            return h_ND
        return h_ND + self.ids[rows.clamp_min(0)] * known_N[:, None]

    def finish(
        self,
        h_ND: Float[Tensor, "nodes width"],
        start_ND: Float[Tensor, "nodes width"],
        content_NC: Float[Tensor, "nodes content"] | None,
    ) -> Float[Tensor, "nodes whole"]:
        """`G2 ReLU(G1 h + g)`, and what the item is about beside it: the vector of each node.

        Args:
            h_ND: what the last convolution left.
            start_ND: what the same nodes held before the first one.
            content_NC: what each is about; None where it is not looked at.
        """
        seen = torch.cat([h_ND, start_ND], 1) if self.skips else h_ND
        z_ND = self.last(relu(self.first(seen)))
        if self.config.final_norm:
            z_ND = normalize(z_ND, dim=1)
        if content_NC is None or self.blend is None:
            return z_ND
        whole_ND = torch.cat([z_ND, content_NC * self.blend.exp()], 1)
        return normalize(whole_ND, dim=1) if self.config.final_norm else whole_ND

    def content(self, features: Rows, nodes: int) -> Float[Tensor, "nodes content"] | None:
        """What the first so many nodes are about; None where it is not looked at."""
        return features[f"vector.{CONTENT}"][:nodes] if self.tells else None

    def unmet(self, graph: Subgraph) -> Bool[Tensor, " nodes"] | None:
        """A draw of the nodes that a step of training takes for new; None where none ever is."""
        return torch.rand(len(graph.rows)) < self.new_share if self.new_share else None

    def forward(
        self, graph: Subgraph, new_N: Bool[Tensor, " nodes"] | None = None
    ) -> Float[Tensor, "asked width"]:
        """The vectors of the innermost level (Algorithm 2).

        Args:
            graph: the nodes, with their features.
            new_N: in training, which of them are to be seen as if nobody had met them.
        """
        places, weights = graph.places, graph.weights
        if new_N is not None:
            # Whom a node hears by walks, and whom by content, stand side by side.
            half, new_M1 = places.shape[1] // 2, new_N[: len(places), None]
            places = torch.where(new_M1, places[:, half:], places[:, :half])
            weights = torch.where(new_M1, weights[:, half:], weights[:, :half])
        h_ND = start_ND = self.start(graph.features, graph.rows, new_N)
        for convolve, size in zip(self.layers, graph.sizes[1:]):
            # A level is the front part of the one below: no node is looked up.
            heard = hear(
                convolve, convolve.message(h_ND), h_ND[:size], places[:size],
                weights[:size],
            )  # fmt: skip
            h_ND = convolve.update(h_ND[:size], heard)
        size = len(h_ND)
        return self.finish(h_ND, start_ND[:size], self.content(graph.features, size))

    def ask(
        self,
        z_ND: Float[Tensor, "nodes width"],
        asked_QH: Int[Tensor, "questions events"],
        behaviours_QH: Int[Tensor, "questions events"],
    ) -> Float[Tensor, "questions width"]:
        """The vector of each question: the mean of its items', by place and behaviour.

        Args:
            z_ND: vectors of items.
            asked_QH: rows of z, the latest event first; -1 where there are fewer than H.
            behaviours_QH: what each event was.
        """
        logits_QH = self.place[: asked_QH.shape[1]] + self.behaviour[behaviours_QH]
        # Far below zero, not infinite: the shares of an empty history must have a gradient.
        share_QH = logits_QH.masked_fill(asked_QH < 0, -1e9).softmax(1)
        return pool(z_ND, asked_QH, share_QH)


def _layer(config: Config) -> Convolve | Attend:
    if config.merge == "attention":
        return Attend(config.width, config.hidden, config.width)
    return Convolve(config.width, config.hidden, config.width, merge=config.merge)


def hear(
    layer: Convolve | Attend,
    said_NK: Float[Tensor, "nodes said"],
    own_MD: Float[Tensor, "receivers width"],
    nodes_MT: Int[Tensor, "receivers most"],
    weights_MT: Float[Tensor, "receivers most"],
) -> Float[Tensor, "receivers hidden"]:
    """What receivers hear in a layer, once everyone has spoken.

    Args:
        layer: a convolution or an attention.
        said_NK: what it made of the nodes of the level below.
        own_MD: what the receivers hold.
        nodes_MT: rows of said that each hears; -1 where there are fewer than T.
        weights_MT: how much each counts.
    """
    if isinstance(layer, Attend):
        return layer.hear(said_NK, own_MD, nodes_MT, weights_MT)
    return pool(said_NK, nodes_MT, weights_MT, layer.merge)
