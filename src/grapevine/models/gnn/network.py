"""The network of GCN, mean GNN and GraphSAGE: a vector a node, and rounds of listening.

N = nodes: users, then items; M = nodes that hear, D = width
"""

from collections.abc import Sequence
from typing import Any, cast

import numpy as np
import torch
from jaxtyping import Float, Float32, Int, Int64
from torch import Tensor, nn
from torch.nn.functional import elu

from grapevine.core.additive import GAT, GATv2, Heard
from grapevine.core.blocks import Block, Layer, unit_length
from grapevine.core.edges import Edges
from grapevine.core.graph_transformer import GraphTransformer
from grapevine.core.kernels.memory import tensor_of
from grapevine.core.kernels.spmm import Sparse
from grapevine.core.listen import listen
from grapevine.core.neighbourhoods import (
    Adjacency,
    Table,
    bipartite,
    with_self_loops,
)
from grapevine.core.propagate import importance, symmetric_normalised
from grapevine.models.gnn.config import KINDS, Config
from grapevine.structs.jagged import Jagged

Rounds = Sequence[tuple[int, Heard]]
"""For each round, how many of the nodes hear (the first so many), and whom."""


class Network(nn.Module):
    """States of users and items after some rounds.

    ReLU stands between rounds and not after the last, so that vectors may point anywhere.

    Args:
        config: the options.
        num_nodes: N.
    """

    def __init__(self, config: Config, num_nodes: int) -> None:
        super().__init__()
        # Of a batch of sampled neighbours only the rows that it has met have a gradient.
        self.start = nn.Embedding(num_nodes, config.width, sparse=config.neighbours > 0)
        nn.init.normal_(self.start.weight, std=0.1)
        self.blocks = nn.ModuleList(
            block_of(config, active=round_ < config.depth - 1) for round_ in range(config.depth)
        )

    def forward(
        self, nodes_N: Int[Tensor, " nodes"] | None, heard: Rounds
    ) -> list[Float[Tensor, "_ width"]]:
        """What the nodes hold before the first round and after each.

        Args:
            nodes_N: the nodes whose vectors are looked up; all if not given.
            heard: for each round, how many nodes hear, and whom.
        """
        states = [self.start.weight if nodes_N is None else self.start(nodes_N)]
        for block, (size, neighbourhood) in zip(self.blocks, heard):
            states.append(block(states[-1], neighbourhood, torch.arange(size)))
        return states

    @property
    def last(self) -> nn.Module:
        """The layer of the last round."""
        return cast("Any", self.blocks)[-1].layer


class Attention(nn.Module):
    """A round of attention, bent between rounds as GAT is.

    Args:
        config: the options.
        active: whether it is bent.
    """

    def __init__(self, config: Config, *, active: bool) -> None:
        super().__init__()
        self.layer = attention_of(config)
        self.active, self.residual = active, config.residual

    def forward(
        self,
        h_ND: Float[Tensor, "nodes width"],
        neighbourhood: Heard,
        centres_M: Int[Tensor, " receivers"],
    ) -> Float[Tensor, "receivers width"]:
        """As `Block`."""
        out = self.layer(h_ND, neighbourhood, centres_M)
        out = elu(out) if self.active else out
        return out + h_ND[centres_M] if self.residual else out


