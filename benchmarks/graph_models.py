"""Graph models on real data: who wins where, and what each part of PinSage is worth.

    python benchmarks/graph_models.py --mirror DIR --seeds 3 [--only pinterest ml-1m ...]

Every model is trained once for each seed, and a run that is in `--folder` already is taken from
there, so that a benchmark that was stopped goes on. Warm questions come from the split that is
usual for the data; cold ones from a split that holds a tenth of the items out whole, and rank them
among all items and among the cold ones alone. The result goes to results/graph_models.md.
"""

import argparse
import os
import platform
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import grapevine as gv
from grapevine import config
from grapevine.data.reviews import with_reviews_as_text
from grapevine.data.split import Split
from grapevine.evaluation import Report
from grapevine.models import MODELS
from grapevine.models.run import Run
from resumable import cell

RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True)
class Row:
    """A line of the table: a model, and what is changed of its options."""

    label: str
    model: str
    settings: tuple[str, ...] = ()
    seeded: bool = True
    """Whether another seed gives another model."""


def pinsage(label: str, *settings: str) -> Row:
    return Row(f"pinsage: {label}", "pinsage", tuple(f"model.{one}" for one in settings))


PEERS = (
    Row("popularity", "popularity", seeded=False),
    Row("item-knn", "item-knn", seeded=False),
    Row("ease", "ease", seeded=False),
    Row("als", "als"),
    Row("gf-cf", "gf-cf"),
    Row("chebycf", "chebycf"),
)
MARKOV = Row("markov", "markov", seeded=False)
"""Where the order of events tells much."""
LIGHTGCN = Row("lightgcn", "lightgcn")
ONE_SEED = Row("lightgcn", "lightgcn", seeded=False)
"""Of LightGCN where a seed takes a quarter of an hour."""
CONTENT = (Row("content-knn", "content-knn", seeded=False),)
WHOLE = Row("pinsage", "pinsage")
SHORT = ("epochs=5", "epoch_pairs=60000", "decay=0.7")
"""The budget of an ablation where events are many: every line of it has the same."""
LONG = ("epochs=8", "decay=0.75")
"""The budget of a whole PinSage where events are many: more are worth a hundredth at most."""
CAREFUL = ("learning_rate=0.0015",)
"""Where events are few, shorter steps: found on the validation questions."""
NEW_ITEMS = ("in_order=false", "popularity=0", "new_share=0.3", "content_weight=2")
FEW_EVENTS = (*NEW_ITEMS[:3], "content=256", "content_weight=10")


def ablations(*budget: str, content: bool = True) -> tuple[Row, ...]:
    """One part of PinSage changed at a time, all with one budget; the first line has them all."""
    changed: dict[str, tuple[str, ...]] = {
        "whole": (),
        "mean": ("merge=mean",),
        "max": ("merge=max",),
        "attention": ("merge=attention",),
        "cross-entropy": ("loss=cross-entropy",),
        "hard negatives": ("hard_negatives=6",),
        "max-margin": ("loss=max-margin",),
        "max-margin, hard negatives": ("loss=max-margin", "hard_negatives=6"),
        "item pairs": ("pairs=item", "answers=all"),
        "no graph": ("layers=0",),
    }
    if content:
        changed |= {
            "no ids": ("ids=false",),
            "no graph, no ids": ("layers=0", "ids=false"),
        }
    return tuple(pinsage(label, *budget, *change) for label, change in changed.items())


def together(other: str, weight: float, *settings: str) -> Row:
    """PinSage and a model in closed form, their scores added up."""
    given = ",".join(f'"pinsage.{one}"' for one in settings)
    return Row(
        f"blend: {other} + pinsage",
        "blend",
        (
            f'model.parts=["{other}","pinsage"]',
            f"model.weights=[1.0,{weight}]",
            f"model.settings=[{given}]",
        ),
    )


def cold(*best: str, budget: tuple[str, ...]) -> tuple[Row, ...]:
    """Rows for items that nobody met: the defaults, and the settings that new items want."""
    return (
        *CONTENT,
        pinsage("whole", *budget),
        pinsage("for new items", *budget, *best),
        pinsage("for new items, no ids", *budget, *best, "ids=false"),
        pinsage("for new items, no graph", *budget, *best, "layers=0"),
        Row("random", "random"),
    )


@dataclass(frozen=True)
class Case:
    """A dataset, and which rows are measured on it.

    Attributes:
        split: the data, split by a rule.
        warm: rows for the usual split.
        ablation: rows for the same, of PinSage with something changed.
        cold: rows for the split by cold items; none where items have no content.
        k: length of the lists.
    """

    split: Callable[[str], Split]
    warm: tuple[Row, ...]
    ablation: tuple[Row, ...]
    cold: tuple[Row, ...] = ()
    k: int = 10


