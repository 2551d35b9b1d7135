"""How the graph leads from a thing that someone has to a thing that is recommended."""

from dataclasses import dataclass

import numpy as np

from grapevine.structs.jagged import Jagged
from grapevine.structs.neighbour_table import NeighbourTable


@dataclass(frozen=True, slots=True)
class Path:
    """The way from one item to another, along which a model heard of it.

    Attributes:
        share: of the walks that start at the one and go to its neighbours, how many end at the
            other; by way of a third item, the product of both steps; 0 where no walk led there.
        via: row of that third item; -1 where the walks went straight, or not at all.
    """

    share: float
    via: int = -1


def path(table: NeighbourTable, start: int, end: int) -> Path:
    """The strongest way of at most two steps, by the walks that the model itself listened to.

    Args:
        table: whom each item listens to: shares of the visits of its random walks.
        start: row of the item that someone has.
        end: row of the item that is recommended.
    """
    straight = table.weights[start][table.nodes[start] == end].sum()
    if straight > 0:
        return Path(float(straight))
    middle = table.nodes[start][table.nodes[start] >= 0]
    first = table.weights[start][table.nodes[start] >= 0]
    second = np.where(table.nodes[middle] == end, table.weights[middle], 0).sum(1)
    both = first * second
    if not len(both) or both.max() <= 0:
        return Path(0.0)
    best = int(both.argmax())
    return Path(float(both[best]), int(middle[best]))


def together(takers: Jagged, one: int, other: int) -> int:
    """How many contexts (people, baskets) hold both items: their shared neighbours.

    Args:
        takers: of each item, its context rows, each once.
        one: an item row.
        other: another.
    """
    return len(np.intersect1d(takers[one], takers[other], assume_unique=True))
