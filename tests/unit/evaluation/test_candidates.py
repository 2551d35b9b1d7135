import numpy as np
import pytest

from grapevine.errors import ConfigError
from grapevine.evaluation import metrics, rank_model
from grapevine.evaluation.candidates import ALL, Candidates, candidates_of
from grapevine.structs import Jagged


def protocol(world, name, seed=0, queries=None):
    queries = np.arange(len(world.holdout)) if queries is None else queries
    return candidates_of(name, world.train, queries=queries, seed=seed)


@pytest.mark.parametrize("name", ["uniform-9", "popular-9", "uniform-30", "popular-30"])
def test_negatives_are_distinct_and_never_a_target_nor_seen(make_world, name):
    world = make_world(targets=2)
    seen = world.holdout.history.histories
    lists = protocol(world, name).lists(world.holdout.targets, seen, 0)
    number = int(name.partition("-")[2])
    for one, wanted, met in zip(lists, world.holdout.targets, seen, strict=True):
        assert (np.diff(one) > 0).all()
        assert set(wanted) <= set(one)
        assert not set(one) & set(met)
        assert len(one) == 2 + number


def test_all_there_are_where_fewer_are_left(make_world):
    world = make_world(items=10, history=5)
    lists = protocol(world, "uniform-100").lists(
        world.holdout.targets, world.holdout.history.histories, 0
    )
    assert set(lists.lengths.tolist()) == {5}


def test_popular_items_are_drawn_in_proportion():
    share = np.cumsum([0.5, 0.3, 0.2, 0.0])
    sampled = Candidates(name="popular-1", number=1, share=share)
    none = Jagged.from_lists([[]] * 4000)
    drawn = sampled.lists(none, none, 0).values
    counts = np.bincount(drawn, minlength=4) / 4000
    np.testing.assert_allclose(counts, [0.5, 0.3, 0.2, 0], atol=0.035)


@pytest.mark.parametrize("name", ["uniform-9", "popular-9"])
def test_draws_depend_neither_on_blocks_nor_on_which_queries_are_asked(world, name):
    model = world.random(0)
    whole = rank_model(model, world.holdout, candidates=protocol(world, name))
    small = rank_model(model, world.holdout, candidates=protocol(world, name), block_queries=7)
    assert small.ranks.values.tolist() == whole.ranks.values.tolist()
    np.testing.assert_array_equal(small.best.items, whole.best.items)
    other = rank_model(model, world.holdout, candidates=protocol(world, name, seed=1))
    assert other.ranks.values.tolist() != whole.ranks.values.tolist()


def test_enough_negatives_are_full_ranking(make_world):
    world = make_world(targets=3)
    full = rank_model(world.random(0), world.holdout, candidates=ALL)
    sampled = rank_model(world.random(0), world.holdout, candidates=protocol(world, "uniform-40"))
    assert sampled.ranks.values.tolist() == full.ranks.values.tolist()
    np.testing.assert_array_equal(sampled.best.items, full.best.items)
    np.testing.assert_array_equal(sampled.num_candidates, full.num_candidates)


def test_published_lists(world):
    # Item 3 and the target compete; the target is in the list or not, that makes no difference.
    lists = Jagged.from_lists(
        [[3, int(one[0])] if n % 2 else [3] for n, one in enumerate(world.holdout.targets)]
    )
    model = world.random(0)
    ranked = rank_model(
        model,
        world.holdout,
        candidates=candidates_of(lists, world.train, queries=np.arange(60)),
        exclude_seen=False,
    )
    target = world.holdout.targets.values
    scores = model.scores
    expected = 1 + (scores[:, 3] > scores[np.arange(60), target])
    assert ranked.ranks.values.tolist() == expected.tolist()


def test_a_wrong_name_says_what_there_is(world):
    with pytest.raises(ConfigError, match="hint: choose all, uniform-N or popular-N"):
        protocol(world, "popular")
    with pytest.raises(ConfigError, match="no candidate protocol is called `uniform-0`"):
        protocol(world, "uniform-0")
    with pytest.raises(ConfigError, match="2 lists of candidates for 60 queries"):
        candidates_of(Jagged.from_lists([[1], [2]]), world.train, queries=np.arange(60))


def test_sampled_ranks_mislead_as_krichene_and_rendle_say(make_world):
    """Their toy (KDD 2020, table 1): model C is best by exact metrics and worst by sampled ones."""
    models = {
        "A": [100] * 5,
        "B": [40, 40, 8437, 9266, 4482],
        "C": [212, 2, 743, 5342, 1548],
    }
    exact = {"A": (0.010, 0.0), "B": (0.010, 0.0), "C": (0.101, 0.2)}
    sampled = {"A": (0.630, 1.0), "B": (0.336, 0.4), "C": (0.325, 0.567)}
    repeats = 240
    world = make_world(users=5 * repeats, items=10_000, history=0)
    falling = -np.arange(10_000, dtype=np.float32)
    model = type(world.constant())("falling", np.broadcast_to(falling, world.shape))
    for name, ranks in models.items():
        targets = Jagged.from_lists([[rank - 1] for rank in ranks] * repeats)
        holdout = type(world.holdout)(
            "test", world.holdout.users, targets, world.holdout.history, world.holdout.asked_at
        )
        full = rank_model(model, holdout).ranks
        assert metrics.mrr(full).mean() == pytest.approx(exact[name][0], abs=5e-4)
        assert metrics.recall(full, 10).mean() == pytest.approx(exact[name][1])
        few = rank_model(model, holdout, candidates=protocol(world, "uniform-99")).ranks
        assert metrics.mrr(few).mean() == pytest.approx(sampled[name][0], abs=0.02)
        assert metrics.recall(few, 10).mean() == pytest.approx(sampled[name][1], abs=0.02)
        # One less than the sampled rank is binomial: 99 draws, each above with (r - 1) / (n - 1).
        expected = 1 + 99 * (np.mean(ranks) - 1) / 9_999
        assert few.values.mean() == pytest.approx(expected, rel=0.03)
