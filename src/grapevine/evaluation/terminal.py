"""A report as a table for the terminal."""

import sys

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from grapevine.evaluation.measures import better
from grapevine.evaluation.report import Estimate, Report, Result
from grapevine.models.card import cost_of

COLUMNS = ("ndcg", "hr", "recall", "coverage")
"""What fits into 80 characters; the page and the JSON have the rest."""

WIDE = 160
"""Characters that all columns need."""


def table_of(report: Report) -> Table:
    """One line a model, the best value of a column in bold, `*` where it differs from the baseline.

    The title states the protocol; the caption explains the marks and carries the warnings.
    """
    table = Table(
        title=f"{report.protocol['dataset']}: {protocol_in_words(report)}",
        caption=_caption(report),
        box=SIMPLE_HEAD,
        caption_justify="left",
        title_justify="left",
    )
    table.add_column("model", no_wrap=True)
    shown = columns_of(report)
    for name in shown:
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("train", justify="right", no_wrap=True)
    best = {name: best_of(report, name) for name in shown}
    for result in report.results:
        cells = [_cell(report, result, name, best[name]) for name in shown]
        trained = "" if result.train_seconds is None else f"{result.train_seconds:.1f} s"
        table.add_row(_name(result), *cells, trained)
    return table


def text_of(report: Report) -> str:
    """The table as `print` shows it, in colour where standard output is a terminal."""
    # What is no terminal has no width to keep to: files and notebooks get the whole table.
    console = Console(width=None if sys.stdout.isatty() else WIDE)
    with console.capture() as captured:
        console.print(table_of(report))
    return captured.get().rstrip("\n")


def columns_of(report: Report) -> list[str]:
    """The metrics of the report that a table has room for."""
    names = list(report.results[0].metrics)
    found = [name for wished in COLUMNS for name in names if name.partition("@")[0] == wished]
    recall, hr = [[n for n in found if n.startswith(start)] for start in ("recall@", "hr@")]
    if recall and hr and all(r.metrics[recall[0]] == r.metrics[hr[0]] for r in report.results):
        found.remove(recall[0])  # with one target a query they are the same figure
    return found or names


def best_of(report: Report, name: str) -> float | None:
    """The best value of a metric, where best can be said and there is a choice."""
    means = [result.metrics[name].mean for result in report.competing]
    values = [mean for mean in means if mean == mean]
    if not better(name) or len(values) < 2:
        return None
    return max(values) if better(name) > 0 else min(values)


def protocol_in_words(report: Report) -> str:
    """How the figures were measured, in a line."""
    facts = report.protocol
    against = {"all": f"all {facts['items']:,} items"}.get(
        facts["candidates"], f"`{facts['candidates']}` candidates"
    )
    left_out = "whatever was met" if facts.get("unmet") else "what was seen"
    seen = f"{left_out} left out" if facts["exclude_seen"] else "what was seen included"
    split = f"{facts['split']} ({facts['by']})" if facts["by"] else facts["split"]
    return f"{split}, {facts['users']:,} users, next {facts['target']} among {against}, {seen}"


def mark(report: Report, result: Result, name: str) -> str:
    """`*` better and `-` worse than the baseline, by interval and corrected test; else nothing."""
    found = report.against_baseline(result.run, name)
    if found is None or not found.decided:
        return ""
    return "*" if found.difference > 0 else "-"


def number(value: float | None) -> str:
    """Four digits after the point below ten, fewer above."""
    if value is None or value != value:
        return "n/a"
    return (
        f"{value:.4f}"
        if abs(value) < 10
        else f"{value:.2f}"
        if abs(value) < 1000
        else f"{value:,.0f}"
    )


def _cell(report: Report, result: Result, name: str, best: float | None) -> Text:
    estimate = result.metrics[name]
    text = Text(number(estimate.mean), style="bold green" if estimate.mean == best else "")
    text.append(mark(report, result, name) or " ", style="")
    if estimate.low is not None:
        text.append(_half_width(estimate), style="dim")
    return text


def _half_width(estimate: Estimate) -> str:
    assert estimate.low is not None
    assert estimate.high is not None
    return f"±{(estimate.high - estimate.low) / 2:.3f}"


def _name(result: Result) -> Text:
    # A label is the caller's: as text, so that brackets are not taken for markup.
    seeds = f" ({len(result.seeds)} seeds)" if len(result.seeds) > 1 else ""
    return Text(result.label + seeds)


def _caption(report: Report) -> Text:
    base = next(result.label for result in report.results if result.run == report.baseline)
    lines = [
        f"± half of the 95 % interval ({report.protocol['resamples']:,} bootstrap resamples of the "
        f"users{', and of the seeds' if any(len(r.seeds) > 1 for r in report.results) else ''})"
    ]
    if len(report.results) > 1:
        lines.append(
            f"* better, - worse than {base}: the interval of the difference excludes 0 and "
            "p <= 0.05 after Holm"
        )
    lines.extend(
        f"{result.label} knows the truth: what is possible {result.bound}, not a competitor"
        for result in report.bounds
    )
    lines.extend(
        f"{result.label}: options found by {cost_of(result.search)}"
        for result in report.results
        if result.search
    )
    lines.extend(f"note: {warning}" for warning in report.warnings)
    return Text("\n".join(lines))
