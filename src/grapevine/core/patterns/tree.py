"""A tree of spans over the places, fine near by and coarse far off (Ye et al., arXiv:1911.04070).

The nodes are the places, then the spans of two, of four, .. up to the root. A span hears its
places. A place hears itself and, on each side, as many nodes a level as are asked for, moving
outwards, so that what it hears tiles the sequence: length times the logarithm of the length is the
number of edges, and two turns reach everyone.

h = level, 0 for places; n_h = nodes of a level
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from jaxtyping import Int64

from grapevine.core.patterns.listed import Listed
from grapevine.structs.graph import Graph

Told = tuple[np.ndarray, np.ndarray, int, int]
"""Senders and receivers of some edges, their level, and which of its 2 k + 1 kinds they are."""


@dataclass(frozen=True, slots=True, eq=False)
class Tree:
    """A binary partition of the places, and who hears whom in it.

    Attributes:
        pattern: of all nodes, the places first; its types say level, side and nearness.
        first: `(nodes,)` the first place of each span.
        last: `(nodes,)` the last.
        num_types: of edges.
    """

    pattern: Listed
    first: Int64[np.ndarray, " nodes"]
    last: Int64[np.ndarray, " nodes"]
    num_types: int

    def __len__(self) -> int:
        return len(self.first)


@lru_cache(maxsize=16)
def binary_partition(
    length: int, near: int = 4, *, causal: bool = False, levels: int | None = None
) -> Tree:
    """The tree over a sequence.

    The type of an edge is `(2 k + 1) h + m`: m = 0 to a span of level h from its places, and from
    each place to itself; 2 i - 1 from the i-th on the left, 2 i on the right, in the turn of level
    h.

    Args:
        length: places, at least one.
        near: k, nodes heard a level and side.
        causal: whether nothing is heard of later places.
        levels: those above share their types; None for types of their own.
    """
    if length < 1 or near < 1:
        raise ValueError(f"a tree needs places and neighbours: got {length} and {near}")
    widths = [length]
    while widths[-1] > 1:
        widths.append(-(-widths[-1] // 2))
    sides = (-1,) if causal else (-1, 1)
    told = [*_upwards(widths), *(each for side in sides for each in _aside(widths, near, side))]
    height = len(widths) if levels is None else min(levels + 1, len(widths))
    types = [
        np.full(len(senders), (2 * near + 1) * min(level, height - 1) + kind)
        for senders, _, level, kind in told
    ]
    senders, receivers = (
        torch.as_tensor(np.concatenate([each[end] for each in told])) for end in (0, 1)
    )
    graph = Graph(senders, receivers, sum(widths))
    of_level = [np.arange(width) << h for h, width in enumerate(widths)]
    lasts = [np.minimum(first + (1 << h), length) - 1 for h, first in enumerate(of_level)]
    return Tree(
        Listed.of(graph, torch.as_tensor(np.concatenate(types))),
        np.concatenate(of_level),
        np.concatenate(lasts),
        (2 * near + 1) * height,
    )


def _upwards(widths: list[int]) -> Iterator[Told]:
    """Each place to itself, and to all spans that it is part of."""
    places, start = np.arange(widths[0]), 0
    for level, width in enumerate(widths):
        yield places, start + (places >> level), level, 0
        start += width


def _aside(widths: list[int], near: int, side: int) -> Iterator[Told]:
    """What all places hear of one side of them, level by level."""
    places, below, start = np.arange(widths[0]), 0, 0
    at = places + side  # the nearest node that is not heard yet, of the level whose turn it is
    kind = 1 if side < 0 else 2
    for level, width in enumerate(widths):
        heard = np.zeros(len(places), np.int64)
        if level:
            # Half of the span above is heard already where it reaches back: then its other half
            # is heard alone, and counts for one of this level.
            beyond = at % 2 == (0 if side < 0 else 1)
            half = beyond & _within(at, widths[level - 1])
            yield below + at[half], places[half], level, kind
            at = at // 2 + side * beyond
            heard += half
        for nth in range(near):
            some = (heard == nth) & _within(at, width)
            yield start + at[some], places[some], level, kind + 2 * nth
            at, heard = at + side * some, heard + some
        below, start = start, start + width


def _within(at: np.ndarray, width: int) -> np.ndarray:
    return (at >= 0) & (at < width)
