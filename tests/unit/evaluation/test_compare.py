import numpy as np
import pytest

from grapevine.evaluation import significance
from grapevine.evaluation.compare import _estimates
from grapevine.evaluation.protocol import Entry, evaluate


def made(queries: int, spread: float, seeds: int = 4) -> np.ndarray:
    """Two metrics: what the queries are worth, and so much that each seed adds to all of them."""
    rng = np.random.default_rng(1)
    worth = rng.random((2, 1, queries)) + 0.2 * rng.random((2, seeds, queries))
    return worth + spread * rng.standard_normal((2, seeds, 1))


@pytest.mark.parametrize("spread", [0.0, 0.1])
def test_many_queries_have_the_interval_of_the_bootstrap_of_queries_and_seeds(spread):
    values = made(1500, spread)
    (found,) = _estimates([values], seed=0)
    for of_seeds, estimate in zip(values, found, strict=True):
        rng = np.random.default_rng(2)
        means = significance.resample_means(of_seeds, resamples=4000, rng=rng)
        deviation = significance.resample_seeds(means, rng).std()
        assert estimate.mean == pytest.approx(of_seeds.mean())
        width = estimate.high - estimate.low
        assert width == pytest.approx(2 * 1.96 * deviation, rel=0.05)


@pytest.mark.parametrize("queries", [200, 1500])
def test_seeds_that_differ_widen_the_interval_of_a_slice(queries):
    same, apart = (_estimates([made(queries, spread)], seed=0)[0][0] for spread in (0.0, 0.5))
    assert apart.high - apart.low > 3 * (same.high - same.low)


@pytest.mark.parametrize("queries", [200, 1500])
def test_a_single_seed_resamples_queries_alone(queries):
    values = made(queries, 0.5, seeds=1)
    (once,) = _estimates([values], seed=0)
    (twice,) = _estimates([np.repeat(values, 2, axis=1)], seed=0)
    for one, two in zip(once, twice, strict=True):
        assert (one.low, one.high) == pytest.approx((two.low, two.high))


def test_a_slice_of_everything_has_the_figures_of_the_whole(make_world):
    world = make_world(users=300)
    entries = [Entry(name="m", model=world.random(seed), seed=seed) for seed in range(3)]
    entries += [Entry(name="good", model=world.oracle(2.0, seed), seed=seed) for seed in range(2)]
    report = evaluate(entries, world.holdout, train=world.train, metrics=["ndcg", "mrr"])
    (whole,) = [one for one in report.slices if one.by == "history length"]
    for result in report.results:
        for name, estimate in whole.results[result.run].items():
            assert estimate.mean == pytest.approx(result.metrics[name].mean)
            width = result.metrics[name].high - result.metrics[name].low
            assert estimate.high - estimate.low == pytest.approx(width, rel=0.15)
