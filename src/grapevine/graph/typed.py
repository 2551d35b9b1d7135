"""Neighbours of several kinds in one table: so many by each kind of edge."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float32, Int32

from grapevine.structs.neighbour_table import NeighbourTable


def merged(tables: Sequence[NeighbourTable], quotas: Sequence[int]) -> NeighbourTable:
    """The first neighbours of each table, as many as its quota, in one table.

    Each kind counts alike: its neighbours within the quota share 1 among them, before a row as a
    whole is brought to sum to 1. A neighbour by several kinds stands once, with the sum.

    Args:
        tables: one for each kind of edge, over the same nodes.
        quotas: most neighbours of each kind; the width of the result is their sum.

    Raises:
        ValueError: tables and quotas do not pair up, or the tables have different nodes.
    """
    if len(tables) != len(quotas) or not tables or min(quotas) < 0:
        raise ValueError(f"one quota for each of {len(tables)} tables: got {list(quotas)}")
    if len({len(table) for table in tables}) > 1:
        raise ValueError(f"tables over the same nodes: got {[len(table) for table in tables]}")
    parts = [(table.nodes[:, :quota], table.weights[:, :quota])
             for table, quota in zip(tables, quotas)]  # fmt: skip
    nodes = np.concatenate([part for part, _ in parts], axis=1)
    return _ordered(*_once(nodes, np.concatenate([_even(part) for _, part in parts], axis=1)))


def _even(weights: Float32[np.ndarray, "rows width"]) -> Float32[np.ndarray, "rows width"]:
    """Rows that sum to 1, or 0 where they are empty."""
    totals = weights.sum(axis=1, keepdims=True)
    return weights / np.where(totals > 0, totals, 1)


def _once(
    nodes: Int32[np.ndarray, "rows width"], weights: Float32[np.ndarray, "rows width"]
) -> tuple[Int32[np.ndarray, "rows width"], Float32[np.ndarray, "rows width"]]:
    """Each node once in its row, with the sum of its weights; -1 in the place of the others."""
    order = np.argsort(nodes, axis=1, kind="stable")
    nodes = np.take_along_axis(nodes, order, axis=1)
    weights = np.take_along_axis(weights, order, axis=1)
    for column in range(nodes.shape[1] - 1):
        again = nodes[:, column] == nodes[:, column + 1]
        weights[again, column + 1] += weights[again, column]
        nodes[again, column], weights[again, column] = -1, 0
    return nodes, weights


def _ordered(
    nodes: Int32[np.ndarray, "rows width"], weights: Float32[np.ndarray, "rows width"]
) -> NeighbourTable:
    """By falling weight, then rising node, the empty places last."""
    last = np.where(nodes < 0, np.iinfo(np.int32).max, nodes)
    order = np.lexsort((last, -weights), axis=1)
    return NeighbourTable(
        np.take_along_axis(nodes, order, axis=1),
        _even(np.take_along_axis(weights, order, axis=1)),
    )
