"""Ask a model every question of a holdout, in blocks, and place the targets."""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext

import numpy as np
from jaxtyping import Int32, Int64
from threadpoolctl import threadpool_limits

from grapevine.core.kernels.rank import rank_targets
from grapevine.core.topk import Placement
from grapevine.data.holdout import Holdout
from grapevine.evaluation import metrics
from grapevine.evaluation.candidates import ALL, Candidates, gather
from grapevine.evaluation.ranked import Ranked, distinct
from grapevine.evaluation.recorded import Recorded, asked_as
from grapevine.log import track
from grapevine.models.base import Factored, Model
from grapevine.structs.jagged import Jagged, gather_index, offsets_of
from grapevine.structs.products import Products
from grapevine.structs.ranking import Ranking

BLOCK_BYTES = 128 * 2**20
"""Size of a block of scores: see benchmarks/results/evaluation.md."""

BLOCK_QUERIES = 2048
"""Most questions put to a model at once, so that models of sequences need not cut them up."""


GLANCE = 16
"""Scores of a row that are looked at before the rest of it is."""


def rank_model(
    model: Model,
    holdout: Holdout,
    *,
    k: int = 10,
    candidates: Candidates = ALL,
    exclude_seen: bool = True,
    name: str = "the model",
    block_queries: int | None = None,
    popularity: Int64[np.ndarray, " items"] | None = None,
) -> Ranked:
    """Ask a model every question and place the targets among the candidates.

    Targets named twice in a query count once. What a query has already (`Holdout.had`) is left out,
    unless `exclude_seen` is false; a target among it is missed. A query of which the model says
    nothing, all its scores alike, is answered by popularity, as `recommend` and the service do.

    Args:
        model: scores every item of the training vocabulary.
        holdout: the questions.
        k: length of the lists.
        candidates: what competes.
        exclude_seen: leave out what the query has already done.
        name: what messages call the model.
        block_queries: questions asked at once; chosen by the number of items if not given. The
            result does not depend on it.
        popularity: training events of each item; without it all items tie where all scores do.

    Raises:
        CheckFailed: a score is NaN.
    """
    if isinstance(model, Recorded):
        return model.answers(asked_as(candidates.name, exclude_seen, holdout.unmet), holdout, name)
    targets = distinct(holdout.targets)
    lazy = isinstance(model, Factored) and candidates.everything
    # Products are never multiplied out whole, so that they need no small blocks.
    many = BLOCK_QUERIES if lazy else _block_queries(holdout.history.num_items)
    size = block_queries or many

    def placed(start: int, wanted: Jagged, seen: Jagged, scores: np.ndarray | Products) -> Ranked:
        lists = None if candidates.everything else candidates.lists(wanted, seen, start)
        ranked = _placed(scores, wanted, seen, lists, k, name, start)
        if popularity is None or not len(rows := _silent(scores)):
            return ranked
        known = np.broadcast_to(popularity.astype(np.float32), (len(rows), len(popularity)))
        lists = None if lists is None else lists.take(rows)
        answer = _placed(known, wanted.take(rows), seen.take(rows), lists, k, name, start)
        return _replaced(ranked, rows, answer)

    parts: list[Future[Ranked]] = []
    # One block is ranked while the next is scored, so that neither waits for the other. The
    # threads that rank multiply as well, each by itself.
    with ThreadPoolExecutor(1) as ranker, _one_thread_for_blas(model):
        for start, stop in track(list(_blocks(len(holdout), size)), name):
            batch = holdout.questions(start, stop)
            seen = holdout.had(batch) if exclude_seen else Jagged.empty(len(batch))
            scores = (
                model.products(batch)
                if lazy and isinstance(model, Factored)
                else model.score(batch)
            )
            if parts:
                parts[-1].result()  # at most two blocks of scores are kept
            parts.append(ranker.submit(placed, start, targets.slice(start, stop), seen, scores))
    return _joined([part.result() for part in parts], k)


def _placed(
    scores: np.ndarray | Products,
    wanted: Jagged,
    seen: Jagged,
    lists: Jagged | None,
    k: int,
    name: str,
    first: int,
) -> Ranked:
    """A block of queries, placed among all items or among their candidates."""
    if lists is None:
        found = rank_targets(scores, wanted, seen, k=k, name=name, first=first)
    else:
        columns, block, places = gather(np.asarray(scores), lists, wanted)
        none = Jagged.empty(len(wanted))
        found = rank_targets(block, places, none, k=k, name=name, first=first)
        found = _back_to_items(found, columns, lists.lengths)
    return Ranked(*_ranks(found, wanted), found.num_candidates, found.best)


def _silent(scores: np.ndarray | Products) -> Int64[np.ndarray, " rows"]:
    """The queries whose scores are all alike, so that they order nothing."""
    if isinstance(scores, Products):
        return np.flatnonzero(~scores.queries.any(axis=1))
    first = scores[:, :1]
    # Few rows are alike in their first items: the others need not be read.
    alike = np.flatnonzero((scores[:, :GLANCE] == first).all(axis=1) & np.isfinite(first[:, 0]))
    return alike[(scores[alike] == first[alike]).all(axis=1)]


