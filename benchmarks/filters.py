"""Graph filters in closed form, beside item-knn, ALS and EASE, on three public datasets.

    python benchmarks/filters.py --mirror DIR --seeds 3 --out benchmarks/results/filters.md
    python benchmarks/filters.py --mirror DIR --choose

Every row is fitted with the options that its name alone gives, once for each seed (once where
nothing is drawn), and the test is asked once for each fit. `--choose` tries options of `chebycf`
on validation parts: a tenth of each user's training items of Gowalla, drawn anew for each seed; the
test is not touched. What is best there is not best on the published test
(benchmarks/results/filters.md).
"""

import argparse
import os
import platform
import resource
import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from grapevine import pipeline
from grapevine.data import split
from grapevine.data.dataset import TEST, TRAIN, UNUSED, VALIDATION, Dataset
from grapevine.data.holdout import Holdout
from grapevine.evaluation import metrics
from grapevine.evaluation.beyond import coverage, exposure
from grapevine.evaluation.rank import rank_model
from grapevine.evaluation.significance import (
    interval,
    num_resamples,
    resample_means,
    resample_seeds,
)
from grapevine.models import MODELS
from grapevine.random import stream
from grapevine.testing.worlds import checkerboard, world

DATA = ("gowalla", "pinterest", "ml-1m")
ROWS = ("popularity", "item-knn", "als", "ease", "gf-cf", "bspm", "chebycf")
DRAWN = {"als", "gf-cf", "bspm", "chebycf"}
TOO_LARGE = {("gowalla", "ease")}
TUNED = {"als": {"factors": 256, "regularization": 10.0, "alpha": 10.0}}
METRICS = ("recall", "ndcg")
CUT = {"gowalla": 20, "pinterest": 20, "ml-1m": 10}


@dataclass(frozen=True)
class Measured:
    """One fit: a value for each question and metric, and what it took."""

    values: np.ndarray
    fit_seconds: float
    users_per_second: float
    coverage: float


def loaded(name: str, mirror: Path | None) -> tuple[Dataset, Holdout]:
    """Training set and test; for ml-1m everything but each user's last event is training."""
    data = pipeline.load(name, mirror=mirror)
    if data.labels is not None:
        parts = split.published(data)
    else:
        labels = split.leave_last_out(data).labels.copy()
        labels[labels == VALIDATION] = TRAIN
        parts = split.apply(data, labels, {"by": "leave-last-out"})
    return parts.train, parts.test


def measured(config: Any, train: Dataset, test: Holdout, seed: int, k: int = 20) -> Measured:
    started = time.perf_counter()
    model = config.fit(train, seed=seed)
    fitted = time.perf_counter()
    ranked = rank_model(model, test, k=k)
    done = time.perf_counter()
    return Measured(
        values=np.stack([metrics.CUT[name](ranked.ranks, k) for name in METRICS]),
        fit_seconds=fitted - started,
        users_per_second=len(test) / (done - fitted),
        coverage=coverage(exposure(ranked.best.items, len(train.items))),
    )


def bounds(values: np.ndarray) -> tuple[float, float]:
    """95 % interval over questions and seeds, of `(seeds, questions)`."""
    rng = stream(0, "benchmark", "bootstrap")
    means = resample_means(values, resamples=num_resamples(values.shape[1]), rng=rng)
    return interval(resample_seeds(means, rng))


def line(name: str, row: str, seeds: int, train: Dataset, test: Holdout) -> str:
    config = replace(MODELS[row].config, **TUNED.get(row, {}))
    turns = range(seeds if row in DRAWN else 1)
    found = [measured(config, train, test, seed, CUT[name]) for seed in turns]
    cells = []
    for place in range(len(METRICS)):
        values = np.stack([one.values[place] for one in found])
        low, high = bounds(values)
        means = values.mean(axis=1)
        cells += [f"{means.mean():.4f} ({low:.4f}-{high:.4f})", f"{np.ptp(means):.4f}"]
    cells += [
        f"{statistics.median(one.fit_seconds for one in found):.1f}",
        f"{statistics.median(one.users_per_second for one in found):,.0f}",
        f"{found[0].coverage:.3f}",
    ]
    return f"| {name} | {row} | {len(turns)} | {' | '.join(cells)} |"


