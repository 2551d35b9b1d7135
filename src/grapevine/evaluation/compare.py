"""From ranked lists to figures with intervals, comparisons and slices."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations
from typing import Any

import numpy as np
from jaxtyping import Float64

from grapevine import random
from grapevine.evaluation import beyond, metrics, significance
from grapevine.evaluation.measures import Metric, World
from grapevine.evaluation.ranked import Ranked
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
        result: the figures; `with_intervals` completes them.
        values: by metric `(seeds, queries)`.
        slices: for each slice `(headline metrics, seeds, queries that count)`.
        resampled: by metric, its mean in every resample of the bootstrap; resample b draws the
            same queries for every model, so that differences are paired.
    """

    result: Result
    values: dict[str, Float64[np.ndarray, "seeds queries"]]
    slices: list[Float64[np.ndarray, "metrics seeds _"]]
    resampled: dict[str, Float64[np.ndarray, " resamples"]] = field(default_factory=dict)


def measured(
    rankings: Sequence[Ranked],
    world: World,
    wished: dict[str, tuple[Metric, int]],
    groups: Sequence[Slice],
    **facts: Any,
) -> Measured:
    """All figures of one model, without intervals yet.

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
        found = np.array([metric.compute(ranked, world, k) for ranked in rankings], np.float64)
        if found.ndim == 2:
            values[name] = found
        known = found[np.isfinite(found)]
        figures[name] = Estimate(float(known.mean()) if len(known) else float("nan"))
    lists = [ranked.best.items for ranked in rankings]
    shown = [beyond.exposure(one, len(world.train.items)) for one in lists]
    exposure = np.mean([beyond.lorenz(one) for one in shown], axis=0)
    return Measured(
        result=Result(metrics=figures, exposure=exposure, **facts),
        values=values,
        slices=[_slice(one, rankings, wished) for one in groups],
    )


def with_intervals(models: Sequence[Measured], seed: int) -> list[Measured]:
    """The same with bootstrap intervals: queries drawn once for all models, then seeds for each."""
    names = list(models[0].values)
    if not names:
        return list(models)
    parts = [np.concatenate([model.values[name] for name in names]) for model in models]
    means = significance.resample_means(
        np.concatenate(parts),
        resamples=significance.num_resamples(parts[0].shape[1]),
        rng=random.stream(seed, "bootstrap", "queries"),
    )
    edges = np.cumsum([len(part) for part in parts])[:-1]
    found: list[Measured] = []
    for place, (model, columns) in enumerate(
        zip(models, np.split(means, edges, axis=1), strict=True)
    ):
        resampled: dict[str, Float64[np.ndarray, " resamples"]] = {}
        figures = dict(model.result.metrics)
        for name, of_seeds in zip(names, np.split(columns, len(names), axis=1), strict=True):
            # Seeds of one model are drawn alike for its metrics, apart from other models' seeds.
            rng = random.stream(seed, "bootstrap", "seeds", place)
            resampled[name] = significance.resample_seeds(of_seeds, rng)
            if np.isfinite(figures[name].mean):
                low, high = significance.interval(resampled[name])
                figures[name] = Estimate(figures[name].mean, low, high)
        result = replace(model.result, metrics=figures)
        found.append(replace(model, result=result, resampled=resampled))
    return found


def headline(names: Sequence[str]) -> list[str]:
    """The headline metrics among these, the deciding one first; else the first there is."""
    found = [name for wished in HEADLINE for name in names if name.partition("@")[0] == wished]
    return found or list(names[:1])


def comparisons_of(models: Sequence[Measured], baseline: str, seed: int) -> tuple[Comparison, ...]:
    """Every pair of models by every headline metric; p corrected over the pairs of a metric."""
    # The baseline is always the one that is subtracted.
    ordered = sorted(models, key=lambda model: model.result.run == baseline)
    found: list[Comparison] = []
    for metric in headline(list(models[0].values)):
        pairs = [_compare(a, b, metric, seed) for a, b in combinations(ordered, 2)]
        corrected = significance.holm(np.array([pair["p"] for pair in pairs]))
        found.extend(
            Comparison(**pair, p_holm=float(p)) for pair, p in zip(pairs, corrected, strict=True)
        )
    return tuple(found)


def slice_results(
    groups: Sequence[Slice],
    models: Sequence[Measured],
    wished: dict[str, tuple[Metric, int]],
    seed: int,
) -> tuple[SliceResult, ...]:
    """The slices that have any query, with every model's figures."""
    names = _sliced(wished)
    found: list[SliceResult] = []
    for place, group in enumerate(groups):
        parts = [model.slices[place] for model in models]
        if parts[0].size:
            estimates = _estimates(parts, seed)
            results = {
                model.result.run: dict(zip(names, row, strict=True))
                for model, row in zip(models, estimates, strict=True)
            }
            size = parts[0].shape[-1]
            found.append(SliceResult(by=group.by, group=group.group, queries=size, results=results))
    return tuple(found)


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


