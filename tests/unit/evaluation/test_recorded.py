from dataclasses import replace

import numpy as np
import pytest

from grapevine.errors import BundleError, CheckFailed
from grapevine.evaluation import rank_model
from grapevine.evaluation.protocol import Entry, evaluate
from grapevine.evaluation.recorded import DEEPEST, Recorded, asked_as

METRICS = ("ndcg", "hr", "recall@5", "map")
WAY = asked_as("all", exclude_seen=True, unmet=False)


def recorded(world, model, **protocol):
    way = asked_as("all", protocol.get("exclude_seen", True), unmet=False)
    kept = Recorded(config=model.config, fingerprint="")
    kept.add(way, rank_model(model, world.holdout, **protocol))
    return kept


def assert_close(some, others):
    """Equal but for ranks between whole places, which are kept in single precision."""
    assert some.keys() == others.keys()
    for name, one in some.items():
        for part in ("mean", "low", "high"):
            assert getattr(one, part) == pytest.approx(getattr(others[name], part), rel=1e-5)


@pytest.mark.parametrize("targets", [1, 4])
def test_a_report_of_what_is_kept_is_the_report_of_the_models(make_world, tmp_path, targets):
    world = make_world(users=200, targets=targets)
    models = [replace(world.random(seed), config=f"{seed % 2}") for seed in range(4)]
    coarse = [replace(one, scores=np.round(one.scores * 4)) for one in models]  # half places too
    kept = []
    for place, model in enumerate(coarse):
        recorded(world, model).save(tmp_path / f"{place}.npz", epochs=place)
        one, facts = Recorded.load(tmp_path / f"{place}.npz", model.config)
        assert facts == {"epochs": place}
        kept.append(one)

    def report(them):
        entries = [
            Entry(name=f"m{place % 2}", model=model, seed=place // 2, run=f"m{place}")
            for place, model in enumerate(them)
        ]
        return evaluate(entries, world.holdout, train=world.train, metrics=METRICS)

    one, other = report(coarse), report(kept)
    for mine, yours in zip(one.results, other.results, strict=True):
        assert_close(mine.metrics, yours.metrics)
    for mine, yours in zip(one.comparisons, other.comparisons, strict=True):
        assert (mine.a, mine.b, mine.metric) == (yours.a, yours.b, yours.metric)
        assert mine.difference == pytest.approx(yours.difference, abs=1e-6)
        assert mine.p_holm == pytest.approx(yours.p_holm, rel=1e-3)
    for mine, yours in zip(one.slices, other.slices, strict=True):
        for run, metrics in mine.results.items():
            assert_close(metrics, yours.results[run])


def test_what_came_too_deep_counts_as_missed(make_world):
    world = make_world(users=300, items=400)
    model = world.random(0)
    ranks = rank_model(model, world.holdout).ranks.values
    kept = rank_model(recorded(world, model), world.holdout).ranks.values
    deep = ranks > DEEPEST
    assert 0 < deep.sum() < len(ranks)
    assert np.isinf(kept[deep]).all()
    np.testing.assert_array_equal(kept[~deep], ranks[~deep])


def test_what_was_not_asked_is_not_answered(make_world):
    world = make_world()
    kept = recorded(world, world.random(0))
    with pytest.raises(CheckFailed, match="nothing left out"):
        rank_model(kept, world.holdout, exclude_seen=False)
    with pytest.raises(CheckFailed, match="other questions"):
        rank_model(kept, world.holdout.take(np.arange(5)))
    foreign = replace(kept, fingerprint="another")
    with pytest.raises(CheckFailed, match="other questions"):
        rank_model(foreign, world.holdout)
    with pytest.raises(CheckFailed, match="cannot be asked again"):
        kept.score(world.holdout.questions(0, 1))


@pytest.mark.parametrize("content", [b"", b"no archive", b"PK\x03\x04 cut off"])
def test_a_file_that_is_none_of_these_is_refused(tmp_path, content):
    path = tmp_path / "kept.npz"
    path.write_bytes(content)
    with pytest.raises(BundleError, match=r"kept\.npz"):
        Recorded.load(path, "config")
