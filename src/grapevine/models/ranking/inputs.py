"""What the network sees of a question and the items that it is asked about.

B = questions, S = items of each, L = events that are read, R = behaviours, F = numbers, I = items
"""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32, Int64
from torch import Tensor

from grapevine.core.positions.relative import log_times
from grapevine.models.ranking import facts as facts_of
from grapevine.models.ranking import shortlist
from grapevine.models.ranking.facts import Facts
from grapevine.structs.batch import Batch
from grapevine.structs.jagged import offsets_of

GAPS = 64
"""Kinds of time gaps above the least, by their logarithm."""
MEMORY = 1000
"""Events of a history, the latest, in which what was done with an item is looked up."""
LONG = 16.0
"""About the logarithm of a year's seconds."""
OF_PAIR, OF_QUESTION = 2, 2
"""Numbers of what was done with an item beside the counts, and of a history."""


def columns(behaviours: int) -> int:
    """F, of so many behaviours."""
    return behaviours + OF_PAIR + OF_QUESTION + shortlist.COLUMNS + facts_of.COLUMNS


@dataclass(frozen=True, slots=True)
class Inputs:
    """What the network sees; the first event of a history first, padding last.

    Attributes:
        users: `(B,)` rows; one after the last for a stranger.
        items: `(B, S)` rows.
        history: `(B, L)` item rows; 0 where there is no event.
        behaviours: `(B, L)` what each event was.
        gaps: `(B, L)` how long ago it was, by its logarithm; `GAPS + 1` where nothing tells.
        there: `(B, L)` which places hold an event.
        done: `(B, S)` what was done with each item, a bit for each behaviour.
        numbers: `(B, S, F)` how often each behaviour was done with it, how long ago the last was in
            time and in events; how long the history is and how old; what the first stage said; how
            many others took it and since when.
    """

    users: Int64[Tensor, " questions"]
    items: Int64[Tensor, "questions items"]
    history: Int64[Tensor, "questions events"]
    behaviours: Int64[Tensor, "questions events"]
    gaps: Int64[Tensor, "questions events"]
    there: Bool[Tensor, "questions events"]
    done: Int64[Tensor, "questions items"]
    numbers: Float[Tensor, "questions items numbers"]


def inputs_of(
    facts: Facts,
    batch: Batch,
    items: Int64[np.ndarray, "questions items"],
    retrieved: Float32[np.ndarray, "questions items four"],
    *,
    length: int,
    own: Bool[np.ndarray, "two questions items"] | None = None,
) -> Inputs:
    """What is seen of these questions.

    Args:
        facts: of training.
        batch: the questions, as `heard` leaves them.
        items: what they are asked about.
        retrieved: what the first stage said of it: see `Shortlist.told`.
        length: L, at most.
        own: whether the user itself is counted among those who took an item by the target, and by
            anything; if not given, where its history says so.
    """
    lengths = np.diff(batch.offsets)
    column = np.arange(min(length, int(lengths.max(initial=0))))
    starts = np.maximum(batch.offsets[1:] - length, batch.offsets[:-1])
    there = column < (batch.offsets[1:] - starts)[:, None]
    event = np.where(there, starts[:, None] + column, 0)
    ago = np.maximum(batch.asked_at[:, None] - _at(batch.times, event), 0) / 1000
    kinds = log_times(torch.from_numpy(ago), GAPS)
    count, since, back = _done(batch, items, int(facts.behaviours[0]))
    taken = count > 0
    if own is None:
        own = np.stack([taken[..., facts.behaviours[1]], taken.any(2)])
    last = np.maximum(batch.asked_at - _at(batch.times, batch.offsets[1:] - 1), 0) / 1000
    age = np.where(lengths > 0, np.log1p(last) / LONG, 0) * facts.timed
    whole = np.stack([np.log1p(lengths) / 6, age], 1)[:, None]
    numbers = [
        np.log1p(count),
        (np.log1p(since / 1000) / LONG * facts.timed)[:, :, None],
        (np.log1p(back) / 6 * facts.ordered)[:, :, None],
        np.broadcast_to(whole, (*items.shape, OF_QUESTION)),
        retrieved,
        facts.told(batch, items, own),
    ]
    bits = (taken << np.arange(taken.shape[2])).sum(2)
    return Inputs(
        users=torch.from_numpy(facts.users(batch)),
        items=torch.from_numpy(items),
        history=torch.from_numpy(np.where(there, _at(batch.items, event), 0).astype(np.int64)),
        behaviours=torch.from_numpy(_at(batch.behaviours, event).astype(np.int64)),
        gaps=kinds if facts.timed else torch.full_like(kinds, GAPS + 1),
        there=torch.from_numpy(there),
        done=torch.from_numpy(bits.astype(np.int64)),
        numbers=torch.from_numpy(np.concatenate(numbers, 2).astype(np.float32)),
    )


def heard(batch: Batch, facts: Facts) -> Batch:
    """The same questions with their latest events of known items alone.

    Args:
        batch: the questions.
        facts: of training.
    """
    keep = batch.items >= 0
    keep &= facts.known[np.where(keep, batch.items, 0)] if len(facts.known) else False
    kept = np.concatenate([[0], np.cumsum(keep)])
    # How many known events come after each, within its history.
    stops = np.repeat(kept[batch.offsets[1:]], np.diff(batch.offsets))
    keep &= stops - kept[1:] < MEMORY
    lengths = np.diff(np.concatenate([[0], np.cumsum(keep)])[batch.offsets])
    return Batch(
        users=batch.users,
        offsets=offsets_of(lengths),
        items=batch.items[keep],
        behaviours=batch.behaviours[keep],
        times=batch.times[keep],
        asked_at=batch.asked_at,
    )


def _done(
    batch: Batch, items: Int64[np.ndarray, "questions items"], behaviours: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """How often each behaviour was done with each item; since when and how many events the last.

    The last two are 0 where nothing was done with it, and the second 1 for the last event.
    """
    size = int(max(items.max(initial=0), batch.items.max(initial=0))) + 1
    rows = np.arange(len(batch))
    keys = np.repeat(rows, np.diff(batch.offsets)) * size + batch.items
    order = np.argsort(keys, kind="stable")
    wanted = rows[:, None] * size + items
    low, high = (np.searchsorted(keys[order], wanted, side) for side in ("left", "right"))
    sums = np.zeros((behaviours, len(keys) + 1), np.int64)
    for row in range(behaviours):
        np.cumsum(batch.behaviours[order] == row, out=sums[row, 1:])
    count = (sums[:, high] - sums[:, low]).transpose(1, 2, 0)
    met = high > low
    last = _at(order, high - 1)
    since = np.maximum(batch.asked_at[:, None] - _at(batch.times, last), 0)
    back = batch.offsets[1:, None] - last
    return count, np.where(met, since, 0), np.where(met, back, 0)


def _at(values: np.ndarray, places: np.ndarray) -> np.ndarray:
    """The values at some places, of which those that mean nothing may be out of range."""
    if not len(values):
        return np.zeros(places.shape, values.dtype)
    return values[np.clip(places, 0, len(values) - 1)]
