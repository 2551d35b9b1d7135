"""Users, items and their attributes as one typed graph, heard by R-GCN or HGT.

What a step asks for must not stand in what it hears. So in each epoch some pairs of user and item
are taken back to one of their behaviours: the edges of that and of those after it (in the order of
the schema, and in time where there is one) are left out of the graph, and of them alone is asked,
by what is left: the pair's other behaviours, all other pairs whenever they were, the attributes. Of
a behaviour before the target no more is asked than of the target, but for the first thousand. When
all is learnt, everybody hears the whole graph. How often something was done is not heard.

U = users, I = items, N = nodes: users, items, then values of attributes; D = width
"""

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn
from torch.nn.functional import relu

from grapevine.core.edges import Edges
from grapevine.core.neighbourhoods import Adjacency
from grapevine.core.typed import HGT, RGCN, speakers
from grapevine.data.dataset import Dataset
from grapevine.data.interactions import Interactions
from grapevine.errors import unknown
from grapevine.models.cascade.config import Config
from grapevine.models.cascade.scorer import seeded
from grapevine.models.tables import Pairs
from grapevine.random import stream
from grapevine.structs.rising import holds, places
from grapevine.structs.typed_graph import TypedGraph
from grapevine.views.attributes import ROLES
from grapevine.views.typed import TypedView

FEW = 1000
"""Pairs of a behaviour that are always asked for in an epoch, if so many are hidden."""
LAST = np.iinfo(np.int64).max


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

    @property
    def spans(self) -> list[slice]:
        """Rows of the nodes that hear each relation."""
        offsets = self.graph.offsets
        return [slice(*offsets[one.target : one.target + 2]) for one in self.graph.relations]

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
        labels: `(2,)` names relations and values, so that no others begin from their rows.
        seed: of the start.
    """

    labels: Tensor

    def __init__(
        self, config: Config, graph: TypedGraph, labels: Int64[np.ndarray, " two"], *, seed: int
    ) -> None:
        super().__init__()
        self.register_buffer("labels", torch.from_numpy(labels.copy()))
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
                h_ND = layer(h_ND, heard.relations, heard.spans)
                h_ND = relu(h_ND) if place < len(self.layers) - 1 else h_ND
            total_ND = total_ND + h_ND
        return (total_ND / (1 + len(self.layers)))[: len(x_ND)]


class Hiding:
    """The whole graph, and what is left of it when some pairs are asked for.

    Args:
        config: the options.
        train: the events and the tables of users and items.
        pairs: of each behaviour that is heard, by its place.
        rows: of these behaviours in the schema.
        seed: of what is drawn.

    Raises:
        ConfigError: `attributes` names what no table has.
    """

    def __init__(
        self, config: Config, train: Dataset, pairs: Mapping[int, Pairs], rows: Sequence[int],
        *, seed: int,
    ) -> None:  # fmt: skip
        self.config, self.pairs, self.seed = config, pairs, seed
        self.view = TypedView.of(train, use=_columns(config, train))
        whole = self.view.snapshot(before=None)
        behaviours = [one for row in rows for one in whole.relations[2 * row : 2 * row + 2]]
        known = whole.relations[2 * len(self.view.behaviours) :]
        self.whole = replace(whole, relations=(*behaviours, *known))
        self.keys = {place: one.users * one.num_items + one.items for place, one in pairs.items()}
        self.began = None
        if train.schema.clock != "none":
            self.began = {
                place: _began(train.interactions, row, self.keys[place])
                for place, row in zip(pairs, rows, strict=True)
            }

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

    @property
    def identity(self) -> str:
        """Names the attributes, and who has which."""
        digest = hashlib.blake2b(digest_size=16)
        for one in self.view.attributes:
            digest.update("\n".join((one.name, *one.kind.labels, "")).encode())
            for part in (one.values.offsets, one.values.values):
                digest.update(np.ascontiguousarray(part).data)
        return digest.hexdigest()

    @property
    def labels(self) -> Int64[np.ndarray, " two"]:
        """Names the relations and the values that are nodes, in their order."""
        names = [" ".join(one) for one in self.view.relations]
        names += [label for one in self.view.attributes for label in one.kind.labels]
        digest = hashlib.blake2b("\n".join(names).encode(), digest_size=16).digest()
        return np.frombuffer(digest, np.int64)

    def drawn(self, epoch: int, wanted: Collection[int]) -> tuple[dict[int, Pairs], Heard]:
        """What is asked for in an epoch, and what is heard meanwhile.

        Args:
            epoch: counted from 0.
            wanted: places of the behaviours that are asked for.
        """
        keys = self.keys
        every = np.unique(np.concatenate([keys[place] for place in wanted]))
        draw = stream(self.seed, "typed", epoch)
        chosen = every[draw.random(len(every)) < self.config.hidden]
        # Each is taken back to one of the behaviours that it has, all of them alike.
        has = np.stack([holds(one, chosen) for one in keys.values()], 1)
        nth = (draw.random(len(chosen)) * has.sum(1)).astype(np.int64)
        hides = has & (np.cumsum(has, 1) > nth[:, None])
        if self.began is not None:  # a view that came after the purchase tells of it, too
            # A pair that is not there has the place -1, where none began.
            when = np.stack([self.began[at][places(one, chosen)] for at, one in keys.items()], 1)
            first = np.where(hides, when, LAST).min(1, keepdims=True, initial=LAST)
            hides |= has & (when >= first)
        asked, relations = dict[int, Pairs](), list(self.whole.relations)
        for column, (place, one) in enumerate(self.pairs.items()):
            hidden = holds(chosen[hides[:, column]], keys[place])
            asked[place] = _some(one, np.flatnonzero(hidden))
            # Edges stand by user, then item, either way: as pairs do.
            for at in (2 * column, 2 * column + 1):
                relations[at] = relations[at].where(~hidden)
        # Clicks are many times as many as purchases, and most of what a step costs.
        most = max(len(asked[max(asked)].users), FEW)
        for place, one in asked.items():
            if len(one.users) > most:
                asked[place] = _some(one, np.sort(draw.permutation(len(one.users))[:most]))
        return asked, Heard.of(replace(self.whole, relations=tuple(relations)), self.config.encoder)


def _columns(config: Config, train: Dataset) -> list[str]:
    """The columns that are meant, by name or by role, in the tables that there are.

    Raises:
        ConfigError: one is neither a role nor such a column.
    """
    tables = [(train.schema.items, train.item_table)]
    if train.user_table is not None:
        tables.append((train.schema.users, train.user_table))
    found = [
        (column, role)
        for columns, table in tables
        for column, role in columns.items()
        if role in ROLES and column in table.columns
    ]
    names = {name for name, _ in found}
    for one in config.attributes:
        if one not in ROLES and one not in names:
            raise unknown("role or column in model.attributes", one, [*ROLES, *names])
    return [name for name, role in found if {name, role} & {*config.attributes}]


def _began(
    events: Interactions, row: int, keys: Int64[np.ndarray, " pairs"]
) -> Int64[np.ndarray, " pairs_plus_one"]:
    """The place of each pair's first event of a behaviour among all events, and `LAST`.

    A user's events stand in their order, also where two were at the same time.
    """
    places_of = np.flatnonzero(events.behaviours == row)
    pairs = events.users[places_of] * np.int64(events.num_items) + events.items[places_of]
    met, first = np.unique(pairs, return_index=True)
    return np.append(places_of[first[places(met, keys)]], LAST)


def _some(pairs: Pairs, rows: Int64[np.ndarray, " some"]) -> Pairs:
    return replace(pairs, users=pairs.users[rows], items=pairs.items[rows])
