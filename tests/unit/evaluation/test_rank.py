from dataclasses import dataclass, replace
from math import inf, nan

import numpy as np
import pytest

from grapevine.errors import CheckFailed, ConfigError
from grapevine.evaluation import measure, metrics, rank_model
from grapevine.evaluation.candidates import ALL, candidates_of
from grapevine.evaluation.ranked import distinct
from grapevine.structs import Jagged
from grapevine.structs.products import Products


def same(one, other):
    for name in ("targets", "ranks"):
        np.testing.assert_array_equal(getattr(one, name).offsets, getattr(other, name).offsets)
        np.testing.assert_array_equal(getattr(one, name).values, getattr(other, name).values)
    np.testing.assert_array_equal(one.num_candidates, other.num_candidates)
    np.testing.assert_array_equal(one.best.items, other.best.items)
    np.testing.assert_array_equal(one.best.scores, other.best.scores)


def slow_ranks(scores, targets, seen):
    """The half rule, spelt out for one query with targets of different scores."""
    allowed = [i for i in range(len(scores)) if i not in seen]
    found = []
    for target in targets:
        if target < 0 or target in seen:
            found.append(inf)
            continue
        others = [i for i in allowed if i != target]
        above = sum(scores[i] > scores[target] for i in others)
        beside = sum(scores[i] == scores[target] for i in others)
        found.append(1 + above + beside / 2)
    return sorted(found)


def test_ranks_equal_the_slow_way(make_world):
    world = make_world(targets=1)
    model = world.random(0)
    coarse = replace(model, scores=np.round(model.scores * 2))
    ranked = rank_model(coarse, world.holdout, k=5)
    for query in range(len(world.holdout)):
        seen = set(world.holdout.history.histories[query].tolist())
        expected = slow_ranks(coarse.scores[query], world.holdout.targets[query], seen)
        assert ranked.ranks[query].tolist() == expected


@pytest.mark.parametrize("exclude_seen", [True, False])
def test_blocks_do_not_matter(make_world, exclude_seen):
    world = make_world(targets=3)
    whole = rank_model(world.random(1), world.holdout, exclude_seen=exclude_seen)
    for size in (1, 7, 59):
        same(
            rank_model(
                world.random(1), world.holdout, exclude_seen=exclude_seen, block_queries=size
            ),
            whole,
        )


def test_the_order_of_the_queries_does_not_matter(make_world):
    world = make_world(targets=2)
    order = np.random.default_rng(0).permutation(len(world.holdout))
    mixed = replace(
        world.holdout,
        users=world.holdout.users[order],
        targets=world.holdout.targets.take(order),
        asked_at=world.holdout.asked_at[order],
    )
    one = rank_model(world.random(2), world.holdout)
    other = rank_model(world.random(2), mixed)
    assert other.ranks.values.tolist() == one.ranks.take(order).values.tolist()
    np.testing.assert_array_equal(other.best.items, one.best.items[order])


def test_an_oracle_is_perfect_and_its_opposite_worst(make_world):
    world = make_world(targets=3)
    best = rank_model(world.oracle(), world.holdout)
    assert best.ranks.values.tolist() == [1, 2, 3] * len(world.holdout)
    worst = rank_model(world.oracle(edge=-100), world.holdout)
    assert worst.ranks.values.tolist() == [32, 33, 34] * len(world.holdout)
    assert metrics.auc(worst.ranks, worst.num_candidates).tolist() == [0] * len(world.holdout)


def test_constant_scores_are_chance(make_world):
    world = make_world(targets=3)
    ranked = rank_model(world.constant(), world.holdout)
    np.testing.assert_allclose(metrics.auc(ranked.ranks, ranked.num_candidates), 0.5)
    # 34 candidates, 3 targets among them: expected places of the order statistics.
    assert ranked.ranks[0].tolist() == [35 / 4, 2 * 35 / 4, 3 * 35 / 4]
    single = rank_model(world.constant(), make_world().holdout)
    assert single.ranks[0].tolist() == [(1 + 34) / 2]
    # The middle of a tie of all is beyond the list: who knows nothing has no hits.
    assert not metrics.hr(single.ranks, 10).any()


def test_random_scores_hit_as_often_as_chance(make_world):
    world = make_world(users=4000, items=50, history=10)
    hits = metrics.hr(rank_model(world.random(0), world.holdout).ranks, 10)
    assert hits.mean() == pytest.approx(10 / 40, abs=4 * np.sqrt(0.25 * 0.75 / 4000))


def test_tied_targets_take_different_places(world, with_targets):
    history = set(world.holdout.history.histories[0].tolist())
    free = [i for i in range(40) if i not in history]
    held = with_targets(world, [free[:2], *[[0]] * 59]).holdout
    scores = np.zeros(world.shape, np.float32)
    scores[0, free[:2]] = 1
    ranked = rank_model(replace(world.constant(), scores=scores), held)
    assert ranked.ranks[0].tolist() == [1, 2]


