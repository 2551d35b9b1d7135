from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
import pytest

from grapevine.data import split
from grapevine.data.fetch import fetch
from grapevine.data.folder import open_dataset
from grapevine.data.negatives import sample
from grapevine.errors import BundleError, ConfigError
from grapevine.evaluation import metrics, rank_model
from grapevine.evaluation.candidates import (
    ALL,
    Candidates,
    candidates_of,
    published_negatives,
)
from grapevine.models.popularity import Popularity
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


def test_negatives_are_those_of_the_one_sampler(world):
    targets, seen = world.holdout.targets, world.holdout.history.histories
    keys = np.arange(60)[::-1].copy()
    lists = protocol(world, "popular-9", seed=3, queries=keys).lists(targets, seen, 0)
    forbidden = Jagged.from_lists(
        [np.concatenate(both) for both in zip(targets, seen, strict=True)]
    )
    counts = world.train.target_interactions.counts()
    drawn = sample(3, keys, forbidden, 40, 9, counts)
    for one, wanted, others in zip(lists, targets, drawn, strict=True):
        assert one.tolist() == sorted([*wanted, *others])


def test_popular_items_are_drawn_in_proportion():
    sampled = Candidates(name="popular-1", number=1, weights=np.array([5, 3, 2, 0]))
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


def with_negatives(world, folder, table):
    folder.mkdir(exist_ok=True)
    pl.DataFrame(table).write_parquet(folder / "negatives.parquet")
    return replace(world.train, path=folder)


def test_published_lists_of_the_folder_come_in_the_order_of_the_queries(world, tmp_path):
    # The lists stand there from the last user to the first; 99 is no item.
    lists = [[(user + n) % 40 for n in (2, 5, 7)] + [99] for user in range(60)]
    table = {"user_id": list(range(60))[::-1], "item_id": lists[::-1]}
    train = with_negatives(world, tmp_path, table)
    users = np.array([4, 59, 0])
    found = published_negatives(tmp_path, train.users, train.items, users)
    assert [one.tolist() for one in found] == [lists[user][:3] for user in users]
    protocol = candidates_of("published", train, queries=np.arange(3), users=users)
    assert protocol.name == "published (3 negatives)"
    assert "`published (3 negatives)`" in protocol.warnings[0]


def test_a_published_list_counts_its_own_target_once(world, tmp_path):
    target = world.holdout.targets.values
    lists = [[3, int(target[user])] for user in range(60)]
    train = with_negatives(world, tmp_path, {"user_id": list(range(60)), "item_id": lists})
    users = world.holdout.users
    protocol = candidates_of("published", train, queries=np.arange(60), users=users)
    ranked = rank_model(world.constant(), world.holdout, candidates=protocol, exclude_seen=False)
    # Two that tie share places 1 and 2; where item 3 is the target, it is alone.
    np.testing.assert_array_equal(ranked.ranks.values, np.where(target == 3, 1, 1.5))
    np.testing.assert_array_equal(ranked.num_candidates, np.where(target == 3, 1, 2))


def test_published_lists_that_are_not_there_say_so(world, tmp_path):
    users = world.holdout.users

    def ask(train, users=users):
        return candidates_of("published", train, queries=np.arange(60), users=users)

    with pytest.raises(ConfigError, match=r"published no negatives.*\nhint: choose all"):
        ask(replace(world.train, path=tmp_path))
    with pytest.raises(ConfigError, match="hint: open the dataset"):
        ask(world.train)
    short = with_negatives(world, tmp_path / "short", {"user_id": [3], "item_id": [[1]]})
    with pytest.raises(ConfigError, match=r"no list for 59 of 60 queries\nhint: "):
        ask(short)
    with pytest.raises(ConfigError, match="no list for 60 of 60 queries"):
        ask(short, np.full(60, -1))
    twice = with_negatives(world, tmp_path / "twice", {"user_id": [3, 3], "item_id": [[1], []]})
    with pytest.raises(BundleError, match="one list for each user"):
        ask(twice)
    plain = with_negatives(world, tmp_path / "plain", {"user_id": [3], "item": [1]})
    with pytest.raises(BundleError, match="damaged"):
        ask(plain)


@pytest.mark.data
@pytest.mark.slow
def test_popularity_by_the_protocol_of_ncf(tmp_path, mirror):
    """HR@10 of popularity (ItemPop) on MovieLens-1M is reported as 0.4535."""
    train, test = split.published(open_dataset(fetch("ml-1m-ncf", tmp_path / "ncf", mirror)))
    protocol = candidates_of("published", train, queries=np.arange(len(test)), users=test.users)
    assert protocol.name == "published (99 negatives)"
    popularity: Any = Popularity.Config().fit(train)
    ranked = rank_model(popularity, test, candidates=protocol)
    # 156 lists hold their own target.
    assert np.bincount(ranked.num_candidates)[[99, 100]].tolist() == [156, 5884]
    assert metrics.hr(ranked.ranks, 10).mean() == pytest.approx(0.4535, abs=0.01)


def test_a_wrong_name_says_what_there_is(world):
    with pytest.raises(ConfigError, match="hint: choose all, cold, uniform-N or popular-N"):
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


def test_cold_candidates_are_the_items_without_a_training_event(world):
    events = world.train.interactions
    train = replace(world.train, interactions=events.where(events.items >= 3))
    found = candidates_of("cold", train, queries=np.arange(3))
    lists = found.lists(Jagged.from_lists([[0], [1], []]), Jagged.from_lists([[9], [2], []]), 0)
    assert [one.tolist() for one in lists] == [[0, 1, 2], [0, 1], [0, 1, 2]]
    assert "3 items without a training event compete" in found.warnings[0]


def test_where_every_item_was_met_there_is_no_cold_one(world):
    with pytest.raises(ConfigError, match="every item has a training event"):
        protocol(world, "cold")
