"""A report as one page that needs nothing else: style and drawings inside, no script."""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from itertools import groupby

import numpy as np
from jinja2 import Environment, StrictUndefined

from grapevine.evaluation import charts
from grapevine.evaluation.charts import Mark
from grapevine.evaluation.measures import METRICS, better
from grapevine.evaluation.pictures import Picture
from grapevine.evaluation.report import Comparison, Estimate, Report, Result
from grapevine.evaluation.slices import POPULARITY
from grapevine.evaluation.terminal import best_of, mark, number, protocol_in_words
from grapevine.models.card import cost_of

ACCURACY = list(METRICS)[: list(METRICS).index("coverage")]
"""Metrics that speak of accuracy; the rest look beyond it."""


@dataclass(frozen=True, slots=True)
class Cell:
    """A figure of a table."""

    text: str
    between: str
    best: bool
    mark: str


def page_of(report: Report, pictures: Sequence[Picture] = ()) -> str:
    """The page as text. Names and IDs are escaped, whatever stands in them.

    Args:
        report: what was measured.
        pictures: of the model that the page is about: see `pictures_of`.
    """
    source = resources.files("grapevine.evaluation").joinpath("report.html.jinja")
    page = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return page.from_string(source.read_text(encoding="utf-8")).render(
        report=report,
        title=f"{report.protocol['dataset']}: evaluation",
        protocol=protocol_in_words(report),
        verdict=_verdict(report),
        legend=[(charts.key(n), result.label) for n, result in enumerate(report.results)],
        headline=_headline(report),
        tables=_tables(report),
        comparisons=[_compared(report, one) for one in report.comparisons],
        trade=_trade(report),
        slices=_slices(report),
        facts=_facts(report),
        pictures=pictures,
        meanings=[(name, METRICS[name.partition("@")[0]].meaning) for name in _names(report)],
    )


def _names(report: Report) -> list[str]:
    """Metrics that any model has a value of, those of accuracy first."""
    order = list(METRICS)
    names = [
        n for n in report.results[0].metrics if any(_is(r.metrics[n].mean) for r in report.results)
    ]
    return sorted(names, key=lambda name: order.index(name.partition("@")[0]))


def _verdict(report: Report) -> list[str]:
    """The outcome in a sentence or two."""
    best, metric = report.best, report.primary
    said = [f"{best.label} leads with {metric} = {_with_interval(best.metrics[metric])}."]
    base = _result(report, report.baseline)
    found = report.against_baseline(best.run, metric)
    if found is not None:
        times = (
            best.metrics[metric].mean / base.metrics[metric].mean
            if base.metrics[metric].mean
            else 0
        )
        ratio = f", {times:.2f} times as much" if times else ""
        said.append(
            f"That is {_signed(found.difference)} over {base.label}{ratio} ({_certainty(found)})."
        )
    others = [r for r in report.competing if r.run != best.run and _is(r.metrics[metric].mean)]
    if len(others) > 1:
        second = max(others, key=lambda result: result.metrics[metric].mean)
        pair = next(
            one
            for one in report.comparisons
            if one.metric == metric and {one.a, one.b} == {best.run, second.run}
        )
        lead = "ahead of" if pair.decided else "not surely ahead of"
        said.append(
            f"It is {lead} the runner-up, {second.label} ({_certainty(pair.seen_from(best.run))})."
        )
    for bound in report.bounds:
        reached = bound.metrics[metric]
        way = reached.mean - base.metrics[metric].mean
        closed = (best.metrics[metric].mean - base.metrics[metric].mean) / way if way else 0
        said.append(
            f"What is possible {bound.bound}, {bound.label}, is {_with_interval(reached)}: "
            f"{best.label} goes {closed:.0%} of the way there from {base.label}."
        )
    return said


def _headline(report: Report) -> list[Picture]:
    """The compared metrics, models from best to worst."""
    figures = []
    for name in dict.fromkeys(one.metric for one in report.comparisons) or [report.primary]:
        ranked = sorted(_competing(report), key=lambda pair: -_number(pair[1].metrics[name].mean))
        marks = [_mark(n, result.label, result.metrics[name]) for n, result in ranked]
        base = _result(report, report.baseline).metrics[name].mean
        figures.append(Picture(name, "", charts.intervals(name, marks, reference=base)))
    return _without_twins(report, figures)


def _without_twins(report: Report, figures: list[Picture]) -> list[Picture]:
    """Leave out a metric that equals an earlier one for every model (recall of a single target)."""
    kept: list[Picture] = []
    for figure in figures:
        values = [result.metrics[figure.title] for result in report.results]
        if not any(values == [r.metrics[one.title] for r in report.results] for one in kept):
            kept.append(figure)
    return kept


def _tables(report: Report) -> list[dict[str, object]]:
    """Metrics of accuracy, then the others."""
    accurate = [name for name in _names(report) if name.partition("@")[0] in ACCURACY]
    others = [name for name in _names(report) if name not in accurate]
    parts = (("Accuracy", accurate), ("Beyond accuracy", others))
    return [_table(report, heading, names) for heading, names in parts if names]


