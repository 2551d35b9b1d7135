from dataclasses import replace

import numpy as np
import polars as pl
import pytest

import grapevine
from grapevine.errors import ConfigError
from grapevine.evaluation import METRICS, Entry, evaluate, metrics, rank_model
from grapevine.models.popularity import Popularity
from grapevine.structs import Jagged


def entry(name, model, **more):
    return Entry(name=name, model=model, **more)


@pytest.fixture
def report(make_world):
    world = make_world(targets=2)
    entries = [
        entry("random", world.random(0), train_seconds=1.0),
        entry("oracle", world.oracle(), run="runs/oracle"),
        entry("popularity", Popularity.Config().fit(world.train)),
    ]
    return evaluate(entries, world.holdout, train=world.train, k=5)


def test_every_usual_metric_is_there(report):
    names = {name.partition("@")[0] for name in report.results[0].metrics}
    assert names == set(METRICS) - {"recall_capped", "scaled_mrr"}
    assert report.primary == "ndcg@5"


def test_figures_are_the_means_of_the_metrics(make_world):
    world = make_world(targets=2)
    found = evaluate([entry("random", world.random(0))], world.holdout, train=world.train, k=5)
    ranked = rank_model(world.random(0), world.holdout, k=5)
    figures = found.results[0].metrics
    assert figures["ndcg@5"].mean == pytest.approx(metrics.ndcg(ranked.ranks, 5).mean(), abs=1e-12)
    assert figures["mrr"].mean == pytest.approx(metrics.mrr(ranked.ranks).mean(), abs=1e-12)
    assert figures["ndcg@5"].low < figures["ndcg@5"].mean < figures["ndcg@5"].high
    assert figures["coverage@5"].low is None
    shown = len(np.unique(ranked.best.items))
    assert figures["coverage@5"].mean == shown / 40


def test_the_oracle_is_best_and_everything_is_marked_against_popularity(report):
    assert report.best.run == "runs/oracle"
    assert report.best.metrics["ndcg@5"].mean == 1
    assert report.baseline == "popularity"
    against = report.against_baseline("runs/oracle", "ndcg@5")
    assert against.decided
    assert against.difference > 0
    assert report.against_baseline("popularity", "ndcg@5") is None


def test_every_pair_is_compared_once_and_corrected_within_its_metric(report):
    ndcg = [one for one in report.comparisons if one.metric == "ndcg@5"]
    assert {(one.a, one.b) for one in ndcg} == {
        ("random", "runs/oracle"),
        ("random", "popularity"),
        ("runs/oracle", "popularity"),
    }
    assert all(one.p <= one.p_holm for one in ndcg)
    assert max(one.p for one in ndcg) == pytest.approx(max(one.p_holm for one in ndcg))


def test_the_same_seed_gives_the_same_report(make_world):
    world = make_world()
    entries = [entry("random", world.random(0)), entry("oracle", world.oracle())]
    one, other = (evaluate(entries, world.holdout, train=world.train).to_json() for _ in range(2))
    for facts in (*one["runs"], *other["runs"]):
        del facts["evaluate_seconds"]
    assert one == other


def test_seeds_of_one_model_are_one_line(make_world):
    world = make_world()
    models = [replace(world.random(seed), config="same") for seed in (1, 2, 3)]
    entries = [entry("random", model, seed=n) for n, model in enumerate(models)]
    report = evaluate(entries, world.holdout, train=world.train, metrics=["ndcg"])
    (result,) = report.results
    assert result.seeds == (0, 1, 2)
    alone = [metrics.ndcg(rank_model(m, world.holdout).ranks, 10).mean() for m in models]
    assert result.metrics["ndcg@10"].mean == pytest.approx(np.mean(alone), abs=1e-12)
    assert not any("one training run" in warning for warning in report.warnings)


def test_other_options_are_another_model(make_world):
    world = make_world()
    entries = [
        entry("oracle", world.oracle(1.0), run="runs/a"),
        entry("oracle", world.oracle(9.0), run="runs/b", seed=1),
    ]
    report = evaluate(entries, world.holdout, train=world.train)
    assert [result.label for result in report.results] == ["runs/a", "runs/b"]
    with pytest.raises(ConfigError, match="two models are called `oracle`"):
        evaluate([replace(one, run=None) for one in entries], world.holdout, train=world.train)


def test_a_sample_of_the_queries_is_drawn_by_the_seed_and_said(make_world):
    world = make_world()
    report = evaluate([entry("r", world.random(0))], world.holdout, train=world.train, users=20)
    assert report.protocol["users"] == 20
    assert report.protocol["queries_held_out"] == 60
    assert any("20 of 60 queries were asked" in warning for warning in report.warnings)


def test_sampled_candidates_carry_the_warning(make_world):
    world = make_world()
    report = evaluate(
        [entry("r", world.random(0))], world.holdout, train=world.train, candidates="uniform-5"
    )
    assert report.protocol["candidates"] == "uniform-5"
    assert "Krichene & Rendle, KDD 2020" in report.warnings[0]


