"""What an evaluation found, as values; for people as a table and a page, for programs as JSON."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float64

if TYPE_CHECKING:
    from rich.table import Table

    from grapevine.models.run import Run


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean over queries with its 95 % interval; no interval for what describes the whole."""

    mean: float
    low: float | None = None
    high: float | None = None

    def to_json(self) -> dict[str, float | None]:
        """NaN becomes null."""
        return {"mean": _plain(self.mean), "low": _plain(self.low), "high": _plain(self.high)}


@dataclass(frozen=True, kw_only=True, slots=True)
class Result:
    """What one model reached.

    Attributes:
        run: the run folder, or the model's name.
        label: what tables call it: the model's name, or the run where two share a name.
        model: the model's name.
        seeds: one for each training run of it.
        metrics: by name, in the order of the report.
        train_seconds: mean over the seeds, where known.
        evaluate_seconds: to score and rank every query, mean over the seeds.
        exposure: `(points,)` share of all exposure of the least shown 0, 1, ... 100 % of items.
        bound: for whom this is what is possible, where it knows the truth and does not compete;
            empty for a model that does.
        search: what was spent on searching its options; None where they were not searched.
        silent: queries of which it said nothing, answered by popularity in its stead; mean over the
            seeds.
    """

    run: str
    label: str
    model: str
    seeds: tuple[int, ...]
    metrics: dict[str, Estimate]
    train_seconds: float | None
    evaluate_seconds: float
    exposure: Float64[np.ndarray, " points"]
    bound: str = ""
    search: Mapping[str, Any] | None = None
    silent: float = 0.0

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "run": self.run,
            "model": self.model,
            "bound": self.bound,
            "seeds": list(self.seeds),
            "metrics": {name: value.to_json() for name, value in self.metrics.items()},
            "train_seconds": _plain(self.train_seconds),
            "evaluate_seconds": _plain(self.evaluate_seconds),
            "search": dict(self.search) if self.search else None,
            "answered_by_popularity": self.silent,
        }


@dataclass(frozen=True, kw_only=True, slots=True)
class Comparison:
    """a minus b on the same queries.

    Attributes:
        a: run of the first model.
        b: run of the second.
        metric: what was compared.
        difference: mean over queries and seeds.
        low: lower end of the 95 % interval, seeds and queries resampled.
        high: upper end.
        p: of the paired test over queries.
        p_holm: the same, corrected for all pairs of this metric.
        test: "sign-flip" or "paired t".
    """

    a: str
    b: str
    metric: str
    difference: float
    low: float
    high: float
    p: float
    p_holm: float
    test: str

    @property
    def decided(self) -> bool:
        """Whether the interval excludes zero and the corrected test agrees."""
        return self.p_holm <= 0.05 and (self.low > 0 or self.high < 0)

    def seen_from(self, run: str) -> "Comparison":
        """The same comparison with this run first."""
        if run == self.a:
            return self
        return replace(
            self, a=self.b, b=self.a, difference=-self.difference, low=-self.high, high=-self.low
        )

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        names = ("a", "b", "metric", "difference", "low", "high", "p", "p_holm", "test")
        return {name: _plain(getattr(self, name)) for name in names}


@dataclass(frozen=True, kw_only=True, slots=True)
class SliceResult:
    """What every model reached on one group of queries or targets.

    Attributes:
        by: what is told apart.
        group: which of it.
        queries: how many count.
        results: run to metric to estimate.
    """

    by: str
    group: str
    queries: int
    results: dict[str, dict[str, Estimate]]

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "by": self.by,
            "group": self.group,
            "queries": self.queries,
            "runs": [
                {"run": run, "metrics": {name: one.to_json() for name, one in metrics.items()}}
                for run, metrics in self.results.items()
            ],
        }


@dataclass(frozen=True, kw_only=True)
class Report:
    """What an evaluation found, and how it was measured.

    Attributes:
        protocol: split, candidates, k, counts, seed, resamples: all that a figure depends on.
        results: one for each model.
        comparisons: pairs on the same queries.
        slices: the headline metrics by group.
        baseline: the run that the others are marked against.
        primary: the metric that decides which model is best.
        warnings: what a reader must know before trusting a figure.
        skipped: counts of what could not be asked or found.
        version: of grapevine.
    """

    protocol: dict[str, Any]
    results: tuple[Result, ...]
    comparisons: tuple[Comparison, ...]
    slices: tuple[SliceResult, ...]
    baseline: str
    primary: str
    warnings: tuple[str, ...] = ()
    skipped: dict[str, int] = field(default_factory=dict)
    version: str = ""

    @property
    def competing(self) -> tuple[Result, ...]:
        """All but the bounds; the bounds where there is nothing else."""
        return tuple(result for result in self.results if not result.bound) or self.results

    @property
    def bounds(self) -> tuple[Result, ...]:
        """What knows the truth, beside models that do not."""
        return tuple(result for result in self.results if result not in self.competing)

    @property
    def best(self) -> Result:
        """The model with the highest primary metric; the first of equals."""
        return max(self.competing, key=lambda one: _or_least(one.metrics[self.primary].mean))

    def against_baseline(self, run: str, metric: str) -> Comparison | None:
        """The comparison of a run with the baseline, if there is one."""
        for one in self.comparisons:
            if (one.a, one.b, one.metric) == (run, self.baseline, metric):
                return one
        return None

    def to_json(self) -> dict[str, Any]:
        """Plain values, ready for `json.dumps`; NaN becomes null."""
        return {
            "protocol": self.protocol,
            "runs": [result.to_json() for result in self.results],
            "comparisons": [one.to_json() for one in self.comparisons],
            "slices": [one.to_json() for one in self.slices],
            "baseline": self.baseline,
            "primary": self.primary,
            "warnings": list(self.warnings),
            "skipped": self.skipped,
            "version": self.version,
        }

    def table(self) -> "Table":
        """For the terminal."""
        from grapevine.evaluation.terminal import table_of

        return table_of(self)

    def __str__(self) -> str:
        from grapevine.evaluation.terminal import text_of

        return text_of(self)

    def to_html(self, path: str | Path, run: "Run | None" = None) -> None:
        """Write one page that needs nothing else.

        Args:
            path: where to.
            run: the run that the page is about, to draw its training, its neighbourhoods and a
                map of its items.
        """
        from grapevine.evaluation.html import page_of
        from grapevine.evaluation.pictures import pictures_of

        page = page_of(self, pictures_of(run) if run is not None else ())
        Path(path).write_text(page, encoding="utf-8")


def _plain(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _or_least(value: float) -> float:
    return value if math.isfinite(value) else -math.inf
