from dataclasses import replace

import numpy as np
import pytest

from grapevine.errors import ConfigError
from grapevine.graph.pagerank import ranked
from grapevine.models.pinsage import Config, negatives
from grapevine.models.pinsage.batches import EpochBatches, Ground


@pytest.fixture(scope="module")
def ground(planted, small):
    hard = replace(
        small, pairs="item", answers="all", loss="max-margin", hard_negatives=6, negatives=20,
        band_share=(0.1, 0.5), batch=32,
    )  # fmt: skip
    return Ground.of(hard, planted(), 3)


def test_the_curriculum_adds_a_hard_negative_an_epoch():
    config = Config(hard_negatives=6)
    # The paper counts epochs from 1: n - 1 of them in epoch n, six from the seventh on.
    assert [negatives.hard_in(config, epoch) for epoch in range(9)] == [0, 1, 2, 3, 4, 5, 6, 6, 6]


def test_the_band_is_by_share_in_a_small_catalogue_and_by_rank_in_a_large_one():
    assert negatives.band(Config(), 1_000) == (20, 200)
    assert negatives.band(Config(), 50_000) == (2_000, 5_000)
    assert negatives.band(Config(), 1) == (1, 1)


@pytest.mark.parametrize("epoch", [0, 1, 6, 9])
def test_hard_negatives_lie_in_the_band_and_are_no_positives(ground, epoch):
    batches = EpochBatches(ground, epoch)
    low, high = negatives.band(ground.config, ground.graph.num_items)
    assert (low, high) == (6, 30)
    near = ranked(ground.graph, np.arange(60), most=high, restart=ground.config.restart)
    found = 0
    for step in range(3):
        batch = batches[step]
        assert batch.own.shape[1] == min(epoch, 6)
        rows = batch.graph.rows.numpy()
        for place, own, keep in zip(batch.asked[:, 0], batch.own, batch.keep_own):
            query = int(rows[place])
            for item in rows[own[keep].numpy()].tolist():
                found += 1
                assert item in near[query][low - 1 :]
                assert item not in ground.pairs.known[query]
    assert found or not epoch


def test_shared_negatives_are_no_positives_of_whom_they_are_kept_for(ground):
    batch = EpochBatches(ground, 0)[0]
    rows = batch.graph.rows.numpy()
    for place, answer, keep in zip(batch.asked[:, 0], batch.answers, batch.keep):
        query, held = int(rows[place]), rows[batch.shared[keep].numpy()]
        assert query not in held
        assert int(rows[answer]) not in held
        assert not set(held.tolist()) & set(ground.pairs.known[query].tolist())
    assert len(batch.shared) == 20
    assert 0 < batch.keep.float().mean() < 1


def test_the_chance_of_a_shared_negative_is_what_it_says():
    config = Config(negatives=5, in_batch=True)
    chances = np.array([0.5, 0.2, 0.1, 0.1, 0.1, 0, 0, 0, 0, 0], np.float32)
    rng = np.random.default_rng(0)
    met, told = np.zeros(10), np.zeros(10)
    for _ in range(4000):
        answers = rng.choice(10, 3, p=chances / chances.sum())
        items, log_expected = negatives.shared(config, answers, chances, np.arange(10), rng)
        met[items] += 1
        told[items] = np.exp(log_expected)
    np.testing.assert_allclose(met / 4000, told, atol=0.03)


def test_with_as_many_negatives_as_items_nothing_is_drawn_and_what_nobody_met_is_none():
    chances, rng = np.full(7, 1 / 7, np.float32), np.random.default_rng(0)
    met = np.array([0, 1, 2, 4, 6])
    items, log_expected = negatives.shared(Config(), np.array([1]), chances, met, rng)
    assert items.tolist() == met.tolist()
    assert not log_expected.any()
    few, _ = negatives.shared(Config(negatives=3), np.array([1]), chances, met, rng)
    assert set(few.tolist()) <= set(met.tolist())


def test_hard_negatives_without_a_restart_are_refused():
    with pytest.raises(ConfigError, match=r"has to start over\nhint: set model\.restart above 0"):
        Config(hard_negatives=1, restart=0.0)
    assert Config(restart=0.0).hard_negatives == 0
