"""Personalised PageRank of items: where a walk that keeps starting over at an item spends its time.

With restart probability a and P one double hop item -> context -> item, edges taken in proportion
to their weights, the score of v for u is `sum over k of a (1 - a)^k P^k(u, v)`: the start counts as
a visit. `exact` finds it by power iteration, slowly; `push` leaves out what is too small to matter,
and says how far off it can be; `ppr_table` finds the best few of every item at once.
"""

import numpy as np
from jaxtyping import Float32, Float64, Int32, Int64
from scipy.sparse import csr_matrix, diags

from grapevine.graph.hearsay import context_lists, item_lists
from grapevine.graph.push import push_all, rank_all
from grapevine.graph.shares import shares
from grapevine.log import logger
from grapevine.random import stream
from grapevine.structs.bipartite import Bipartite
from grapevine.structs.jagged import Jagged, offsets_of
from grapevine.structs.neighbour_table import NeighbourTable


def exact(
    graph: Bipartite,
    rows: Int64[np.ndarray, " rows"],
    *,
    restart: float = 0.5,
    tolerance: float = 1e-9,
) -> Float64[np.ndarray, "rows items"]:
    """Scores of all items for each row, the row itself among them; dense, so for few rows.

    Args:
        graph: items and contexts.
        rows: items to start from; one without contexts keeps what it has.
        restart: a, above 0.
        tolerance: the scores of a row lack at most so much in sum.

    Raises:
        ValueError: restart is 0 or above 1, tolerance is not above 0, or a row is out of range.
    """
    _check(restart, tolerance)
    there = _stochastic(graph.contexts, graph.item_weights, graph.num_contexts).T.tocsr()
    back = _stochastic(graph.items, graph.context_weights, graph.num_items).T.tocsr()
    left_IR = np.zeros((graph.num_items, len(rows)))
    left_IR[graph.rows_of(rows), np.arange(len(rows))] = 1.0
    scores_IR, left = restart * left_IR, 1.0
    while left > tolerance:
        left_IR = (1.0 - restart) * (back @ (there @ left_IR))
        scores_IR += restart * left_IR
        left *= 1.0 - restart
    return scores_IR.T


LEAST = 1e-20
"""Tolerance that float32 can still tell from nothing."""


def _check(restart: float, tolerance: float = 1.0) -> None:
    """Without a restart, mass would move on for ever."""
    if not 0 < restart <= 1 or not tolerance >= LEAST:
        raise ValueError(
            f"restart must lie in (0, 1] and tolerance be {LEAST:g} or more: "
            f"got {restart} and {tolerance}"
        )


def _stochastic(lists: Jagged, weights: np.ndarray | None, columns: int) -> csr_matrix:
    """Rows that sum to 1, but those without an edge."""
    values = np.ones(len(lists.values)) if weights is None else weights.astype(np.float64)
    matrix = csr_matrix((values, lists.values, lists.offsets), shape=(len(lists), columns))
    totals = np.asarray(matrix.sum(axis=1)).ravel()
    return diags(1.0 / np.where(totals > 0, totals, 1.0)) @ matrix


def push(
    graph: Bipartite,
    rows: Int64[np.ndarray, " rows"],
    *,
    restart: float = 0.5,
    tolerance: float = 1e-6,
) -> Float32[np.ndarray, "rows items"]:
    """Scores from below, dense: none is lower than the exact one by more than `tolerance x degree`.

    Mass waits at an item until there is more of it than tolerance times the degree of the item (or
    the weight of its edges), and then moves on. Walks along edges without direction are reversible,
    `d(u) p(u, v) = d(v) p(v, u)`: what still waits would add at most tolerance times d(v) to v.

    Args:
        graph: items and contexts.
        rows: items to start from.
        restart: a, above 0.
        tolerance: above 0; smaller is nearer and takes longer.

    Raises:
        ValueError: as for `exact`.
    """
    _check(restart, tolerance)
    out = np.zeros((len(rows), graph.num_items), np.float32)
    push_all(shares(graph), graph.rows_of(rows), np.float32(restart), np.float32(tolerance), out)
    return out


