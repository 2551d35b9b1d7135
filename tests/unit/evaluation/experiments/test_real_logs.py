"""Estimates from real logs against what really happened: Open Bandit and Coat."""

import numpy as np
import polars as pl
import pytest

from grapevine.data.fetch import fetch
from grapevine.data.sources.open_bandit import load_logs
from grapevine.evaluation.experiments.off_policy import Feedback, off_policy
from grapevine.evaluation.experiments.reward_model import cross_fitted
from grapevine.evaluation.experiments.selected import selected_mean
from grapevine.evaluation.significance import interval, resample_means

PLACES = 3


@pytest.fixture(scope="module", params=["men", "women"])
def logs(request, tmp_path_factory, worker_mirror):
    folder = tmp_path_factory.mktemp("bandit") / request.param
    return load_logs(fetch(f"open-bandit-{request.param}", folder, worker_mirror))


@pytest.fixture(scope="module")
def coat(tmp_path_factory, worker_mirror):
    return fetch("coat", tmp_path_factory.mktemp("coat") / "coat", worker_mirror)


def shown_by(log, items):
    """How often a policy shows each item at each place: `(places, items)`, rows sum to one."""
    place, item = log["position"].to_numpy() - 1, log["item"].to_numpy()
    counts = np.bincount(place * items + item, minlength=PLACES * items).reshape(PLACES, items)
    return counts / counts.sum(1, keepdims=True)


def judged(log, policy):
    """A policy that does not look at users, judged by a log of another."""
    place, item = log["position"].to_numpy() - 1, log["item"].to_numpy()
    click = log["click"].to_numpy()
    places = np.eye(PLACES)[place]
    # Less than one round in two hundred has a click: weights are shrunk by as many.
    predicted = cross_fitted(places, item, click, policy.shape[1], ridge=200.0)
    return off_policy(
        Feedback.of_policy(
            action=item,
            reward=click,
            logged=log["propensity"].to_numpy(),
            evaluated=policy[place],
            predicted=predicted,
        )
    )


def on_policy(log):
    """Clicks a round of what was really shown, with a 95 % interval."""
    click = log["click"].to_numpy().astype(np.float64)
    drawn = resample_means(click[None], resamples=2_000, rng=np.random.default_rng(0))
    return float(click.mean()), interval(drawn[:, 0])


@pytest.mark.slow
@pytest.mark.data
@pytest.mark.parametrize(("source", "target"), [("random", "bts"), ("bts", "random")])
def test_a_log_of_one_policy_tells_what_the_other_earned(logs, source, target):
    items = len(logs.items)
    policy = (
        np.full((PLACES, items), 1 / items)
        if target == "random"
        else shown_by(logs.logs["bts"], items)
    )
    found = judged(logs.logs[source], policy)
    truth, (low, high) = on_policy(logs.logs[target])
    for name in ("ips", "snips", "dr"):
        one = found.estimates[name]
        # Both are estimates: the intervals cover each other's figure.
        assert one.low < truth < one.high
        assert one.low < high
        assert low < one.high
    assert found.diagnostics.rounds == 10_000
    assert found.diagnostics.effective_rounds < 5_000


@pytest.mark.data
def test_a_policy_judged_by_its_own_log_earns_what_it_earned(logs):
    uniform = np.full((PLACES, len(logs.items)), 1 / len(logs.items))
    found = judged(logs.logs["random"], uniform)
    assert found.estimates["ips"].mean == pytest.approx(on_policy(logs.logs["random"])[0])
    assert found.diagnostics.effective_rounds == pytest.approx(10_000)
    assert found.warnings == ()


@pytest.mark.data
def test_weighed_ratings_of_coats_are_nearer_to_those_dealt_at_random(coat):
    chosen = pl.read_parquet(coat / "events.parquet").filter(pl.col("split") == "train")
    chances = pl.read_parquet(coat / "propensities.parquet")
    weighed = chosen.join(chances, on=["user_id", "item_id"], how="left", maintain_order="left")
    drawn = pl.read_parquet(coat / "random.parquet")["value"].to_numpy()
    found = selected_mean(
        weighed["value"].to_numpy().astype(np.float64),
        weighed["propensity"].to_numpy(),
        weighed["user_id"].to_numpy(),
        population=len(chances),
    )
    truth = drawn.mean()
    assert found["naive"].low > truth
    for name in ("ips", "snips"):
        assert abs(found[name].mean - truth) < 0.6 * abs(found["naive"].mean - truth)
