"""What the sequence models are worth: every recipe of a dataset, seed by seed.

    python benchmarks/sequences.py --mirror DIR --folder RUNS [--seeds 3] [--only NAME ...]

A run that is in `--folder` already is taken from there, and one that was stopped goes on, so that
a benchmark of many hours can be taken in parts; `--minutes` ends this part. What a run that is done
answered stays in results/kept, and is not trained for again. A table is written of the seeds that
are done, and says which are not. The test questions are asked with the items of the
history left out of the lists, as the published code does; with them kept; and against a hundred
items drawn by popularity. The result goes to results/sequences.md.
"""

import argparse
import os
import platform
from collections.abc import Sequence
from datetime import date
from itertools import pairwise
from pathlib import Path
from typing import Any

import grapevine as gv
from grapevine.data.split import Split
from grapevine.evaluation.report import Report
from grapevine.models import MODELS
from grapevine.models.blend import Blend
from grapevine.models.run import Run
from grapevine.recipes import RECIPES
from resumable import Budget, better, cell, trained
from rows import Rows

RESULTS = Path(__file__).parent / "results"
WAYS: dict[str, dict[str, Any]] = {
    "seen left out": {},
    "seen kept": {"exclude_seen": False},
    "popular-100": {"candidates": "popular-100"},
}
BASELINES = ("popularity", "recent-popularity", "markov", "item-knn", "ease")
DENSE = 20_000
"""Most items of which `ease` is asked: it solves a matrix of items by items."""
METRICS = ("ndcg@10", "hr@10")


def blended(name: str, parts: Split, seed: int, folder: Path, budget: Budget) -> Run | None:
    """The blend of a recipe, of runs of the recipes that its parts are, so that none learns twice.

    A blend that is trained in one keeps the epoch in which it is best as a whole; here each part
    has kept its own.
    """
    recipe = RECIPES[name]
    runs: list[Run | None] = []
    for part, config in recipe.config.configs().items():
        home = [
            other
            for other, one in RECIPES.items()
            if one.data == recipe.data and one.config == config
        ]
        label = f"{home[0]}-{seed}" if home else f"{recipe.data}-{recipe.split_by}-{part}"
        runs.append(trained(config, parts.train, seed, folder / label, budget))
    there = [run for run in runs if run is not None]
    if len(there) < len(runs):
        return None
    return gv.blend(there, weights=recipe.config.weights, out=folder / f"{name}-{seed}")


def learnt(name: str, parts: Split, seed: int, folder: Path, budget: Budget) -> Run | None:
    """The run of a recipe: what is there, or trained now; none if the time did not suffice."""
    recipe = RECIPES[name]
    if isinstance(recipe.config, Blend.Config):
        return blended(name, parts, seed, folder, budget)
    return trained(recipe.config, parts.train, seed, folder / f"{name}-{seed}", budget)


def section(
    data: str, split_by: str, names: Sequence[str], seeds: int, folder: Path, budget: Budget
) -> list[str]:
    """The table of one dataset."""
    print(data, split_by, flush=True)
    parts = gv.pipeline.prepare(gv.load(data), split_by)
    plain: dict[str, Any] = {}
    for name in BASELINES:
        if name == "recent-popularity" and not parts.train.schema.timed:
            continue  # what is known is the order of each user's events alone
        if name == "ease" and len(parts.train.items) > DENSE:
            continue
        plain[name] = MODELS[name].config

    def learn(label: str, config: Any, seed: int) -> Run | None:
        if label in RECIPES:
            return learnt(label, parts, seed, folder, budget)
        return trained(config, parts.train, seed, folder / f"{data}-{split_by}-{label}", budget)

    rows = Rows.of(
        (plain | {name: RECIPES[name].config for name in names}).items(),
        parts,
        seeds,
        folder,
        budget,
        # After a moment many items are asked for at once: answers of half a megabyte, of minutes.
        kept="" if split_by == "time" else f"sequences/{data}-{split_by}",
        ways=list(WAYS.values()),
        learn=learn,
    )
    found = [rows.report(parts, METRICS, **way) for way in WAYS.values()]
    heads = [f"{metric}, {way}" for way in WAYS for metric in METRICS]
    lines = [
        f"## {data}, {split_by}",
        "",
        f"{len(parts.train.users):,} users, {len(parts.train.items):,} items, "
        f"{len(parts.train.interactions):,} events to learn from; {len(parts.test):,} questions.",
        "",
        f"| model | seeds | {' | '.join(heads)} | epochs | minutes |",
        "|---" * (len(heads) + 4) + "|",
    ]
    for results in zip(*(report.results for report in found), strict=True):
        label = results[0].model
        cells = [cell(one.metrics[metric]) for one in results for metric in METRICS]
        of_seeds = len(rows.epochs[label]) if label in RECIPES else "-"
        minutes = results[0].train_seconds / 60
        lines.append(
            f"| {label} | {of_seeds} | {' | '.join(cells)} | {rows.of_seeds(label)} | "
            f"{minutes:.1f} |"
        )
    return [*lines, *rows.note, "", *steps(found[0], names), ""]


def steps(report: Report, names: Sequence[str]) -> list[str]:
    """By how much each recipe is ahead of the next, of the same questions and seeds."""
    means = {one.model: one.metrics["ndcg@10"].mean for one in report.results}
    order = sorted((name for name in names if name in means), key=lambda name: -means[name])
    told: list[str] = []
    for one, other in pairwise(order):
        ahead, p = better(report, one, other).split(" | ")
        told.append(f"`{one}` before `{other}` {ahead}, p {p}")
    return [f"ndcg@10, paired, p by Holm: {'; '.join(told)}."] if told else []


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--mirror", type=Path, help="where the public data is, if it is at hand")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--only", nargs="+", choices=list(RECIPES), default=list(RECIPES))
    parser.add_argument("--folder", type=Path, required=True, help="runs are kept here")
    parser.add_argument("--minutes", type=float, default=1e6, help="of this part, at most")
    parser.add_argument("--out", type=Path, default=RESULTS / "sequences.md")
    options = parser.parse_args()
    if options.mirror:
        os.environ["GRAPEVINE_MIRROR"] = str(options.mirror)
    budget = Budget.of(options.minutes)
    lines = [
        "# Sequence models",
        "",
        f"{date.today()}, `python benchmarks/sequences.py --seeds {options.seeds}`, "
        f"{os.cpu_count()} cores, {platform.system()}, Python {platform.python_version()}. "
        "95 % intervals resample users and seeds; minutes are of one training.",
        "",
    ]
    cases: dict[tuple[str, str], list[str]] = {}
    for name in options.only:
        cases.setdefault((RECIPES[name].data, RECIPES[name].split_by), []).append(name)
    for (data, split_by), names in cases.items():
        lines += section(data, split_by, names, options.seeds, options.folder, budget)
        options.out.write_text("\n".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main()
