"""What models of several behaviours cost: an epoch, many questions or one, an answer for one user.

    python benchmarks/behaviour_speed.py --mirror DIR [--data taobao-mb] [--users 1000]

- An epoch of each model over a log: the second of two, without validation; memory is the peak of a
  process that does nothing else.
- Vine taught all it can be asked on a made shop, beside one Vine for each behaviour that is taught
  that behaviour alone: seconds of an epoch, and of a training until its own validation stops it.
  What each comes to is not asked here; vine.py has a Vine with one task beside.
- One user asked: what Vine needs to read a history and score every item of the log, what chances of
  200 candidates cost, and a whole `recommend`. It is trained for some seconds: what an answer costs
  does not depend on what was learnt.

The result goes to results/behaviour_speed.md.
"""

import argparse
import os
import platform
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import torch

import grapevine as gv
from behaviours import TOGETHER, rows
from grapevine.data.dataset import Dataset
from grapevine.models.base import Trained
from grapevine.models.vine import Vine
from grapevine.training import train_with
from resumable import prepared
from vine import ALONE, QUICK

RESULTS = Path(__file__).parent / "results"
# What adds up the scores of other rows has no epochs of its own.
LABELS = tuple(
    row.label for row in rows() if isinstance(row.config, Trained) and row.label != TOGETHER
)
ASKED, CANDIDATES = 200, 200
SECONDS = 20


def epoch(data: str, label: str) -> str:
    """One row of the table of epochs, measured in this process."""
    config = next(row.config for row in rows() if row.label == label)
    train = prepared(data).train
    fitting = getattr(config, "fitting", None)
    config = fitting(train) if fitting else config
    lines = train_with(replace(config, epochs=2, patience=0), train).epochs
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    return f"| {label} | {lines[-1]['seconds']:.1f} | {peak:.1f} |"


def joint(users: int) -> list[str]:
    """Seconds of one Vine for all questions, and of one for each."""
    data = gv.shop(users=users)
    configs = {"all of them": (data.schema.target, Vine.Config(**QUICK))} | {
        f"{behaviour} alone": (behaviour, Vine.Config(**(QUICK | ALONE)))
        for behaviour in data.schema.behaviours
    }
    lines = ["| taught | epochs | seconds an epoch | seconds |", "|---|---|---|---|"]
    epochs, whole = list[float](), list[float]()
    for label, (behaviour, config) in configs.items():
        train = gv.pipeline.prepare(of_target(data, behaviour)).train
        began = time.perf_counter()
        run = gv.fit(config, train, seed=0)
        whole.append(time.perf_counter() - began)
        epochs.append(float(np.median([line["seconds"] for line in run.epochs])))
        lines.append(f"| {label} | {len(run.epochs)} | {epochs[-1]:.1f} | {whole[-1]:.0f} |")
    shares = [one[0] / sum(one[1:]) for one in (epochs, whole)]
    lines += [
        "",
        f"An epoch of all costs {shares[0]:.2f} of one of each, and a training {shares[1]:.2f}.",
    ]
    return lines


def of_target(data: Dataset, behaviour: str) -> Dataset:
    """The same events, with another behaviour to be foretold."""
    return replace(data, schema=replace(data.schema, target=behaviour))


def answers(data: str) -> list[str]:
    """Milliseconds of one question, the median and the 99th of a hundred."""
    parts = prepared(data)
    run = gv.fit(Vine.Config(**QUICK), parts.train, seed=0, time_limit=SECONDS)
    items = np.random.default_rng(0).integers(len(run.items), size=(1, CANDIDATES))
    users = run.users.ids

    def after_retrieval(query: int) -> None:
        run.model.chances(parts.test.questions(query, query + 1), items)

    steps: dict[str, Callable[[int], Any]] = {
        "read the history, score every item": lambda query: run.model.score(
            parts.test.questions(query, query + 1)
        ),
        f"the chances of {CANDIDATES} candidates, the history read anew": after_retrieval,
        "`run.recommend` of ten": lambda query: run.recommend(users=[users[query]], k=10),
    }
    lines = ["| | median, ms | 99th of 100, ms |", "|---|---|---|"]
    for label, step in steps.items():
        spent = list[float]()
        for query in range(min(ASKED, len(parts.test))):
            began = time.perf_counter()
            step(query)
            spent.append(1000 * (time.perf_counter() - began))
        lines.append(f"| {label} | {np.median(spent):.2f} | {np.percentile(spent, 99):.2f} |")
    return lines


def measured_apart(data: str, labels: Sequence[str]) -> list[str]:
    """Each row in a process of its own, so that its memory is its own."""
    lines = ["| model | seconds an epoch | peak GiB |", "|---|---|---|"]
    for label in labels:
        command = [sys.executable, __file__, "--data", data, "--one", label]
        told = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        lines.append(told.strip().splitlines()[-1])
        print(lines[-1], flush=True)
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--mirror", type=Path, help="where the public data is, if it is at hand")
    parser.add_argument("--data", default="taobao-mb")
    parser.add_argument("--users", type=int, default=1000, help="of the made shop")
    parser.add_argument("--rows", nargs="+", choices=LABELS, default=LABELS)
    parser.add_argument("--one", help="measure an epoch of this row in this process")
    parser.add_argument("--out", type=Path, default=RESULTS / "behaviour_speed.md")
    options = parser.parse_args()
    if options.mirror:
        os.environ["GRAPEVINE_MIRROR"] = str(options.mirror)
    if options.one:
        print(epoch(options.data, options.one))
        return
    lines = [
        "# What models of several behaviours cost",
        "",
        f"{date.today()}, `python benchmarks/behaviour_speed.py`, {os.cpu_count()} cores, "
        f"{torch.get_num_threads()} threads, {platform.system()}, torch {torch.__version__}.",
        "",
        f"## An epoch over {options.data}",
        "",
        *measured_apart(options.data, options.rows),
        "",
        f"## One model or several, on a shop of {options.users:,} users",
        "",
        *joint(options.users),
        "",
        f"## One user asked, {options.data}",
        "",
        *answers(options.data),
    ]
    options.out.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