def test_what_could_not_be_found_is_counted(world, with_targets):
    met = world.holdout.history.histories
    free = next(i for i in range(40) if i not in met[0])
    held = with_targets(world, [[met[0][0], free, free, -1], *[[-1]] * 59]).holdout
    report = evaluate([entry("r", world.random(0))], held, train=world.train)
    assert report.skipped["targets_unknown_to_training"] == 60
    assert report.skipped["targets_repeated"] == 1
    assert report.skipped["targets_already_seen"] == 1
    included = evaluate([entry("r", world.random(0))], held, train=world.train, exclude_seen=False)
    assert included.skipped["targets_already_seen"] == 0


def test_a_stranger_can_be_asked(world):
    users = world.holdout.users.copy()
    users[:3] = -1
    popularity = Popularity.Config().fit(world.train)
    report = evaluate(
        [entry("popularity", popularity)],
        replace(world.holdout, users=users),
        train=world.train,
        slices=["gender"],
    )
    assert report.skipped["users_unknown_to_training"] == 3
    assert report.skipped["queries_without_history"] >= 3


def test_slices_hold_the_headline_metrics(make_world):
    world = make_world()
    report = evaluate(
        [entry("oracle", world.oracle()), entry("random", world.random(1))],
        world.holdout,
        train=world.train,
        slices=["gender"],
    )
    women = next(one for one in report.slices if one.group == "f")
    assert women.queries == 40
    estimate = women.results["oracle"]["ndcg@10"]
    assert (estimate.mean, estimate.low, estimate.high) == (1, 1, 1)
    assert set(women.results["random"]) == {"ndcg@10", "hr@10", "recall@10", "mrr"}


def test_many_queries_take_the_normal_interval_in_slices(make_world):
    world = make_world(users=1500)
    report = evaluate([entry("random", world.random(0))], world.holdout, train=world.train)
    whole = next(one for one in report.slices if one.by == "history length")
    found, expected = whole.results["random"]["ndcg@10"], report.results[0].metrics["ndcg@10"]
    assert found.mean == pytest.approx(expected.mean)
    assert found.low == pytest.approx(expected.low, abs=0.002)
    assert found.high == pytest.approx(expected.high, abs=0.002)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"metrics": ["ndgc"]}, "did you mean `ndcg`"),
        ({"metrics": ["auc@10"]}, "hint: write auc"),
        ({"metrics": ["ndcg@0"]}, "`ndcg@0` is not a metric"),
        ({"candidates": "some"}, "no candidate protocol is called `some`"),
        ({"baseline": "ease"}, "no model to compare with is called `ease`"),
        ({"slices": ["colour"]}, "no column of users or items is called `colour`"),
    ],
)
def test_wrong_options_say_what_there_is(world, wrong, words):
    with pytest.raises(ConfigError, match=words):
        evaluate([entry("r", world.random(0))], world.holdout, train=world.train, **wrong)


def test_nothing_to_evaluate(world):
    with pytest.raises(ConfigError, match="there is no model"):
        evaluate([], world.holdout, train=world.train)


def test_metrics_by_choice(world):
    report = evaluate(
        [entry("r", world.random(0))],
        world.holdout,
        train=world.train,
        metrics=["hr@3", "mrr@5", "mrr", "coverage"],
        k=7,
    )
    assert list(report.results[0].metrics) == ["hr@3", "mrr@5", "mrr", "coverage@7"]
    assert report.primary == "hr@3"
    only = evaluate(
        [entry("r", world.random(0))], world.holdout, train=world.train, metrics=["gini"]
    )
    assert only.primary == "gini@10"
    assert only.comparisons == ()
    assert only.slices == ()


def test_version(report):
    assert report.version == grapevine.__version__


def test_what_could_not_be_asked_or_known_is_counted_and_said(make_world):
    world = make_world()
    holdout = replace(world.holdout, left_out={"repeats": 5}, by="time")
    train = replace(world.train, schema=replace(world.train.schema, clock="approximate"))
    report = evaluate([Entry(name="any", model=world.random(0))], holdout, train=train)
    counts = world.train.target_interactions.counts()
    cold = int((counts[world.holdout.targets.values] == 0).sum())
    assert report.skipped["targets_without_training_event"] == cold
    assert report.skipped["targets_left_out_as_repeats"] == 5
    assert any(text.startswith("5 targets were not asked for") for text in report.warnings)
    assert any(text.startswith("the times are only near") for text in report.warnings)


def test_one_seed_among_several_is_told(make_world):
    world = make_world()
    entries = [Entry(name="twice", model=world.random(0), seed=seed) for seed in (0, 1)]
    entries.append(Entry(name="once", model=world.constant()))
    report = evaluate(entries, world.holdout, train=world.train)
    assert any("one training run of once:" in text for text in report.warnings)


def test_published_lists_follow_the_users_that_are_asked(world, tmp_path):
    lists = [[user % 40, (user + 1) % 40, (user + 2) % 40] for user in range(60)]
    table = pl.DataFrame({"user_id": list(range(60)), "item_id": lists})
    table.reverse().write_parquet(tmp_path / "negatives.parquet")
    train = replace(world.train, path=tmp_path)
    entries = [Entry(name="random", model=world.random(0))]
    given, read = (
        evaluate(entries, world.holdout, train=train, users=20, candidates=one, metrics=["mrr"])
        for one in (Jagged.from_lists(lists), "published")
    )
    assert read.results[0].metrics == given.results[0].metrics
    assert read.protocol["candidates"] == "published (3 negatives)"
    assert any("sampled metrics" in warning for warning in read.warnings)