def ranked(
    graph: Bipartite,
    rows: Int64[np.ndarray, " rows"],
    *,
    most: int,
    restart: float = 0.5,
    tolerance: float = 1e-4,
) -> Jagged:
    """For each row, items by falling score, without the row itself; ties to the lower row.

    Items that no mass has reached are left out, so a list may be shorter than `most`. Mass that
    still waits is taken to be spread by degree, as it would be in the end.

    Args:
        graph: items and contexts.
        rows: items to start from.
        most: length of the longest list.
        restart: a, above 0.
        tolerance: as for `push`; smaller reaches more items.

    Raises:
        ValueError: as for `exact`.
    """
    _check(restart, tolerance)
    most = min(most, graph.num_items)
    out = np.empty((len(rows), most), np.int32)
    lengths = np.zeros(len(rows), np.int64)
    asked = graph.rows_of(rows)
    rank_all(shares(graph), asked, np.float32(restart), np.float32(tolerance), out, lengths)
    return Jagged(offsets_of(lengths), out[np.arange(most) < lengths[:, None]])


def ppr_table(
    graph: Bipartite,
    *,
    width: int = 20,
    restart: float = 0.5,
    shared: int = 32,
    rounds: int = 1,
    rows: Int64[np.ndarray, " rows"] | None = None,
    check: int = 0,
) -> NeighbourTable:
    """The best items of each item by personalised PageRank, without a draw.

    The first double hop is exact; what follows is heard from lists that the contexts keep
    (`graph.hearsay`).

    Args:
        graph: items and contexts; cap its hubs first, for an item costs the sum of the degrees of
            its contexts.
        width: T, the most neighbours of an item.
        restart: a, in (0, 1].
        shared: length of the lists that are passed on; longer is nearer. 0 leaves them out: beyond
            the first double hop, walks are then taken to be anywhere, by degree.
        rounds: how often they are passed on, a double hop each time. One is enough where that
            reaches far; a sparse graph wants more.
        rows: items whose neighbours are wanted, one row of the table each; None for all.
        check: log the overlap with the exact table on a sample of so many items; 0 for none.

    Raises:
        ValueError: width is below 1, restart is 0 or above 1, or a row is out of range.
    """
    _check(restart)
    if width < 1:
        raise ValueError(f"width must be 1 or more: got {width}")
    wanted = graph.rows_of(rows)
    edges, first = shares(graph), np.float32(restart)
    heard = _blank(graph.num_contexts, shared)
    hearers = np.arange(graph.num_items)
    for _ in range(rounds if shared else 0):
        told = _blank(graph.num_items, shared)
        item_lists(edges, hearers, first, *heard, False, *told)
        context_lists(edges, *told, *heard)
    out = _blank(len(wanted), width)
    item_lists(edges, wanted, first, *heard, True, *out)
    table = NeighbourTable(*out)
    if check:
        some = stream(0, "overlap").choice(len(wanted), min(check, len(wanted)), replace=False)
        part = NeighbourTable(table.nodes[some], table.weights[some])
        share = overlap(part, exact_table(graph, wanted[some], width=width, restart=restart))
        logger.info("top %d shares %.3f with the exact one (%d items)", width, share, len(some))
    return table


def _blank(
    rows: int, width: int
) -> tuple[Int32[np.ndarray, "rows width"], Float32[np.ndarray, "rows width"]]:
    return np.full((rows, width), -1, np.int32), np.zeros((rows, width), np.float32)


def exact_table(
    graph: Bipartite,
    rows: Int64[np.ndarray, " rows"],
    *,
    width: int = 20,
    restart: float = 0.5,
) -> NeighbourTable:
    """The rows of the exact table, some at a time: what `ppr_table` and long walks come near to."""
    nodes, weights = _blank(len(rows), width)
    for start in range(0, len(rows), 64):
        part = slice(start, start + 64)
        scores = exact(graph, rows[part], restart=restart)
        scores[np.arange(len(scores)), rows[part]] = 0.0
        # Rounding must not decide between items whose scores are equal.
        order = np.argsort(-scores.round(12), axis=1, kind="stable")[:, :width]
        best = np.take_along_axis(scores, order, axis=1)
        best[best < 1e-12] = 0.0
        nodes[part, : order.shape[1]] = np.where(best > 0, order, -1)
        total = best.sum(axis=1, keepdims=True)
        weights[part, : order.shape[1]] = best / np.where(total > 0, total, 1.0)
    return NeighbourTable(nodes, weights)


def overlap(table: NeighbourTable, truth: NeighbourTable) -> float:
    """Share of the neighbours in `truth` that the table has too, mean over rows that have any."""
    shares_found = [
        np.isin(wanted[wanted >= 0], got).mean()
        for got, wanted in zip(table.nodes, truth.nodes)
        if (wanted >= 0).any()
    ]
    return float(np.mean(shares_found)) if shares_found else 1.0