def _replaced(ranked: Ranked, rows: Int64[np.ndarray, " rows"], answer: Ranked) -> Ranked:
    """The same with some queries placed otherwise; they have as many targets as before."""
    _, flat = gather_index(ranked.targets.offsets, rows)
    targets, ranks = ranked.targets.values.copy(), ranked.ranks.values.copy()
    items, scores = ranked.best.items.copy(), ranked.best.scores.copy()
    targets[flat], ranks[flat] = answer.targets.values, answer.ranks.values
    items[rows], scores[rows] = answer.best.items, answer.best.scores
    return Ranked(
        Jagged(ranked.targets.offsets, targets),
        Jagged(ranked.ranks.offsets, ranks),
        ranked.num_candidates,
        Ranking(items, scores),
        silent=len(rows),
    )


def _one_thread_for_blas(model: Model) -> AbstractContextManager[object]:
    return threadpool_limits(1, "blas") if isinstance(model, Factored) else nullcontext()


def measure(model: Model, holdout: Holdout, metric: str = "ndcg@10", **protocol) -> float:
    """One ranking metric, averaged over the queries: all that model selection needs.

    Args:
        model: scores every item of the training vocabulary.
        holdout: the questions, usually the validation part of a split.
        metric: `ndcg@10`, or without a cut `mrr`, `auc` or `scaled_mrr`.
        protocol: further arguments of `rank_model`.

    Raises:
        ConfigError: there is no such metric.
    """
    compute = metrics.named(metric)  # before the work begins
    ranked = rank_model(model, holdout, k=0, **protocol)
    return float(np.nanmean(compute(ranked.ranks, ranked.num_candidates)))


def _block_queries(num_items: int) -> int:
    return max(1, min(BLOCK_QUERIES, BLOCK_BYTES // (4 * max(num_items, 1))))


def _blocks(total: int, size: int) -> Iterator[tuple[int, int]]:
    for start in range(0, total, size):
        yield start, min(start + size, total)


def _ranks(placed: Placement, targets: Jagged) -> tuple[Jagged, Jagged]:
    """Targets of each query from the best placed to the worst, and their ranks.

    The half rule: rank = 1 + greater + equal / 2, the expected place under random order. Where m
    targets of one query tie, the i-th of them is expected at greater + i (equal + 2) / (m + 1),
    which is the same for m = 1 and keeps two targets from sharing a place.
    """
    query = np.repeat(np.arange(len(targets)), targets.lengths)
    found = placed.greater >= 0
    level = np.where(found, placed.greater, np.iinfo(np.int32).max)
    order = np.lexsort((targets.values, level, query))
    query, level, equal = query[order], level[order], placed.equal[order]
    first = np.ones(len(order), bool)
    first[1:] = (query[1:] != query[:-1]) | (level[1:] != level[:-1])
    group = np.cumsum(first) - 1
    size = np.bincount(group)[group] if len(group) else group
    nth = np.arange(len(order)) - np.flatnonzero(first)[group] + 1
    ranks = np.where(found[order], level + nth * (equal + 2.0) / (size + 1), np.inf)
    return Jagged(targets.offsets, targets.values[order]), Jagged(targets.offsets, ranks)


def _back_to_items(
    placed: Placement,
    columns: Int32[np.ndarray, "queries width"],
    sizes: Int64[np.ndarray, " queries"],
) -> Placement:
    """The placement within a gathered block, with item rows for column numbers."""
    shown = placed.best.items
    items = np.take_along_axis(columns, np.maximum(shown, 0), axis=1) if columns.size else shown
    best = Ranking(np.where(shown >= 0, items, -1).astype(np.int32), placed.best.scores)
    return Placement(placed.greater, placed.equal, sizes.astype(np.int32), best)


def _joined(parts: list[Ranked], k: int) -> Ranked:
    if not parts:
        empty = np.zeros((0, k), np.int32)
        ranks = Jagged(np.zeros(1, np.int64), np.empty(0, np.float64))
        return Ranked(
            Jagged.empty(0), ranks, np.zeros(0, np.int32), Ranking(empty, empty.astype(np.float32))
        )
    offsets = offsets_of(np.concatenate([part.targets.lengths for part in parts]))
    ranks = np.concatenate([part.ranks.values for part in parts])
    return Ranked(
        targets=Jagged(offsets, np.concatenate([part.targets.values for part in parts])),
        ranks=Jagged(offsets, ranks),
        num_candidates=np.concatenate([part.num_candidates for part in parts]),
        best=Ranking(
            np.concatenate([part.best.items for part in parts]),
            np.concatenate([part.best.scores for part in parts]),
        ),
        silent=sum(part.silent for part in parts),
    )
