"""What a page draws of a model: who heard whom, the walks around an item, a map of all items."""

import threading
from copy import copy
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float32, Int32

from grapevine.errors import ConfigError
from grapevine.evaluation.pictures import FURTHER, NEIGHBOURS, flat
from grapevine.graph.neighbourhoods import importance_table
from grapevine.models.base import Walked
from grapevine.models.sequence.model import Reader
from grapevine.serving.engine.catalogue import Catalogue
from grapevine.serving.engine.histories import Heard
from grapevine.serving.engine.told import Teller
from grapevine.structs.bipartite import Bipartite
from grapevine.views.graph import bipartite


@dataclass(frozen=True, slots=True)
class Attention:
    """Who heard whom in a history.

    Attributes:
        item_ids: of each place; None where it stands for no item (a mask that asks, a return).
        titles: likewise.
        maps: `[layer, head, i, j]` is how much of place j place i heard: see `overhear.Overheard`.
    """

    item_ids: list[Any]
    titles: list[str]
    maps: Float32[np.ndarray, "layers heads places places"]


class Node(NamedTuple):
    """An item of a drawing."""

    item_id: Any
    title: str


class Edge(NamedTuple):
    """How much one item hears another: the share of its walks that met it, of those drawn."""

    source: Any
    target: Any
    weight: float


@dataclass(frozen=True, slots=True)
class Around:
    """The walks around an item: its neighbours, and theirs.

    Attributes:
        nodes: the item itself first.
        edges: between them.
        learnt: whether these are the walks that the model listens along, rather than walks over
            the run's events.
    """

    nodes: list[Node]
    edges: list[Edge]
    learnt: bool


@dataclass(frozen=True, slots=True)
class Map:
    """Where each item of the run lies, in the order of the catalogue, but for those deleted since.

    Attributes:
        places: `(items, 2)` the two directions in which their vectors differ most.
        category: `(items,)` the place of each one's category among the names; -1 for none.
        categories: the names.
    """

    places: Float32[np.ndarray, "items 2"]
    category: Int32[np.ndarray, " items"]
    categories: list[str]


class Pictures:
    """What can be drawn of one version; what takes long is made once.

    Args:
        teller: with a model that may be listened in on.
        catalogue: of the same run.
        vectors: of the items; None where the model has none.
    """

    def __init__(
        self,
        teller: Teller,
        catalogue: Catalogue,
        vectors: Float32[np.ndarray, "items width"] | None,
    ) -> None:
        self.teller, self.run = teller, teller.run
        self.catalogue, self.vectors = catalogue, vectors
        self._lock = threading.Lock()
        # None for itself: a cycle would keep a model that was let go of until it is looked for.
        self._first: Pictures | None = None

    def over(self, teller: Teller, catalogue: Catalogue) -> "Pictures":
        """The same over a catalogue with more items; the map stays that of the run."""
        out = copy(self)
        out.teller, out.catalogue, out._first = teller, catalogue, self._first or self
        return out

    def attention(self, heard: Heard) -> Attention:
        """The maps of all layers and heads over one history.

        Raises:
            ConfigError: the model weighs no events, or knows nothing of these.
        """
        model = self.run.model
        with self.teller.lock:
            found = model.attention(heard.batch()) if isinstance(model, Reader) else None
        if found is None:
            raise ConfigError(
                f"{self.run.name} has no attention to show for this history",
                hint="sasrec, bert4rec, hstu and vine attend; the history must hold items they met",
            )
        rows = found.items.tolist()
        ids, titles = self.catalogue.ids, self.catalogue.titles
        return Attention(
            item_ids=[ids[row] if row >= 0 else None for row in rows],
            titles=[titles[row] if row >= 0 else "" for row in rows],
            maps=found.maps,
        )

    def around(self, row: int) -> Around:
        """The walks around an item, as the model listens to them, or over the run's events."""
        ring = self._ring(row)
        further = [node for node, _ in ring]
        heard = {row: ring} | dict(zip(further, self._hears(further, FURTHER)))
        gone = self.catalogue.hidden
        heard = {
            listener: [(node, weight) for node, weight in part if node not in gone]
            for listener, part in heard.items()
            if listener not in gone
        }
        ids, titles = self.catalogue.ids, self.catalogue.titles
        nodes = dict.fromkeys([*heard, *(node for part in heard.values() for node, _ in part)])
        return Around(
            nodes=[Node(ids[node], titles[node]) for node in nodes],
            edges=[
                Edge(ids[listener], ids[node], weight)
                for listener, part in heard.items()
                for node, weight in part
            ],
            learnt=isinstance(self.run.model, Walked),
        )

    def map(self) -> Map:
        """All items where their vectors put them.

        Raises:
            ConfigError: the model has no vectors.
        """
        with self._lock:
            found = (self._first or self)._map
        gone = sorted(self.catalogue.hidden)
        if not gone:
            return found
        # What was deleted is drawn no more; the others stay in their places.
        return Map(
            np.delete(found.places, gone, 0), np.delete(found.category, gone), found.categories
        )

    def _ring(self, row: int) -> list[tuple[int, float]]:
        """Whom an item hears; of one that came since, its nearest of kin."""
        placed, known = self.teller.placed, self.catalogue.known
        if row < known:
            return self._hears([row], NEIGHBOURS)[0]
        if placed is None:
            return []
        place = row - known
        kin = zip(placed.kin[place].tolist(), placed.shares[place].tolist())
        return [(node, share) for node, share in kin if share > 0][:NEIGHBOURS]

    @cached_property
    def _map(self) -> Map:
        if self.vectors is None:
            raise ConfigError(
                f"{self.run.name} has no vectors to make a map of",
                hint="models that have: als, bpr, lightgcn, pinsage, sasrec, vine and others",
            )
        places = flat(self.vectors).astype(np.float32)
        known = self.catalogue.known
        return Map(places, self.catalogue.category[:known], self.catalogue.categories)

    @cached_property
    def _graph(self) -> Bipartite:
        return bipartite(self.run.history)

    def _hears(self, rows: list[int], most: int) -> list[list[tuple[int, float]]]:
        """Whom each of these items hears, the most first."""
        model, wanted = self.run.model, np.array(rows, np.int64)
        if isinstance(model, Walked):
            nodes, weights = model.neighbours.nodes[wanted], model.neighbours.weights[wanted]
        else:
            with self._lock:
                table = importance_table(self._graph, width=most, rows=wanted)
            nodes, weights = table.nodes, table.weights
        return [
            [(int(node), float(weight)) for node, weight in zip(*pair) if node >= 0][:most]
            for pair in zip(nodes[:, :most], weights[:, :most])
        ]