def _sliced(wished: dict[str, tuple[Metric, int]]) -> list[str]:
    """The headline metrics that are asked for, and need the ranks alone."""
    return headline([name for name in wished if name.partition("@")[0] in metrics.CUT])


def _slice(
    group: Slice, rankings: Sequence[Ranked], wished: dict[str, tuple[Metric, int]]
) -> Float64[np.ndarray, "metrics seeds counted"]:
    ranks = [group.ranks(ranked) for ranked in rankings]
    counted = ranks[0].lengths > 0
    names = _sliced(wished)
    values = np.empty((len(names), len(ranks), int(counted.sum())))
    for of_seeds, name in zip(values, names, strict=True):
        for row, one in zip(of_seeds, ranks, strict=True):
            row[:] = _of_ranks(name, one, wished[name][1])[counted]
    return values


def _of_ranks(name: str, ranks: Jagged, k: int) -> Float64[np.ndarray, " queries"]:
    return metrics.mrr(ranks) if name == "mrr" else metrics.CUT[name.partition("@")[0]](ranks, k)


def _estimates(
    parts: Sequence[Float64[np.ndarray, "metrics _ counted"]], seed: int
) -> list[list[Estimate]]:
    """Means and intervals of a slice: bootstrap of few queries, normal approximation of many."""
    few = parts[0].shape[-1] < significance.FEW
    ends = _bootstrapped(parts, seed) if few else [_normal(part) for part in parts]
    return [
        [Estimate(float(values.mean()), *end) for values, end in zip(part, pairs, strict=True)]
        for part, pairs in zip(parts, ends, strict=True)
    ]


def _bootstrapped(
    parts: Sequence[Float64[np.ndarray, "metrics _ counted"]], seed: int
) -> list[list[tuple[float, float]]]:
    """Percentile intervals: queries drawn once for all models, then seeds for each."""
    rows = np.concatenate([values for part in parts for values in part])
    rng = random.stream(seed, "bootstrap", "slice")
    drawn = significance.resample_means(rows, resamples=1000, rng=rng).T
    found: list[list[tuple[float, float]]] = []
    for place, part in enumerate(parts):
        width, seeds = part.shape[:2]
        mine, drawn = drawn[: width * seeds], drawn[width * seeds :]
        pairs: list[tuple[float, float]] = []
        for of_seeds in mine.reshape(width, seeds, -1):
            rng = random.stream(seed, "bootstrap", "seeds", place)
            pairs.append(significance.interval(significance.resample_seeds(of_seeds.T, rng)))
        found.append(pairs)
    return found


def _normal(values: Float64[np.ndarray, "metrics seeds counted"]) -> list[tuple[float, float]]:
    """Mean +- 1.96 standard errors of the same bootstrap of queries, then seeds.

    Its variance is that of the seeds' average over queries, and beside it the spread of the seeds'
    means in a resample, over the seeds: what they differ by, and by chance of the queries.
    """
    seeds, queries = values.shape[1:]
    average = values.mean(axis=1).var(axis=1, ddof=1) / queries
    each = values.var(axis=2, ddof=1).mean(axis=1) / queries
    spread = values.mean(axis=2).var(axis=1) + each - average
    errors = Z95 * np.sqrt(average + spread / seeds)
    means = values.mean(axis=(1, 2))
    return list(zip((means - errors).tolist(), (means + errors).tolist(), strict=True))
