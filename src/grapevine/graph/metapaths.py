"""Samples and walks along meta-paths: user, click, item, bought by, user, and so on.

AliGraph (Zhu et al., PVLDB 2019, section 3.3) samples the neighbourhood of a batch so, hop by hop,
each with a fan-out of its own; metapath2vec (Dong et al., KDD 2017, eq. 3) and GATNE walk so.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int32, Int64, UInt64
from numba import njit

from grapevine.graph.counter import mix
from grapevine.graph.links import How, Links, node_keys


@dataclass(frozen=True, slots=True)
class Hop:
    """One step of a meta-path.

    Attributes:
        links: along which relation.
        width: neighbours of each node; None for all that it has.
        how: which, where not all.
    """

    links: Links
    width: int | None
    how: How = "weighted"


def fan_out(
    starts: Int64[np.ndarray, " starts"], hops: Sequence[Hop], *, seed: int
) -> tuple[Int32[np.ndarray, "..."], ...]:
    """The nodes of each level, `(starts,)`, `(starts, width)`, `(starts, width, width)`, ...

    Nobody is -1, and has nobody. A node that is met twice in a level draws the same both times,
    and what it draws depends on (seed, level, node, place) alone.

    Args:
        starts: rows of the nodes that are asked for.
        hops: in order.
        seed: names the draws.

    Raises:
        ValueError: a relation does not start at the type where the one before it ended.
    """
    check_path([one.links for one in hops])
    levels = [starts.astype(np.int32)]
    for depth, hop in enumerate(hops):
        rows = levels[-1].ravel().astype(np.int64)
        if hop.width is None:
            found = hop.links.all_of(rows)
        else:
            key = mix(np.uint64(seed), np.uint64(depth))
            found = hop.links.draw(rows, hop.width, hop.how, key=np.uint64(key))
        levels.append(found.reshape(*levels[-1].shape, found.shape[1]))
    return tuple(levels)


def walks(
    path: Sequence[Links],
    starts: Int64[np.ndarray, " walks"],
    length: int,
    seed: int,
    *,
    first: int = 0,
) -> Int32[np.ndarray, "walks nodes"]:
    """Walks along a meta-path, over and over; -1 from where there is no way on.

    Args:
        path: a relation for each step, which ends at the type that it started from. An edge is
            taken in proportion to its weight.
        starts: node that each walk starts from.
        length: nodes of a walk.
        seed: names the draws.
        first: number of the first walk. Walk n is the same whichever others are asked for.

    Raises:
        ValueError: the path is not one, or does not end where it starts.
    """
    check_path(path, closed=True)
    out = np.empty((len(starts), length), np.int32)
    out[:, 0] = starts
    keys = _walk_keys(node_keys(np.uint64(seed), starts), np.uint64(first))
    for step in range(length - 1):
        rows = out[:, step].astype(np.int64)
        out[:, step + 1] = path[step % len(path)].follow(rows, keys, first=step)[:, 0]
    return out


def near_in_walks(
    walked: Int32[np.ndarray, "walks nodes"], window: int
) -> Int64[np.ndarray, "pairs 2"]:
    """Each node of a walk with each within so many steps of it: what skip-gram learns from.

    A node is not paired with itself, where a walk came back to it.
    """
    pairs: list[np.ndarray] = []
    for apart in range(1, min(window, walked.shape[1] - 1) + 1):
        one, two = walked[:, :-apart].ravel(), walked[:, apart:].ravel()
        pairs += [np.stack([one, two], 1), np.stack([two, one], 1)]
    found = np.concatenate(pairs or [np.empty((0, 2))]).astype(np.int64)
    return found[(found >= 0).all(1) & (found[:, 0] != found[:, 1])]


def check_path(path: Sequence[Links], *, closed: bool = False) -> None:
    """Hold that each relation starts where the one before it ends.

    Raises:
        ValueError: one does not, or a closed path does not come back.
    """
    if not path:
        raise ValueError("a meta-path has one relation or more")
    after = [*path[1:], *([path[0]] if closed else [])]
    for place, (one, two) in enumerate(zip(path, after)):
        if one.target != two.source:
            raise ValueError(
                f"relation {place} of the path ends at type {one.target}, and the next one starts "
                f"at type {two.source}"
            )


@njit(nogil=True, cache=True)
def _walk_keys(keys: UInt64[np.ndarray, " walks"], first: np.uint64) -> np.ndarray:
    """The key of each walk, by its start and its number."""
    out = np.empty(len(keys), np.uint64)
    for walk in range(len(keys)):
        out[walk] = mix(keys[walk], first + np.uint64(walk))
    return out
