from dataclasses import replace

import numpy as np
import pytest

from grapevine.evaluation import rank_model
from grapevine.evaluation.measures import METRICS, World
from grapevine.structs.jagged import offsets_of


def test_novelty_counts_users_and_not_their_repeats(world):
    # User 0 takes item 0 five times and users 1 and 2 once each; item 1 has one taker.
    lengths = np.zeros(60, np.int64)
    lengths[:3] = 6, 1, 1
    events = replace(
        world.train.interactions,
        offsets=offsets_of(lengths),
        items=np.array([0, 0, 0, 1, 0, 0, 0, 0], np.int32),
        behaviours=np.zeros(8, np.uint8),
        times=np.arange(8),
    )
    asked = World(world.holdout, replace(world.train, interactions=events))
    assert asked.counts[:3].tolist() == [7, 1, 0]
    assert asked.takers[:3].tolist() == [3, 1, 0]
    # Items 0, 1 and 2 are shown to everyone: 3, 1 and 0 takers of 60 users, each plus one.
    model = type(world.constant())(
        "falling", np.broadcast_to(-np.arange(40.0, dtype="f4"), (60, 40))
    )
    ranked = rank_model(model, world.holdout, k=3, exclude_seen=False)
    found = METRICS["novelty"].compute(ranked, asked, 3)
    expected = np.log2(61) - np.log2([4, 2, 1]).mean()
    assert found == pytest.approx(np.full(60, expected))
    assert METRICS["arp"].compute(ranked, asked, 3) == pytest.approx(np.full(60, 8 / 3))