def attention_of(config: Config) -> nn.Module:
    """The layer of that name."""
    if config.layer == "graph-transformer":
        return GraphTransformer(config.width, heads=config.heads, norm="layer")
    make = GAT if config.layer == "gat" else GATv2
    return make(config.width, config.width // config.heads, heads=config.heads)


def block_of(config: Config, *, active: bool) -> nn.Module:
    """One round."""
    kind = KINDS[config.layer]
    if kind.attends:
        return Attention(config, active=active)
    norm = "l2" if kind.unit else "none"
    layer = layer_of(config, active=active)
    return Block(layer, config.width, norm=norm, residual=config.residual)


def layer_of(config: Config, *, active: bool) -> Layer:
    """One round of a layer without attention."""
    kind = KINDS[config.layer]
    return Layer(
        config.width,
        config.width,
        merge=kind.merge,
        hidden=config.width if kind.speaks else None,
        own=kind.own,
        active=active,
    )


def whole_graph(config: Config, items: Jagged, num_items: int) -> Adjacency | Edges:
    """Everyone with all its neighbours; item i is node `users + i`."""
    users = np.repeat(np.arange(len(items)), items.lengths)
    ends = torch.as_tensor(users), torch.as_tensor(items.values.astype(np.int64))
    graph = bipartite(*ends, len(items), num_items)
    kind = KINDS[config.layer]
    if kind.attends:
        return Edges.of(with_self_loops(graph), graph.num_nodes)
    return Adjacency.of(
        with_self_loops(graph) if kind.loops else graph,
        symmetric_normalised if kind.symmetric else importance,
    )


def drawn_neighbours(config: Config, places_MT: Int[Tensor, "receivers most"], size: int) -> Table:
    """The first so many nodes with the neighbours drawn for them; with themselves in loops."""
    places_MT = places_MT[:size]
    if KINDS[config.layer].loops:
        places_MT = torch.cat([torch.arange(size, dtype=places_MT.dtype)[:, None], places_MT], 1)
    return Table(places_MT, torch.ones(places_MT.shape))


@torch.no_grad()
def hear_histories(
    config: Config,
    layer: Layer,
    said_ID: Float32[np.ndarray, "items width"],
    own_D: Float32[np.ndarray, " width"],
    degrees_I: Int64[np.ndarray, " items"],
    histories: Jagged,
) -> Float32[np.ndarray, "histories width"]:
    """The last round for someone new: the same layer, with a state to start from.

    Args:
        config: the options.
        layer: of the last round.
        said_ID: what each item says in it.
        own_D: what each listener holds before it.
        degrees_I: how many users each item has.
        histories: distinct items that each listener hears.
    """
    kind, lengths = KINDS[config.layer], histories.lengths
    weights = np.ones(len(histories.values), np.float32)
    if kind.loops:
        weights /= np.repeat(lengths + 1, lengths)
    if kind.symmetric:  # 1 / sqrt(degree x degree), of which one side stands already
        weights *= np.sqrt(np.repeat(lengths + 1, lengths) / (degrees_I[histories.values] + 1))
    matrix = Sparse(histories, len(said_ID), weights.astype(np.float32))
    asked = Adjacency(matrix, matrix.transposed())
    said = tensor_of(said_ID)
    heard = listen(asked, said, "importance" if kind.loops else kind.merge)
    own = torch.as_tensor(own_D).expand(len(histories), -1)
    if kind.loops:
        heard = heard + own / torch.as_tensor(lengths + 1)[:, None]
    made = layer.update(own, heard)
    return unit_length(own + made if config.residual else made).numpy()


@torch.no_grad()
def attend_histories(
    config: Config,
    parameters: Float32[np.ndarray, " parameters"],
    held_ID: Float32[np.ndarray, "items width"],
    own_D: Float32[np.ndarray, " width"],
    histories: Jagged,
) -> Float32[np.ndarray, "histories width"]:
    """The last round of attention for someone new, who hears a history and itself.

    Args:
        config: the options.
        parameters: of the layer, one after another.
        held_ID: what each item holds before the round.
        own_D: what each listener holds before it.
        histories: distinct items that each listener hears.
    """
    layer = attention_of(config).eval()
    nn.utils.vector_to_parameters(tensor_of(parameters), layer.parameters())
    items, count = len(held_ID), len(histories)
    centres = torch.arange(items, items + count)
    listeners = np.repeat(np.arange(count), histories.lengths)
    edges = Edges.from_pairs(
        np.concatenate([histories.values.astype(np.int64), centres.numpy()]),
        np.concatenate([listeners, np.arange(count)]),
        count,
        items + count,
    )
    own = torch.as_tensor(own_D).expand(count, -1)
    made = layer(torch.cat([tensor_of(held_ID), own]), edges, centres)
    return unit_length(own + made if config.residual else made).numpy()