def _table(report: Report, heading: str, names: list[str]) -> dict[str, object]:
    best = {name: best_of(report, name) for name in names}
    return {
        "heading": heading,
        "names": [(name, {1: "↑", -1: "↓", 0: ""}[better(name)]) for name in names],
        "rows": [
            (
                charts.key(n),
                result.label,
                [_cell(report, result, name, best[name]) for name in names],
            )
            for n, result in enumerate(report.results)
        ],
    }


def _cell(report: Report, result: Result, name: str, best: float | None) -> Cell:
    estimate = result.metrics[name]
    between = "" if estimate.low is None else f"{number(estimate.low)} – {number(estimate.high)}"
    return Cell(number(estimate.mean), between, estimate.mean == best, mark(report, result, name))


def _compared(report: Report, one: Comparison) -> dict[str, object]:
    return {
        "a": _result(report, one.a).label,
        "b": _result(report, one.b).label,
        "metric": one.metric,
        "difference": _signed(one.difference),
        "between": f"{_signed(one.low)} to {_signed(one.high)}",
        "p": _p(one.p_holm),
        "test": one.test,
        "decided": one.decided,
        # The pairs that matter stand in view: with the baseline and with the best.
        "primary": one.metric == report.primary
        and bool({one.a, one.b} & {report.baseline, report.best.run}),
    }


def _trade(report: Report) -> list[Picture]:
    """What accuracy costs: against coverage, against novelty, and who gets the exposure."""
    figures = []
    for start, title in (
        ("coverage@", "Accuracy and coverage"),
        ("novelty@", "Accuracy and novelty"),
    ):
        for name in (n for n in report.results[0].metrics if n.startswith(start)):
            points = [
                (_mark(n, r.label, r.metrics[report.primary]), r.metrics[name].mean)
                for n, r in _competing(report)
                if _is(r.metrics[name].mean) and _is(r.metrics[report.primary].mean)
            ]
            if points:
                drawing = charts.scatter(title, points, name, report.primary)
                figures.append(Picture(title, METRICS[name.partition("@")[0]].meaning, drawing))
    lines = [(r.label, n, r.exposure.tolist()) for n, r in _competing(report)]
    drawing = charts.curves(
        "Exposure", lines, "share of items, least shown first", "share of exposure"
    )
    note = "The nearer to the dashed line, the more evenly the catalogue is shown."
    return [*figures, Picture("Exposure (Lorenz curve)", note, drawing)]


def _slices(report: Report) -> list[Picture]:
    """One drawing for each thing told apart."""
    figures = []
    for by, found in groupby(report.slices, key=lambda one: one.by):
        parts = list(found)
        # How much of what is unpopular is found again is a matter of recall.
        names = list(next(iter(parts[0].results.values())))
        name = next((n for n in names if n.startswith("recall@") and by == POPULARITY), names[0])
        groups = [
            (
                f"{part.group[:20]}\nn = {part.queries:,}",
                [
                    _mark(n, result.label, part.results[result.run][name])
                    for n, result in _competing(report)
                ],
            )
            for part in parts
        ]
        figures.append(Picture(f"{name} by {by}", "", charts.grouped(f"{name} by {by}", groups)))
    return figures


def _facts(report: Report) -> list[tuple[str, str]]:
    facts = [(name.replace("_", " "), _said(value)) for name, value in report.protocol.items()]
    skipped = [(name.replace("_", " "), f"{count:,}") for name, count in report.skipped.items()]
    seconds = [
        (
            f"seconds of {result.label}",
            f"{_seconds(result.train_seconds)} to train, {result.evaluate_seconds:.2f} to "
            f"evaluate; seeds {', '.join(map(str, result.seeds))}",
        )
        for result in report.results
    ]
    searched = [
        (f"options of {result.label}", f"found by {cost_of(result.search)}")
        for result in report.results
        if result.search
    ]
    return [*facts, *skipped, *seconds, *searched, ("grapevine", report.version)]


def _mark(series: int, label: str, estimate: Estimate) -> Mark:
    return Mark(label, series, estimate.mean, estimate.low, estimate.high)


def _competing(report: Report) -> list[tuple[int, Result]]:
    """The models that compete, each with the number that its colour goes by.

    A bound would squeeze them together at one end of every axis.
    """
    return [(n, one) for n, one in enumerate(report.results) if one in report.competing]


def _result(report: Report, run: str) -> Result:
    return next(result for result in report.results if result.run == run)


def _with_interval(estimate: Estimate) -> str:
    if estimate.low is None:
        return number(estimate.mean)
    return (
        f"{number(estimate.mean)} (95 % interval {number(estimate.low)} to {number(estimate.high)})"
    )


def _certainty(one: Comparison) -> str:
    return f"95 % interval {_signed(one.low)} to {_signed(one.high)}, p {_p(one.p_holm)} after Holm"


def _p(value: float) -> str:
    return "< 0.001" if value < 0.001 else f"= {value:.3f}"


def _signed(value: float) -> str:
    return f"{value:+.4f}".replace("-", "−")


def _seconds(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.2f}"


def _said(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,}" if isinstance(value, int) else str(value)


def _number(value: float) -> float:
    return value if _is(value) else -np.inf


def _is(value: float) -> bool:
    return bool(np.isfinite(value))
