"""Where the targets came and what was shown, in one pass over the scores."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numba
import numpy as np
from jaxtyping import Bool, Float32, Int32, Int64, UInt8

from grapevine.core.kernels import pieces
from grapevine.core.kernels.insert import insert
from grapevine.core.topk import Placement, check_rows, not_a_number
from grapevine.structs.jagged import Jagged
from grapevine.structs.products import Products
from grapevine.structs.ranking import Ranking

CHUNK = 1024
"""Scores looked at together: four KiB stay in the first-level cache while they are counted."""


SHARES = 4
"""Parts of a block that each thread is given."""


def rank_targets(
    scores: Float32[np.ndarray, "queries items"] | Products,
    targets: Jagged,
    seen: Jagged,
    *,
    k: int,
    mask: Bool[np.ndarray, " items"] | None = None,
    name: str = "the model",
    first: int = 0,
    threads: int | None = None,
) -> Placement:
    """Place every target among the candidates of its query; see `rank_targets_reference`.

    Queries are shared out among threads and each is counted by one of them, so the result does
    not depend on their number. A broadcast of one row is read as one row. Products are multiplied
    out a piece at a time, by the thread that counts it: let BLAS have one thread meanwhile. The
    pieces are the same for any number of threads; within a product two equal items may differ in
    the last bit, as BLAS has it, and then do not tie.

    Raises:
        CheckFailed: a score is NaN.
        ValueError: there are not as many lists as rows, or an item row is out of range.
    """
    check_rows(scores.shape, targets, seen)
    num_queries, num_items = scores.shape
    allowed = np.ones(num_items, np.uint8) if mask is None else mask.astype(np.uint8)
    total = len(targets.values)
    greater, equal = np.empty(total, np.int32), np.empty(total, np.int32)
    num_candidates = np.empty(num_queries, np.int32)
    items = np.full((num_queries, k), -1, np.int32)
    best = np.full((num_queries, k), -np.inf, np.float32)
    bad = np.full(num_queries, -1, np.int64)
    filled = np.zeros(num_queries, np.int64)
    own = pieces.own_scores(scores, targets)

    base_count = int(allowed.sum())

    def work(start: int, stop: int) -> None:
        scratch = allowed.copy()
        for piece in pieces.cut(scores, start, stop):
            if isinstance(scores, Products):
                pieces.settle(piece, targets, own)
            _rank_rows(
                piece.rows, piece.first_row, piece.column, piece.start, piece.stop, scratch,
                allowed, base_count,
                targets.offsets, targets.values, own, seen.offsets, seen.values,
                greater, equal, num_candidates, items, best, filled, bad,
            )  # fmt: skip

    step = pieces.PIECE_QUERIES if isinstance(scores, Products) else 1
    _share(work, num_queries, threads or os.cpu_count() or 1, step)
    if (bad >= 0).any():
        query = int(np.flatnonzero(bad >= 0)[0])
        raise not_a_number(name, first + query, int(bad[query]))
    return Placement(greater, equal, num_candidates, Ranking(items, best))


def _share(work: Callable[[int, int], None], num_queries: int, threads: int, step: int) -> None:
    # Plain threads, since the kernel lets go of the interpreter: numba's own pool may not be
    # entered by two threads at once on every system. Several shares each, so that a thread that
    # the machine keeps waiting holds up little; all but the last a whole number of steps, so
    # that a product is cut up alike for any number of threads.
    steps = -(-num_queries // step)
    shares = min(steps, 1 if threads == 1 else SHARES * threads)
    places = np.linspace(0, steps, shares + 1).astype(int) * step
    edges = np.minimum(places, num_queries).tolist()
    if shares <= 1:
        work(0, num_queries)
    else:
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(work, edges[:-1], edges[1:]))


@numba.njit(cache=True, nogil=True)
def _rank_rows(
    rows: Float32[np.ndarray, "rows columns"],
    first_row: int,
    column: int,
    start: int,
    stop: int,
    allowed: UInt8[np.ndarray, " items"],
    base: UInt8[np.ndarray, " items"],
    base_count: int,
    target_offsets: Int64[np.ndarray, " queries_plus_one"],
    target_items: Int32[np.ndarray, " targets"],
    target_scores: Float32[np.ndarray, " targets"],
    seen_offsets: Int64[np.ndarray, " queries_plus_one"],
    seen_items: Int32[np.ndarray, " seen"],
    greater: Int32[np.ndarray, " targets"],
    equal: Int32[np.ndarray, " targets"],
    num_candidates: Int32[np.ndarray, " queries"],
    items: Int32[np.ndarray, "queries k"],
    best: Float32[np.ndarray, "queries k"],
    filled: Int64[np.ndarray, " queries"],
    bad: Int64[np.ndarray, " queries"],
) -> None:
    columns = rows.shape[1]
    k = items.shape[1]
    buffer = np.empty(CHUNK, np.float32)
    for query in range(start, stop):
        row = rows[query - first_row if first_row >= 0 else 0]
        wanted = target_items[target_offsets[query] : target_offsets[query + 1]]
        seen = seen_items[seen_offsets[query] : seen_offsets[query + 1]]
        above = greater[target_offsets[query] : target_offsets[query + 1]]
        beside = equal[target_offsets[query] : target_offsets[query + 1]]
        own = target_scores[target_offsets[query] : target_offsets[query + 1]]
        grown = _allow(allowed, wanted, seen)
        levels, places = _levels(own, allowed, wanted)
        if column == 0:
            num_candidates[query] = base_count + grown
            above[:] = -1
            beside[:] = 0
            above[places] = 0
            beside[places] = -1  # each target will meet itself
        least = levels[0] if len(levels) else np.float32(np.inf)
        lowest = best[query, k - 1] if k else np.float32(np.inf)
        for low in range(0, columns, CHUNK):
            size = min(CHUNK, columns - low)
            first = column + low
            nans, over, near = _load(
                buffer[:size], row[low : low + size], allowed[first : first + size], lowest, least
            )
            if nans:
                bad[query] = first + _first_nan(row[low : low + size])
                break
            if over:
                filled[query] = _insert(
                    buffer[:size], first, items[query], best[query], filled[query]
                )
                lowest = best[query, k - 1]
            if near:
                _count(buffer[:size], levels, places, above, beside)
        for item in wanted:
            if item >= 0:
                allowed[item] = base[item]
        for item in seen:
            allowed[item] = base[item]


@numba.njit(cache=True, nogil=True)
def _allow(
    allowed: UInt8[np.ndarray, " items"],
    wanted: Int32[np.ndarray, " wanted"],
    seen: Int32[np.ndarray, " seen"],
) -> int:
    """Mark the targets as allowed, then the seen as not; by how many the candidates grew."""
    grown = 0
    for item in wanted:
        if item >= 0 and not allowed[item]:
            allowed[item] = 1
            grown += 1
    for item in seen:
        if allowed[item]:
            allowed[item] = 0
            grown -= 1
    return grown


@numba.njit(cache=True, nogil=True)
def _levels(
    own: Float32[np.ndarray, " wanted"],
    allowed: UInt8[np.ndarray, " items"],
    wanted: Int32[np.ndarray, " wanted"],
) -> tuple[Float32[np.ndarray, " found"], Int64[np.ndarray, " found"]]:
    """Scores of the targets that can be found, rising, and the place of each."""
    levels = np.empty(len(wanted), np.float32)
    places = np.empty(len(wanted), np.int64)
    found = 0
    for place in range(len(wanted)):
        item = wanted[place]
        if item >= 0 and allowed[item] and own[place] > -np.inf:
            levels[found] = own[place]
            places[found] = place
            found += 1
    if found > 1:
        order = np.argsort(levels[:found])
        return levels[:found][order], places[:found][order]
    return levels[:found], places[:found]


@numba.njit(cache=True, nogil=True)
def _load(
    buffer: Float32[np.ndarray, " size"],
    row: Float32[np.ndarray, " size"],
    allowed: UInt8[np.ndarray, " size"],
    lowest: np.float32,
    least: np.float32,
) -> tuple[np.int32, np.int32, np.int32]:
    """Copy a chunk with -inf for what is not allowed, and count what is worth a second look.

    Counting in integers, without a branch, lets the compiler take 8 or 16 scores at a time.
    """
    nans, over, near = np.int32(0), np.int32(0), np.int32(0)
    for j in range(len(buffer)):
        score = row[j]
        nans += np.int32(score != score)
        score = score if allowed[j] else np.float32(-np.inf)
        buffer[j] = score
        over += np.int32(score > lowest)
        near += np.int32(score >= least)
    return nans, over, near


@numba.njit(cache=True, nogil=True)
def _first_nan(row: Float32[np.ndarray, " size"]) -> int:
    for j in range(len(row)):
        if np.isnan(row[j]):
            return j
    return -1


@numba.njit(cache=True, nogil=True)
def _count(
    buffer: Float32[np.ndarray, " size"],
    levels: Float32[np.ndarray, " found"],
    places: Int64[np.ndarray, " found"],
    above: Int32[np.ndarray, " wanted"],
    beside: Int32[np.ndarray, " wanted"],
) -> None:
    """Count for each target the scores above it and beside it, the lowest target first."""
    for t in range(len(levels)):
        level = levels[t]
        more, same = np.int32(0), np.int32(0)
        for j in range(len(buffer)):
            more += np.int32(buffer[j] > level)
            same += np.int32(buffer[j] == level)
        if more + same == 0:
            break  # nothing here reaches this target, so nothing reaches a higher one
        above[places[t]] += more
        beside[places[t]] += same


@numba.njit(cache=True, nogil=True)
def _insert(
    buffer: Float32[np.ndarray, " size"],
    low: int,
    items: Int32[np.ndarray, " k"],
    best: Float32[np.ndarray, " k"],
    filled: int,
) -> int:
    """Insert what beats the k-th score; a later item goes behind its equals, so ties stay put."""
    k = len(items)
    for j in range(len(buffer)):
        score = buffer[j]
        if score > best[k - 1]:
            insert(items, best, low + j, score, min(filled, k - 1))
            filled = min(filled + 1, k)
    return filled
