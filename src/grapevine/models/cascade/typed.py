"""Users, items and their attributes as one typed graph, heard by R-GCN or HGT.

What a step asks for must not stand in what it hears. So in each epoch some pairs of user and item
are taken back to a point of what was done: from there on their edges are left out of the graph, and
they alone are asked for, from what came before (spared behaviours of the pair, all other pairs, the
attributes). When all is learnt, everybody hears the whole graph.

U = users, I = items, N = nodes: users, items, then values of attributes; D = width
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn.functional import relu

from grapevine.core.edges import Edges
from grapevine.core.neighbourhoods import Adjacency
from grapevine.core.typed import HGT, RGCN, speakers
from grapevine.data.dataset import Dataset
from grapevine.models.cascade.config import Config
from grapevine.models.cascade.scorer import seeded
from grapevine.models.tables import Pairs
from grapevine.random import stream
from grapevine.structs.rising import holds
from grapevine.structs.typed_graph import TypedGraph
from grapevine.views.attributes import ROLES
from grapevine.views.typed import TypedView


@dataclass(frozen=True, slots=True)
class Heard:
    """A typed graph in the form that the layers ask for.

    Attributes:
        graph: the nodes and relations.
        relations: who listens to whom by each, for R-GCN.
        edges: of all relations, for HGT.
    """

    graph: TypedGraph
    relations: tuple[Adjacency, ...] = ()
    edges: Edges | None = None

    @classmethod
    def of(cls, graph: TypedGraph, encoder: str) -> Self:
        """The graph for these layers."""
        if encoder == "hgt":
            return cls(graph, edges=speakers(graph))
        return cls(graph, relations=tuple(Adjacency.of(one.edges) for one in graph.relations))


class Typed(nn.Module):
    """Rounds of R-GCN or HGT; what a node holds at the end is the mean of all rounds.

    Args:
        config: the options.
        graph: whose types, relations and values of attributes there are.
        seed: of the start.
    """

    def __init__(self, config: Config, graph: TypedGraph, *, seed: int) -> None:
        super().__init__()
        seeded(seed, config.encoder)
        width = config.width
        self.values = nn.Embedding(graph.num_nodes - graph.offsets[2], width)
        nn.init.normal_(self.values.weight, std=config.spread)
        types = [(one.source, one.target) for one in graph.relations]
        self.layers = nn.ModuleList(
            HGT(width, types, graph.num_types, heads=config.heads)
            if config.encoder == "hgt"
            else RGCN(width, width, len(types), bases=config.bases)
            for _ in range(config.layers)
        )

    def forward(self, x_ND: Float[Tensor, "known width"], heard: Heard) -> Tensor:
        """What users and items hold afterwards.

        Args:
            x_ND: what they hold before.
            heard: who listens to whom.
        """
        h_ND = total_ND = torch.cat([x_ND, self.values.weight])
        for place, layer in enumerate(self.layers):
            if isinstance(layer, HGT):
                h_ND = layer(h_ND, heard.graph, heard.edges)
            else:
                h_ND = layer(h_ND, heard.relations)
                h_ND = relu(h_ND) if place < len(self.layers) - 1 else h_ND
            total_ND = total_ND + h_ND
        return (total_ND / (1 + len(self.layers)))[: len(x_ND)]


class TypedPairs:
    """The whole graph, and what is left of it when some pairs are asked for.

    Args:
        config: the options.
        train: the events and the tables of users and items.
        pairs: of each behaviour that is heard, by its place.
        rows: of these behaviours in the schema.
        seed: of what is drawn.
    """

    def __init__(
        self, config: Config, train: Dataset, pairs: Mapping[int, Pairs], rows: Sequence[int],
        *, seed: int,
    ) -> None:  # fmt: skip
        self.config, self.pairs, self.seed = config, pairs, seed
        columns = {**train.schema.users, **train.schema.items}
        there = {*columns, *columns.values(), *ROLES}
        use = [one for one in config.attributes if one in there]
        view = TypedView.of(train, use=use)
        whole = view.snapshot(before=None)
        behaviours = [one for row in rows for one in whole.relations[2 * row : 2 * row + 2]]
        known = whole.relations[2 * len(view.behaviours) :]
        self.view, self.whole = view, replace(whole, relations=(*behaviours, *known))

    @property
    def told(self) -> Bool[np.ndarray, " known"]:
        """Which users and items, in this order, have an attribute that is known."""
        users, items = self.view.events.num_users, self.view.events.num_items
        found = np.zeros(users + items, bool)
        for one in self.view.attributes:
            first = 0 if one.side == "user" else users
            lines = np.repeat(np.arange(len(one.values)), one.values.lengths)
            found[first + lines[one.values.values > 0]] = True
        return found

    def drawn(self, epoch: int) -> tuple[dict[int, Pairs], Heard]:
        """What is asked for in an epoch, and what is heard meanwhile."""
        num_items = next(iter(self.pairs.values())).num_items
        keys = {place: one.users * num_items + one.items for place, one in self.pairs.items()}
        every = np.unique(np.concatenate([*keys.values()]))
        draw = stream(self.seed, "typed", epoch)
        chosen = every[draw.random(len(every)) < self.config.hidden]
        # Each is taken back to one of the behaviours that it has, all of them alike.
        has = np.stack([holds(one, chosen) for one in keys.values()], 1)
        nth = (draw.random(len(chosen)) * has.sum(1)).astype(np.int64)
        hides = has & (np.cumsum(has, 1) > nth[:, None])
        asked, relations = dict[int, Pairs](), list(self.whole.relations)
        for column, (place, one) in enumerate(self.pairs.items()):
            hidden = holds(chosen[hides[:, column]], keys[place])
            asked[place] = replace(one, users=one.users[hidden], items=one.items[hidden])
            # Edges stand by user, then item, either way: as pairs do.
            for at in (2 * column, 2 * column + 1):
                relations[at] = relations[at].where(~hidden)
        return asked, Heard.of(replace(self.whole, relations=tuple(relations)), self.config.encoder)
