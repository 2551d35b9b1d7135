"""Where the targets came and what was shown: the plain way, which the fast kernel must equal."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32, Int32

from grapevine.errors import CheckFailed
from grapevine.structs.jagged import Jagged
from grapevine.structs.products import Products
from grapevine.structs.ranking import Ranking


@dataclass(frozen=True, slots=True)
class Placement:
    """How each target of each query stands among the candidates, and the best k of them.

    Attributes:
        greater: `(targets,)` candidates that score higher; -1 where the target is missed: it is
            unknown (-1), was seen, or scores -inf.
        equal: `(targets,)` other candidates with the same score; 0 where the target is missed.
        num_candidates: `(queries,)` items that could be shown, targets included.
        best: the top k; ties go to the lower item row, and -inf is never shown.
    """

    greater: Int32[np.ndarray, " targets"]
    equal: Int32[np.ndarray, " targets"]
    num_candidates: Int32[np.ndarray, " queries"]
    best: Ranking


def rank_targets_reference(
    scores: Float32[np.ndarray, "queries items"] | Products,
    targets: Jagged,
    seen: Jagged,
    *,
    k: int,
    mask: Bool[np.ndarray, " items"] | None = None,
    name: str = "the model",
    first: int = 0,
) -> Placement:
    """Place every target among the candidates of its query.

    The candidates are all items, or those of the mask; the query's targets always; what the query
    has seen never.

    Args:
        scores: higher is better; may be a broadcast, or products not yet multiplied out.
        targets: item rows, -1 for an item the model cannot know.
        seen: item rows, in any order, with or without repeats.
        k: length of the lists.
        mask: which items may be shown; all if not given.
        name: what the message calls the model.
        first: number of the first query, for the message.

    Raises:
        CheckFailed: a score is NaN.
        ValueError: there are not as many lists as rows, or an item row is out of range.
    """
    check_rows(scores.shape, targets, seen)
    scores = np.asarray(scores)
    num_queries, num_items = scores.shape
    greater = np.full(len(targets.values), -1, np.int32)
    equal = np.zeros(len(targets.values), np.int32)
    num_candidates = np.zeros(num_queries, np.int32)
    items = np.full((num_queries, k), -1, np.int32)
    best = np.full((num_queries, k), -np.inf, np.float32)
    for query in range(num_queries):
        bad = np.flatnonzero(np.isnan(scores[query]))
        if len(bad):
            raise not_a_number(name, first + query, int(bad[0]))
        wanted = targets[query]
        allowed = np.ones(num_items, bool) if mask is None else mask.copy()
        allowed[wanted[wanted >= 0]] = True
        allowed[seen[query]] = False
        row = np.where(allowed, scores[query], -np.inf)
        num_candidates[query] = allowed.sum()
        for place, item in enumerate(wanted, start=int(targets.offsets[query])):
            if item >= 0 and row[item] > -np.inf:
                greater[place] = (row > row[item]).sum()
                equal[place] = (row == row[item]).sum() - 1
        # A stable sort keeps the lower item row first among equals.
        order = np.argsort(-row, kind="stable")[:k]
        order = order[row[order] > -np.inf]
        items[query, : len(order)] = order
        best[query, : len(order)] = row[order]
    return Placement(greater, equal, num_candidates, Ranking(items, best))


def check_rows(shape: tuple[int, int], targets: Jagged, seen: Jagged) -> None:
    """Refuse lists that do not fit the scores: compiled code would write where it must not."""
    num_queries, num_items = shape
    for name, lists, least in (("targets", targets, -1), ("seen", seen, 0)):
        if len(lists) != num_queries:
            raise ValueError(f"{len(lists)} lists of {name} for {num_queries} rows of scores")
        low, high = lists.values.min(initial=least), lists.values.max(initial=-1)
        if low < least or high >= num_items:
            raise ValueError(f"{name} must lie in [{least}, {num_items}): got {low} .. {high}")


def not_a_number(name: str, query: int, item: int) -> CheckFailed:
    """The error for a NaN among the scores."""
    return CheckFailed(
        f"{name}: the score of item row {item} for query {query} is not a number",
        hint="training may have diverged: look at the losses, and lower the learning rate",
    )
