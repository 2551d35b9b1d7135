"""Why an item was recommended: what the score would have been without each thing of the history."""

from collections.abc import Sequence

import numpy as np

from grapevine.models.base import Factored, Model
from grapevine.structs.batch import Batch
from grapevine.structs.jagged import offsets_of

MOST_RECENT = 200
"""Things of a history that are looked into; the square of this many events are scored."""


def evidence(
    model: Model, asked: Batch, items: Sequence[int], most: int = 3
) -> list[list[tuple[int, float]]]:
    """What in a history spoke for each item, and what share of the case it made.

    The question is asked again without each thing of the history in turn, as a stranger's; what
    the score falls by is what that thing was worth. Where a model adds up over a history
    (item-knn, EASE) the shares are those of the score itself, and what a model does not listen to
    is never named. The item itself is one of those things where the history has met it: who has
    looked at it is often recommended it for that.

    Args:
        model: the fitted model.
        asked: one question.
        items: item rows to explain.
        most: how many things to name for each.

    Returns:
        For each item pairs of item row and share in (0, 1], strongest first; empty where nothing
        in the history spoke for it.
    """
    met = asked.items[asked.items >= 0]
    # The last time that each was met decides which are the most recent.
    last = {int(item): place for place, item in enumerate(met)}
    things = np.array(sorted(last, key=lambda item: last[item])[-MOST_RECENT:], np.int64)
    wanted = np.asarray(items, np.int64)
    if len(things) == 0 or len(wanted) == 0 or not getattr(model, "listens", True):
        return [[] for _ in wanted]
    scores = _scores(model, _without_each(asked, things), wanted)
    worth = scores[0] - scores[1:]  # (things, items)
    worth = np.where(np.isfinite(worth), np.maximum(worth, 0), 0)
    known = getattr(model, "known", None)
    if known is not None:  # the others come last, and by how much says nothing
        worth[:, ~known[wanted]] = 0
    # What is below the rounding of the scores is nobody's doing.
    told = scores[0][np.isfinite(scores[0])]
    worth[worth <= 1e-6 * np.abs(told).max(initial=0)] = 0
    found = []
    for column in worth.T:
        order = np.argsort(-column, kind="stable")[:most]
        found.append([(int(things[at]), float(column[at] / column.sum())) for at in order
                      if column[at] > 0])  # fmt: skip
    return found


def _scores(model: Model, batch: Batch, wanted: np.ndarray) -> np.ndarray:
    """The scores of some items alone; products need not be multiplied out for all of them."""
    if isinstance(model, Factored):
        both = model.products(batch)
        return both.queries @ both.items[wanted].T
    return np.asarray(model.score(batch))[:, wanted]


def _without_each(asked: Batch, things: np.ndarray) -> Batch:
    """The question as it is, and then without each of the things; all of them a stranger's."""
    kept = np.vstack([np.ones((1, len(asked.items)), bool), asked.items != things[:, None]])
    event = np.broadcast_to(np.arange(len(asked.items)), kept.shape)[kept]
    return Batch(
        users=np.full(len(kept), -1, np.int64),
        offsets=offsets_of(kept.sum(1)),
        items=asked.items[event],
        behaviours=asked.behaviours[event],
        times=asked.times[event],
        asked_at=np.repeat(asked.asked_at, len(kept)),
    )