@dataclass(frozen=True)
class Dots:
    """A model whose scores are products, of which some users have none."""

    queries: np.ndarray
    items: np.ndarray
    config: str = "dots"

    def products(self, batch):
        return Products(self.queries[batch.users], self.items)

    def score(self, batch):
        return np.asarray(self.products(batch))

    def state(self):
        return {}

    @classmethod
    def restore(cls, config, state):
        raise NotImplementedError


@pytest.mark.parametrize("candidates", [ALL, "uniform-9"])
@pytest.mark.parametrize("lazy", [True, False])
def test_popularity_answers_where_a_model_says_nothing(make_world, candidates, lazy):
    world = make_world(targets=2)
    counts = world.train.target_interactions.counts()
    if candidates != ALL:
        candidates = candidates_of(
            candidates, world.train, queries=np.arange(len(world.holdout)), seed=0
        )
    draw = np.random.default_rng(0)
    queries = draw.standard_normal((world.shape[0], 4)).astype(np.float32)
    items = draw.standard_normal((world.shape[1], 4)).astype(np.float32)
    quiet = np.arange(0, len(queries), 3)
    queries[quiet] = 0
    dots = Dots(queries, items)
    table = replace(world.constant(), config="table", scores=queries @ items.T)
    model = dots if lazy else table
    plain = rank_model(model, world.holdout, k=5, candidates=candidates)
    filled = rank_model(model, world.holdout, k=5, candidates=candidates, popularity=counts)
    by_count = replace(
        world.constant(), scores=np.broadcast_to(counts.astype(np.float32), world.shape)
    )
    popular = rank_model(by_count, world.holdout, k=5, candidates=candidates)
    for query, user in enumerate(world.holdout.users):
        wanted = popular if user in quiet else plain
        assert filled.ranks[query].tolist() == wanted.ranks[query].tolist()
        assert filled.targets[query].tolist() == wanted.targets[query].tolist()
        assert filled.best.items[query].tolist() == wanted.best.items[query].tolist()
    same(
        filled,
        rank_model(
            model, world.holdout, k=5, candidates=candidates, popularity=counts, block_queries=7
        ),
    )


def test_what_is_seen_or_unknown_is_missed_and_repeats_count_once(world, with_targets):
    history = world.holdout.history.histories
    free = next(i for i in range(40) if i not in history[0])
    held = with_targets(world, [[history[0][0], free, -1, free], *[[0]] * 59]).holdout
    ranked = rank_model(world.constant(), held)
    assert ranked.ranks[0].tolist()[1:] == [inf, inf]
    included = rank_model(world.constant(), held, exclude_seen=False)
    assert np.isfinite(included.ranks[0]).tolist() == [True, True, False]
    assert included.num_candidates[0] == 40


def test_only_the_target_behaviour_counts_as_seen(world):
    history = world.holdout.history
    clicked = replace(history, behaviours=(np.arange(len(history)) % 2).astype(np.uint8))
    holdout = replace(world.holdout, history=clicked, target=1)
    assert set(rank_model(world.constant(), holdout).num_candidates.tolist()) == {37}
    met = {40 - len(set(items.tolist())) for items in history.histories}
    unmet = rank_model(world.constant(), replace(holdout, unmet=True))
    assert set(unmet.num_candidates.tolist()) == met != {37}


def test_distinct():
    lists = Jagged.from_lists([[3, 1, 3, -1, -1], [1], [1, 1]])
    assert [one.tolist() for one in distinct(lists)] == [[3, 1, -1, -1], [1], [1]]


def test_measure_is_the_mean_of_one_metric(world):
    model = world.random(4)
    ranked = rank_model(model, world.holdout)
    assert measure(model, world.holdout, "ndcg@5") == metrics.ndcg(ranked.ranks, 5).mean()


def test_measure_takes_metrics_without_a_cut_and_refuses_others(world):
    model = world.random(0)
    ranked = rank_model(model, world.holdout)
    assert measure(model, world.holdout, "mrr") == metrics.mrr(ranked.ranks).mean()
    auc = metrics.auc(ranked.ranks, ranked.num_candidates)
    assert measure(model, world.holdout, "auc") == auc.mean()
    with pytest.raises(ConfigError, match=r"`ndcg` is not a metric\nhint: write ndcg@10"):
        measure(model, world.holdout, "ndcg")
    with pytest.raises(ConfigError, match=r"hint: write auc$"):
        measure(model, world.holdout, "auc@5")
    with pytest.raises(ConfigError, match="did you mean `ndcg`"):
        measure(model, world.holdout, "ndgc@10")


def test_nan_names_the_model_and_the_query(world):
    scores = world.random(0).scores.copy()
    scores[33, 4] = nan
    with pytest.raises(CheckFailed, match="runs/x: the score of item row 4 for query 33"):
        rank_model(
            replace(world.random(0), scores=scores), world.holdout, name="runs/x", block_queries=10
        )


def test_no_query_is_no_fault(world):
    holdout = world.holdout
    empty = replace(
        holdout,
        users=holdout.users[:0],
        targets=Jagged.from_lists([]),
        asked_at=holdout.asked_at[:0],
    )
    assert len(rank_model(world.constant(), empty)) == 0