def carved(data: Dataset, turn: int) -> tuple[Dataset, Holdout]:
    """A tenth of each user's training events to choose by; the published test in no part."""
    assert data.labels is not None
    labels = np.where(data.labels == TRAIN, TRAIN, UNUSED).astype(np.uint8)
    draw = stream(turn, "benchmark", "validation")
    users = np.repeat(np.arange(len(data.users)), np.diff(data.interactions.offsets))
    known = np.flatnonzero(labels == TRAIN)
    shuffled = known[np.lexsort((draw.random(len(known)), users[known]))]
    owners = users[shuffled]
    counts = np.bincount(owners, minlength=len(data.users))
    nth = np.arange(len(owners)) - np.repeat(np.cumsum(counts) - counts, counts)
    labels[shuffled[nth < np.round(0.1 * counts[owners])]] = TEST
    parts = split.apply(data, labels, {"by": "a tenth of each user"})
    return parts.train, parts.test


def candidates() -> Iterator[dict[str, Any]]:
    """One step around each option of chebycf."""
    yield {}
    for option, values in {
        "rank": (256, 768, 1024),
        "alpha": (0.0, 0.1, 0.3),
        "power": (0.3, 0.5),
        "order": (3, 5, 12),
        "flatness": (1.0, 2.0),
    }.items():
        for value in values:
            yield {option: value}


def choose(mirror: Path | None, turns: int) -> None:
    print("| draw | changed | recall@20 | ndcg@20 |\n|---:|---|---:|---:|")
    for turn in range(turns):
        train, test = carved(pipeline.load("gowalla", mirror=mirror), turn)
        for changed in candidates():
            config = replace(MODELS["chebycf"].config, **changed)
            found = measured(config, train, test, 0).values.mean(axis=1)
            print(f"| {turn} | {changed} | {found[0]:.4f} | {found[1]:.4f} |", flush=True)


def header(seeds: int) -> list[str]:
    return [
        "# Graph filters in closed form",
        "",
        f"{datetime.now(UTC):%Y-%m-%d}, `python benchmarks/filters.py --seeds {seeds}`; "
        f"{os.cpu_count()} cores, 24 GiB, {platform.system()}, "
        f"Python {platform.python_version()}.",
        "",
        "Full ranking, items of training removed. gowalla, pinterest: the published splits, lists "
        "of 20. ml-1m: each user's last event is the question, all others are training, lists "
        "of 10. Options are the "
        "defaults of each row everywhere, those of als what its best peer run on Gowalla had "
        "(factors 256, regularization 10, alpha 10). In brackets the 95 % bootstrap interval over "
        "questions and seeds; `spread` is the largest less the smallest mean of a seed. Fit in "
        "seconds and users a second (scores and lists of 20) are medians over seeds. EASE is left "
        "out on gowalla, where it inverts 6.7 GB.",
        "",
        "| data | row | seeds | recall | spread | ndcg | spread | fit, s | users/s | coverage |",
        "|---|---|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mirror", type=Path, help="where the public files lie")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--data", choices=DATA, nargs="+", default=DATA)
    parser.add_argument("--rows", choices=ROWS, nargs="+", default=ROWS)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--choose", action="store_true", help="try options, and leave the test")
    args = parser.parse_args()
    if args.choose:
        choose(args.mirror, args.seeds)
        return
    lines = header(args.seeds)
    print("\n".join(lines), flush=True)
    tiny = world(checkerboard())
    for row in args.rows:  # compiles what is timed below
        MODELS[row].config.fit(tiny).score(tiny.interactions.batch(np.arange(3)))
    for name in args.data:
        train, test = loaded(name, args.mirror)
        for row in args.rows:
            if (name, row) not in TOO_LARGE:
                lines.append(line(name, row, args.seeds, train, test))
                print(lines[-1], flush=True)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    lines += ["", f"The whole run took at most {peak:.1f} GiB of memory."]
    if args.out:
        args.out.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
