"""What the long benchmarks share: runs that go on where they were stopped, and cells of tables."""

import argparse
import os
import platform
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

import grapevine as gv
from grapevine.data.dataset import Dataset
from grapevine.data.split import Split
from grapevine.evaluation.report import Report
from grapevine.models import MODELS
from grapevine.models.base import Trained
from grapevine.models.run import Run

SPLITS: dict[str, dict[str, Any]] = {
    name: {"by": "published", "validation_users": 1000}
    for name in ("retailrocket", "tmall-mb", "beibei-mb")
} | {"ml-1m-5core": {"by": "leave-last-out-sampled"}}
"""How a log is split, unless as its publisher did or by leave-last-out."""


def prepared(name: str, data: Dataset | None = None) -> Split:
    """A log by its name, taken apart as all benchmarks take it.

    Args:
        name: of a public dataset, or anything.
        data: the log; loaded by its name if not given.
    """
    data = gv.load(name) if data is None else data
    return gv.pipeline.prepare(data, **SPLITS.get(name, {}))


@dataclass(frozen=True)
class Budget:
    """Seconds that this part of the benchmark may still train.

    Attributes:
        ends: when they are over.
        most: of one training, which keeps its best epoch by then.
    """

    ends: float
    most: float = float("inf")

    @classmethod
    def of(cls, minutes: float, most: float = float("inf")) -> "Budget":
        """So many minutes from now, and so many of one training."""
        return cls(time.monotonic() + 60 * minutes, 60 * most)

    @property
    def left(self) -> float:
        """How many are left."""
        return self.ends - time.monotonic()

    def done(self, run: Run) -> bool:
        """Whether a run is at its end, or has had what one training may have."""
        if run.record.get("stopped_by") != "time limit":
            return True
        # Seconds are rounded, and of less than an epoch nothing can be kept.
        return run.record["train_seconds"] >= self.most - 1 and "best_epoch" in run.record

    def for_one(self, had: float) -> float:
        """Seconds that a training may still take which had so many.

        One that had all of it and not one epoch to keep has no cap when it goes on.
        """
        return min(self.left, self.most - had if had < self.most - 1 else float("inf"))


def trained(config: Any, train: Dataset, seed: int, out: Path, budget: Budget) -> Run | None:
    """The run of a config: what is there, or trained now; none if the time did not suffice."""
    resume, had = (out / "checkpoints").is_dir(), 0.0
    if (out / "MANIFEST.json").is_file():
        run = gv.open_run(out)
        if run.model.config != config:
            raise SystemExit(f"{out} was trained with other settings: remove it to train it again")
        if budget.done(run):
            return run
        had = run.record["train_seconds"] if resume else 0.0
    if not isinstance(config, Trained):
        return gv.fit(config, train, out=out, seed=seed)
    if budget.left < 60:
        return None
    print(f"  {out.name}", flush=True)
    run = gv.fit(
        config,
        train,
        out=out,
        seed=seed,
        resume=resume,
        time_limit=budget.for_one(had),
    )
    return run if budget.done(run) else None


@dataclass(frozen=True)
class Row:
    """A line of the table: a model, and what is changed of its options."""

    label: str
    model: str
    changes: dict[str, Any]

    @property
    def config(self) -> Any:
        """Its options."""
        return replace(MODELS[self.model].config, **self.changes)


def asked(
    described: str, data: Sequence[str], out: Path, *, search: bool = False
) -> argparse.Namespace:
    """What a benchmark of several logs is asked for on its command line; finds the public data.

    Args:
        described: its docstring.
        data: logs that it knows.
        out: where its page goes if nothing else is said.
        search: whether it can tune its rows.
    """
    parser = argparse.ArgumentParser(
        description=described, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--mirror", type=Path, help="where the public data is, if it is at hand")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--only", nargs="+", choices=data, default=data)
    parser.add_argument("--rows", nargs="+", help="labels of the rows; all if not given")
    parser.add_argument("--folder", type=Path, required=True, help="runs are kept here")
    parser.add_argument("--minutes", type=float, default=1e6, help="of this part, at most")
    if search:
        parser.add_argument("--search", type=float, default=0.0, help="minutes that tune each row")
        parser.add_argument("--most", type=float, default=1e6, help="minutes of one training")
    parser.add_argument("--out", type=Path, default=out)
    options = parser.parse_args()
    if options.mirror:
        os.environ["GRAPEVINE_MIRROR"] = str(options.mirror)
    return options


def heading(title: str, script: str, seeds: int, more: str = "") -> list[str]:
    """The head of a page: what was run, when, and on what.

    Args:
        title: of the page.
        script: name of the file.
        seeds: of each row.
        more: to say of the minutes.
    """
    return [
        f"# {title}",
        "",
        f"{date.today()}, `python benchmarks/{script} --seeds {seeds}`, {os.cpu_count()} cores, "
        f"{platform.system()}, Python {platform.python_version()}. 95 % intervals resample users "
        f"and seeds; minutes are of one training{more}.",
        "",
    ]


def about(data: str, parts: Split) -> list[str]:
    """The head of the section of a log: its size, behaviour by behaviour."""
    train = parts.train
    kinds = ", ".join(
        f"{len(train.interactions.of(place)):,} x {name}"
        for place, name in enumerate(train.schema.behaviours)
    )
    return [
        f"## {data}",
        "",
        f"{len(train.users):,} users, {len(train.items):,} items; {kinds}; {len(parts.test):,} "
        "questions.",
        "",
    ]


def cell(estimate: Any) -> str:
    """A figure with its interval, where it has one."""
    if estimate.low is None:
        return f"{estimate.mean:.4f}"
    return f"{estimate.mean:.4f} ({estimate.low:.4f} – {estimate.high:.4f})"


def better(report: Report, one: str, other: str, metric: str = "ndcg@10") -> str:
    """Two cells: by how much a run is better on the same questions, and the p of that (Holm)."""
    for pair in report.comparisons:
        if pair.metric == metric and {pair.a, pair.b} == {one, other}:
            sign = 1 if pair.a == one else -1
            low, high = sorted((sign * pair.low, sign * pair.high))
            return f"{sign * pair.difference:+.4f} ({low:+.4f} – {high:+.4f}) | {pair.p_holm:.2g}"
    return "- | -"
