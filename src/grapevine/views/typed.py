"""Events and attributes as one graph of several types of nodes and several relations.

Users, items and the values of attributes are nodes. Every behaviour is two relations, one each way,
and so is every attribute: four behaviours are eight relations. An attribute is stored once, as a
node, however many users or items have it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import polars as pl
import torch
from jaxtyping import Int, Int64

from grapevine.data.dataset import Dataset
from grapevine.data.interactions import Interactions
from grapevine.errors import unknown
from grapevine.graph.links import Links
from grapevine.structs.graph import Graph
from grapevine.structs.rising import places
from grapevine.structs.typed_graph import Relation, TypedGraph
from grapevine.views.attributes import BANDS, Attribute, Side, attributes_of, chosen


@dataclass(frozen=True, kw_only=True)
class TypedView:
    """What a typed graph is made of; a graph of it is a snapshot, and there is no other.

    User u is node u, item i is node `offsets[1] + i`, and after these stand the values of each
    attribute, in the order of its labels. The rows stay the same from snapshot to snapshot.

    Attributes:
        events: what may be seen at all: training's.
        behaviours: names in the order of the schema.
        target: the one of them that is predicted.
        attributes: of users, then of items.
    """

    events: Interactions
    behaviours: tuple[str, ...]
    target: str
    attributes: tuple[Attribute, ...]

    @classmethod
    def of(
        cls,
        train: Dataset,
        *,
        use: Sequence[str] | None = None,
        buckets: int = 10,
        bands: Mapping[str, float] = BANDS,
        rare: int = 5,
    ) -> Self:
        """The view of a training set.

        Args:
            train: the events, and what is known of users and items.
            use: columns by name, or roles of `views.attributes.ROLES`; a name that is both is the
                column. All if not given; an empty list is for events alone.
            buckets: of a column of numbers, such as the price, with as many lines in each.
            bands: width of the bands of each column that is cut into these instead: ages by ten
                years, if not given.
            rare: a category that fewer lines have is one value with all that are as rare.

        Raises:
            ConfigError: `use` names what the tables have not.
        """
        tables: list[tuple[Side, pl.DataFrame, dict[str, str]]] = []
        if train.user_table is not None:
            tables.append(("user", train.user_table, train.schema.users))
        tables.append(("item", train.item_table, train.schema.items))
        columns = [one for _, table, roles in tables for one in roles.items() if one[0] in table]
        names = chosen(use, columns)
        found: list[Attribute] = []
        for side, table, roles in tables:
            found += attributes_of(
                side, table, roles, use=names, buckets=buckets, bands=bands, rare=rare
            )
        schema = train.schema
        return cls(
            events=train.interactions,
            behaviours=schema.behaviours,
            target=schema.target,
            attributes=tuple(found),
        )

    @property
    def types(self) -> tuple[str, ...]:
        """What each type of node is called."""
        return "user", "item", *(one.name for one in self.attributes)

    @property
    def offsets(self) -> tuple[int, ...]:
        """The rows of type t start at `offsets[t]` and end before `offsets[t + 1]`."""
        sizes = [self.events.num_users, self.events.num_items]
        sizes += [len(one.kind.labels) for one in self.attributes]
        return 0, *np.cumsum(sizes).tolist()

    @property
    def relations(self) -> tuple[tuple[str, str, str], ...]:
        """Source, name and target of each relation, in the order of the graph; `back` is reverse.

        The edges of `(user, click, item)` lead from users to items: the items hear.
        """
        names: list[tuple[str, str, str]] = []
        for one in self.behaviours:
            names += [("user", one, "item"), ("item", f"{one} back", "user")]
        for one in self.attributes:
            names += [(one.side, "has", one.name), (one.name, "has back", one.side)]
        return tuple(names)

    def snapshot(self, *, before: int | None) -> TypedGraph:
        """The graph of what had happened before a time.

        Events of the same user, item and behaviour are one edge of weight log(1 + count). What is
        known of users and items is not dated, so it is in every snapshot.

        Args:
            before: milliseconds since 1970; None for all events, which is right where the split
                let none into training that comes after a question.
        """
        events = self.events
        if before is not None:
            events = events.where(events.times < before)
        relations: list[Relation] = []
        for place in range(len(self.behaviours)):
            keys, counts = np.unique(self._keys(events.of(place)), return_counts=True)
            users, items = np.divmod(keys, max(events.num_items, 1))
            relations += self._both(0, users, 1, items, np.log1p(counts).astype(np.float32))
        for place, one in enumerate(self.attributes):
            lines = np.repeat(np.arange(len(one.values)), one.values.lengths)
            # Several rare tags of one line are the same value once.
            pairs = np.unique(np.stack([lines, one.values.values.astype(np.int64)]), axis=1)
            side = ("user", "item").index(one.side)
            relations += self._both(side, pairs[0], place + 2, pairs[1], None)
        return TypedGraph(self.offsets, tuple(relations))

    def without(
        self,
        graph: TypedGraph,
        users: Int[np.ndarray, " pairs"],
        items: Int[np.ndarray, " pairs"],
        *,
        behaviours: Sequence[str] | None = None,
    ) -> TypedGraph:
        """A snapshot without the edges of some pairs, either way: what a step asks for.

        An answer that stands in the graph, or whose reverse does, is read off and not learnt. The
        same pair's clicks before its purchase stay where only purchases are named; to hide them
        too, name all behaviours.

        Args:
            graph: a snapshot of this view.
            users: row of the user of each pair; -1 is nobody.
            items: row of the item of each pair; likewise.
            behaviours: whose edges go; the target's alone if not given.

        Raises:
            ConfigError: there is no such behaviour.
        """
        relations = list(graph.relations)
        known = (users >= 0) & (items >= 0)
        asked = np.unique(users[known].astype(np.int64) * self.events.num_items + items[known])
        for name in (self.target,) if behaviours is None else behaviours:
            if name not in self.behaviours:
                raise unknown("behaviour", name, self.behaviours)
            there = 2 * self.behaviours.index(name)
            edges = relations[there].edges
            items_from = self.offsets[1]
            keys = edges.senders * self.events.num_items + edges.receivers - items_from
            # Edges stand by user, then item, and those of both directions alike.
            found = places(keys.numpy(), asked)
            keep = np.ones(len(keys), np.bool_)
            keep[found[found >= 0]] = False
            for place in (there, there + 1):
                relations[place] = relations[place].where(keep)
        return replace(graph, relations=tuple(relations))

    def changed(self, *, since: int, before: int) -> Int64[np.ndarray, " nodes"]:
        """Rows of the users and items whose edges differ between two snapshots, rising.

        Args:
            since: time of the earlier one.
            before: time of the later one.
        """
        events = self.events.where((self.events.times >= since) & (self.events.times < before))
        return np.unique(np.concatenate([events.users, events.items + self.offsets[1]]))

    def links(self, graph: TypedGraph) -> dict[tuple[str, str, str], Links]:
        """Where the edges of each relation of a snapshot lead: what samplers and walks go along."""
        return {
            name: Links.from_pairs(
                one.edges.senders.numpy(),
                one.edges.receivers.numpy(),
                graph.num_nodes,
                None if one.edges.weights is None else one.edges.weights.numpy(),
                types=(one.source, one.target),
            )
            for name, one in zip(self.relations, graph.relations)
        }

    def _keys(self, events: Interactions) -> Int64[np.ndarray, " events"]:
        return events.users * events.num_items + events.items

    def _both(
        self,
        source: int,
        senders: Int64[np.ndarray, " edges"],
        target: int,
        receivers: Int64[np.ndarray, " edges"],
        weights: np.ndarray | None,
    ) -> list[Relation]:
        """The relation and its reverse, edge by edge in the same order."""
        there = torch.from_numpy(senders + self.offsets[source])
        here = torch.from_numpy(receivers + self.offsets[target])
        weigh = None if weights is None else torch.from_numpy(weights)
        nodes = self.offsets[-1]
        return [
            Relation(source, target, Graph(there, here, nodes, weigh)),
            Relation(target, source, Graph(here, there, nodes, weigh)),
        ]
