"""Ask a model every question of a holdout, in blocks, and place the targets."""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Int32, Int64
from threadpoolctl import threadpool_limits

from grapevine.core.kernels.rank import rank_targets
from grapevine.core.topk import Placement
from grapevine.data.holdout import Holdout
from grapevine.evaluation import metrics
from grapevine.evaluation.candidates import ALL, Candidates, gather
from grapevine.log import track
from grapevine.models.base import Factored, Model
from grapevine.structs.jagged import Jagged, offsets_of
from grapevine.structs.products import Products
from grapevine.structs.ranking import Ranking

BLOCK_BYTES = 128 * 2**20
"""Size of a block of scores: see benchmarks/results/evaluation.md."""

BLOCK_QUERIES = 2048
"""Most questions put to a model at once, so that models of sequences need not cut them up."""


@dataclass(frozen=True, slots=True)
class Ranked:
    """Where the targets of each query came, and what was shown.

    Attributes:
        targets: item rows, the best placed first; -1 is an item training could not know.
        ranks: float64, rising; half places are ties, infinity is missed.
        num_candidates: `(queries,)` items that could be shown.
        best: the lists.
    """

    targets: Jagged
    ranks: Jagged
    num_candidates: Int32[np.ndarray, " queries"]
    best: Ranking

    def __len__(self) -> int:
        return len(self.ranks)

    def ranks_where(self, keep: Bool[np.ndarray, " targets"]) -> Jagged:
        """Ranks of some of the targets alone."""
        return self.ranks.where(keep)


def rank_model(
    model: Model,
    holdout: Holdout,
    *,
    k: int = 10,
    candidates: Candidates = ALL,
    exclude_seen: bool = True,
    name: str = "the model",
    block_queries: int | None = None,
) -> Ranked:
    """Ask a model every question and place the targets among the candidates.

    Targets named twice in a query count once. What a query has already (`Holdout.had`) is left out,
    unless `exclude_seen` is false; a target among it is missed.

    Args:
        model: scores every item of the training vocabulary.
        holdout: the questions.
        k: length of the lists.
        candidates: what competes.
        exclude_seen: leave out what the query has already done.
        name: what messages call the model.
        block_queries: questions asked at once; chosen by the number of items if not given. The
            result does not depend on it.

    Raises:
        CheckFailed: a score is NaN.
    """
    targets = distinct(holdout.targets)
    lazy = isinstance(model, Factored) and candidates.everything
    # Products are never multiplied out whole, so that they need no small blocks.
    many = BLOCK_QUERIES if lazy else _block_queries(holdout.history.num_items)
    size = block_queries or many

    def placed(start: int, wanted: Jagged, seen: Jagged, scores: np.ndarray | Products) -> Ranked:
        if candidates.everything:
            found = rank_targets(scores, wanted, seen, k=k, name=name, first=start)
        else:
            lists = candidates.lists(wanted, seen, start)
            columns, block, places = gather(np.asarray(scores), lists, wanted)
            none = Jagged.empty(len(wanted))
            found = rank_targets(block, places, none, k=k, name=name, first=start)
            found = _back_to_items(found, columns, lists.lengths)
        return Ranked(*_ranks(found, wanted), found.num_candidates, found.best)

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


def distinct(lists: Jagged) -> Jagged:
    """The same lists with each item once, at its first place; every -1 stays."""
    if len(lists.values) == len(lists):
        return lists
    query = np.repeat(np.arange(len(lists)), lists.lengths)
    order = np.lexsort((np.arange(len(query)), lists.values, query))
    item, owner = lists.values[order], query[order]
    repeat = np.zeros(len(order), bool)
    repeat[1:] = (item[1:] == item[:-1]) & (owner[1:] == owner[:-1]) & (item[1:] >= 0)
    keep = np.ones(len(order), bool)
    keep[order[repeat]] = False
    return lists.where(keep)


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
    )
