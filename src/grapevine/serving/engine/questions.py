"""Random histories, to hold one way of reading them against another."""

from dataclasses import replace

import numpy as np

from grapevine.models.sequence.model import Reader
from grapevine.random import stream
from grapevine.structs.batch import Batch
from grapevine.structs.jagged import Jagged


def histories(model: Reader, longest: int, *, seed: int = 0) -> Batch:
    """Random histories of every length that a model reads, and one that is longer.

    Args:
        model: whose items they are of.
        longest: the greatest length.
        seed: names the draws.
    """
    draw = stream(seed, "serving", "export")
    known = np.flatnonzero(model.met)
    lengths = range(1, longest + 2)
    lists = [draw.choice(known, length) for length in lengths]
    plain = Batch.of_histories(Jagged.from_lists(lists))
    told = model.weights.get("inputs.behaviour")
    behaviours = np.full(len(plain.items), max(int(model.behaviour[0]), 0), np.uint8)
    if told is not None:
        behaviours = draw.integers(len(told) - 1, size=len(behaviours)).astype(np.uint8)
    # Gaps from none to weeks, so that every kind of them is met.
    gaps = np.exp(draw.uniform(0, 21, len(behaviours))).astype(np.int64)
    times = 1_700_000_000_000 + np.cumsum(gaps)
    last = times[plain.offsets[1:] - 1]
    return replace(plain, behaviours=behaviours, times=times, asked_at=last + 60_000)