CASES = {
    "pinterest": Case(
        lambda by: gv.pipeline.prepare(gv.load("pinterest"), by),
        (
            *PEERS,
            Row("bspm", "bspm"),
            pinsage("whole", *LONG),
            together("chebycf", 2, *LONG),
            together("bspm", 2, *LONG),
            ONE_SEED,
        ),
        ablations(*SHORT, content=False),
        k=20,
    ),
    "ml-1m": Case(
        lambda by: gv.pipeline.prepare(gv.load("ml-1m"), by),
        (
            *PEERS,
            MARKOV,
            *CONTENT,
            pinsage("whole", *LONG),
            pinsage("the last counts most", *LONG, "half_life=1", "learning_rate=0.01"),
            LIGHTGCN,
        ),
        (
            *ablations(*SHORT),
            pinsage("title alone", *SHORT, "features=['title']", "ids=false"),
            pinsage("tags alone", *SHORT, "features=['tags']", "ids=false"),
        ),
        cold(*NEW_ITEMS, budget=("epochs=6", "epoch_pairs=100000", "decay=0.8")),
    ),
    "amazon-musical-instruments": Case(
        lambda by: gv.pipeline.checked(
            with_reviews_as_text(gv.load("amazon-musical-instruments"), by)
        ),
        (
            *PEERS,
            *CONTENT,
            WHOLE,
            pinsage("shorter steps", *CAREFUL),
            together("ease", 8, *CAREFUL),
            LIGHTGCN,
        ),
        ablations(*CAREFUL),
        cold(*FEW_EVENTS, budget=("epochs=10", "epoch_pairs=100000")),
    ),
}


def fitted(row: Row, parts: Split, seed: int, folder: Path) -> Run:
    """The run of a row, trained now unless its folder is there, with these very options."""
    out = folder / f"{row.label.replace(': ', '-').replace(', ', '-').replace(' ', '-')}-{seed}"
    if (out / "MANIFEST.json").is_file():
        run = gv.open_run(out)
        if run.model.config == config.override(MODELS[row.model].config, row.settings):
            return run
    started = time.perf_counter()
    run = gv.fit(row.model, parts.train, out=out, seed=seed, settings=row.settings)
    print(f"  {row.label} seed {seed}: {time.perf_counter() - started:.1f} s", flush=True)
    return run


def measured(
    rows: Sequence[Row], parts: Split, seeds: int, folder: Path, **protocol: Any
) -> dict[str, Any]:
    """The result of each row by its label; seeds are resampled with the users."""
    runs, label = [], dict[str, str]()
    for row in rows:
        for seed in range(seeds if row.seeded else 1):
            runs.append(fitted(row, parts, seed, folder))
            label[str(runs[-1].path)] = row.label
    report: Report = gv.evaluate(runs, parts.test, train=parts.train, **protocol)
    return {label[result.run]: result for result in report.results}


def table(found: dict[str, Any], metrics: Sequence[str]) -> list[str]:
    lines = [f"| model | {' | '.join(metrics)} | seconds to train |"]
    lines.append("|---" * (len(metrics) + 2) + "|")
    for label, result in found.items():
        cells = [cell(result.metrics[name]) for name in metrics]
        lines.append(f"| {label} | {' | '.join(cells)} | {result.train_seconds:.1f} |")
    return lines


def budget(row: Row) -> str:
    return ", ".join(f"`{one.removeprefix('model.')}`" for one in row.settings)


def case(name: str, seeds: int, folder: Path) -> list[str]:
    """The tables of one dataset."""
    one = CASES[name]
    print(name, flush=True)
    parts = one.split("auto")
    k = one.k
    metrics = (f"ndcg@{k}", f"hr@{k}", f"recall@{k}", f"coverage@{k}")
    ablation = measured(one.ablation, parts, seeds, folder / name / "ablation", k=k)
    warm = measured(one.warm, parts, seeds, folder / name / "warm", k=k)
    lines = [
        f"## {parts.train.name}",
        "",
        f"{len(parts.train.users):,} users, {len(parts.train.items):,} items, "
        f"{len(parts.train.interactions):,} events to learn from; {len(parts.test):,} questions "
        f"({parts.test.by}), every item a candidate.",
        "",
        *table(warm, metrics),
        "",
        f"One part of PinSage changed at a time, all with {budget(one.ablation[0])}.",
        "",
        *table(ablation, metrics),
        "",
    ]
    if one.cold:
        parts = one.split("cold-items")
        every = measured(one.cold, parts, seeds, folder / name / "cold", k=10)
        among = measured(one.cold, parts, seeds, folder / name / "cold", k=10, candidates="cold")
        lines += [
            f"### Cold items of {parts.train.name}",
            "",
            f"A tenth of the items without any event to learn from; {len(parts.test):,} questions. "
            "First every item is a candidate, then the cold ones alone.",
            "",
            *table(every, ("ndcg@10", "hr@10", "coverage@10")),
            "",
            *table(among, ("ndcg@10", "hr@10", "coverage@10")),
            "",
        ]
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--mirror", type=Path, help="where the public data is, if it is at hand")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--only", nargs="+", choices=list(CASES), default=list(CASES))
    parser.add_argument("--folder", type=Path, required=True, help="runs are kept here")
    parser.add_argument("--out", type=Path, default=RESULTS / "graph_models.md")
    options = parser.parse_args()
    if options.mirror:
        os.environ["GRAPEVINE_MIRROR"] = str(options.mirror)
    lines = [
        "# Graph models on real data",
        "",
        f"{date.today()}, `python benchmarks/graph_models.py --seeds {options.seeds}`, "
        f"{os.cpu_count()} cores, {platform.system()}, Python {platform.python_version()}. "
        f"Seeds 0 to {options.seeds - 1}; 95 % intervals resample users and seeds.",
        "",
    ]
    for name in options.only:
        lines += case(name, options.seeds, options.folder)
        options.out.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print("\n".join(lines), file=sys.stderr)


if __name__ == "__main__":
    main()
