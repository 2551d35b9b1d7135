"""From ranked lists to figures with intervals, comparisons and slices."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from jaxtyping import Float64

from grapevine import random
from grapevine.evaluation import beyond, metrics, significance
from grapevine.evaluation.measures import Metric, World
from grapevine.evaluation.rank import Ranked
from grapevine.evaluation.report import Comparison, Estimate, Result, SliceResult
from grapevine.evaluation.slices import Slice
from grapevine.structs.jagged import Jagged

HEADLINE = ("ndcg", "hr", "recall", "mrr")
"""What is compared between models and reported by slice; the first of them decides."""

Z95 = 1.959963984540054


@dataclass(frozen=True, kw_only=True)
class Measured:
    """One model's figures, and the values behind them.

    Attributes:
        result: the figures.
        values: by metric `(seeds, queries)`.
        resampled: by metric, its mean in every resample of the bootstrap; resample b draws the
            same queries for every model, so that differences are paired.
        slices: by slice, the headline metrics and how many queries count.
    """

    result: Result
    values: dict[str, Float64[np.ndarray, "seeds queries"]]
    resampled: dict[str, Float64[np.ndarray, " resamples"]]
    slices: list[tuple[int, dict[str, Estimate]]]


def summarise(
    rankings: Sequence[Ranked],
    world: World,
    wished: dict[str, tuple[Metric, int]],
    groups: Sequence[Slice],
    **facts: Any,
) -> Measured:
    """All figures of one model.

    Args:
        rankings: one for each seed.
        world: what metrics need to know of the data.
        wished: metrics by their names in the report.
        groups: slices.
        facts: further fields of the result.
    """
    values: dict[str, Float64[np.ndarray, "seeds queries"]] = {}
    figures: dict[str, Estimate] = {}
    for name, (metric, k) in wished.items():
        found = [metric.compute(ranked, world, k) for ranked in rankings]
        stacked = np.array(found, np.float64)
        if stacked.ndim == 2:
            values[name] = stacked
        known = stacked[np.isfinite(stacked)]
        figures[name] = Estimate(float(known.mean()) if len(known) else float("nan"))
    resampled = _bootstrap(values, world.seed)
    for name, means in resampled.items():
        if np.isfinite(figures[name].mean):
            figures[name] = Estimate(figures[name].mean, *significance.interval(means))
    lists = [ranked.best.items for ranked in rankings]
    shown = [beyond.exposure(one, len(world.train.items)) for one in lists]
    exposure = np.mean([beyond.lorenz(one) for one in shown], axis=0)
    return Measured(
        result=Result(metrics=figures, exposure=exposure, **facts),
        values=values,
        resampled=resampled,
        slices=[_slice(one, rankings, wished, world.seed) for one in groups],
    )


def headline(names: Sequence[str]) -> list[str]:
    """The headline metrics among these, the deciding one first; else the first there is."""
    found = [name for wished in HEADLINE for name in names if name.partition("@")[0] == wished]
    return found or list(names[:1])


def comparisons_of(
    measured: Sequence[Measured], baseline: str, seed: int
) -> tuple[Comparison, ...]:
    """Every pair of models by every headline metric; p corrected over the pairs of a metric."""
    # The baseline is always the one that is subtracted.
    ordered = sorted(measured, key=lambda one: one.result.run == baseline)
    found: list[Comparison] = []
    for metric in headline(list(measured[0].values)):
        pairs = [_compare(a, b, metric, seed) for a, b in combinations(ordered, 2)]
        if pairs:
            corrected = significance.holm(np.array([one["p"] for one in pairs]))
            found.extend(
                Comparison(**one, p_holm=float(p)) for one, p in zip(pairs, corrected, strict=True)
            )
    return tuple(found)


def slice_results(groups: Sequence[Slice], measured: Sequence[Measured]) -> tuple[SliceResult, ...]:
    """The slices that have any query, with every model's figures."""
    return tuple(
        SliceResult(
            by=group.by,
            group=group.group,
            queries=measured[0].slices[place][0],
            results={one.result.run: one.slices[place][1] for one in measured},
        )
        for place, group in enumerate(groups)
        if measured[0].slices[place][0]
    )


def _bootstrap(
    values: dict[str, Float64[np.ndarray, "seeds queries"]], seed: int
) -> dict[str, Float64[np.ndarray, " resamples"]]:
    """Seeds and queries drawn with replacement; the same queries whatever the model."""
    if not values:
        return {}
    stacked = np.concatenate(list(values.values()))
    seeds = len(stacked) // len(values)
    means = significance.resample_means(
        stacked,
        resamples=significance.num_resamples(stacked.shape[1]),
        rng=random.stream(seed, "bootstrap", "queries"),
    )
    return {
        name: significance.resample_seeds(
            means[:, place * seeds : (place + 1) * seeds], random.stream(seed, "bootstrap", "seeds")
        )
        for place, name in enumerate(values)
    }


def _compare(a: Measured, b: Measured, metric: str, seed: int) -> dict[str, Any]:
    differences = a.values[metric].mean(axis=0) - b.values[metric].mean(axis=0)
    low, high = significance.interval(a.resampled[metric] - b.resampled[metric])
    p, test = significance.paired_p(differences, random.stream(seed, "sign-flip"))
    return {
        "a": a.result.run,
        "b": b.result.run,
        "metric": metric,
        "difference": float(np.nanmean(differences)),
        "low": low,
        "high": high,
        "p": p,
        "test": test,
    }


def _slice(
    group: Slice, rankings: Sequence[Ranked], wished: dict[str, tuple[Metric, int]], seed: int
) -> tuple[int, dict[str, Estimate]]:
    """How many queries count, and the headline metrics of those, averaged over the seeds."""
    ranks = [group.ranks(ranked) for ranked in rankings]
    names = headline([name for name in wished if name.partition("@")[0] in metrics.CUT])
    values = np.stack(
        [
            np.mean([_of_ranks(name, one, wished[name][1]) for one in ranks], axis=0)
            for name in names
        ]
    )
    values = values[:, ranks[0].lengths > 0]
    return values.shape[1], dict(zip(names, _estimates(values, seed), strict=True))


def _of_ranks(name: str, ranks: Jagged, k: int) -> Float64[np.ndarray, " queries"]:
    return metrics.mrr(ranks) if name == "mrr" else metrics.CUT[name.partition("@")[0]](ranks, k)


def _estimates(values: Float64[np.ndarray, "metrics queries"], seed: int) -> list[Estimate]:
    """Mean and interval in a slice: bootstrap where few, the normal approximation where many."""
    size = values.shape[1]
    if size == 0:
        return [Estimate(float("nan"))] * len(values)
    means = values.mean(axis=1)
    if size < significance.FEW:
        rng = random.stream(seed, "bootstrap", "slice")
        drawn = significance.resample_means(values, resamples=1000, rng=rng)
        ends = [significance.interval(column) for column in drawn.T]
    else:
        errors = Z95 * values.std(axis=1, ddof=1) / np.sqrt(size)
        ends = [(float(m - e), float(m + e)) for m, e in zip(means, errors, strict=True)]
    return [Estimate(float(mean), *end) for mean, end in zip(means, ends, strict=True)]
