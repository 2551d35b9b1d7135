"""Steps of a sequence model by the size of the catalogue: what is held, and how long one takes.

    python benchmarks/large_catalogue.py --write

Each row is a process of its own: histories of random items, a SASRec of width 64, some steps. Told
are the median of a step, the most that the process had held before the first step, after it (the
moments of Adam are made in it) and after the last, and the rows of the item table that a step has
gradients of.
"""

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import time
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from grapevine.data.dataset import Dataset
from grapevine.data.interactions import Interactions
from grapevine.data.schema import Schema
from grapevine.data.vocabulary import Vocabulary
from grapevine.models.sequence import SASRec

RESULTS = Path(__file__).parent / "results"
LOSSES: dict[str, dict[str, Any]] = {
    "softmax": {},
    "sampled-softmax": {"negatives": 2048, "drawn": "mixed"},
    "bpr-max": {"negatives": 2048, "drawn": "mixed"},
    "gbce": {"negatives": 256},
    "bce": {"negatives": 1},
}
USERS, LENGTH = 640, 51


def main() -> None:
    """Run every loss at every size, and tell; or one of them, if asked for that."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--losses", nargs="+", choices=LOSSES, default=list(LOSSES))
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(measured(options.losses[0], options.items[0], options.steps)))
        return
    lines = [
        "| loss | items | s a step | GiB before | GiB, first step | GiB, all steps | rows moved |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for loss in options.losses:
        for items in options.items:
            found = alone(loss, items, options.steps)
            lines.append(
                f"| {loss} | {items:,} | {found['seconds']:.3f} | {found['before']:.2f} "
                f"| {found['first']:.2f} | {found['peak']:.2f} | {found['moved']:,} |"
            )
            print(lines[-1], flush=True)
    if options.write:
        said = (
            f"# Large catalogues\n\n{date.today()}, {os.cpu_count()} cores, "
            f"{platform.system()}; `python {' '.join(sys.argv)}`. Batches of 32 histories of 50 "
            f"events, width 64, float32 tables, seed 0, {options.steps} steps.\n\n"
        )
        page = RESULTS / "large_catalogue.md"
        page.write_text(said + "\n".join(lines) + "\n", encoding="utf-8")


def alone(loss: str, items: int, steps: int) -> dict[str, float]:
    """What one process measures."""
    command = [sys.executable, __file__, "--one", "--losses", loss]
    command += ["--items", str(items), "--steps", str(steps)]
    return json.loads(subprocess.check_output(command).splitlines()[-1])


def measured(loss: str, items: int, steps: int) -> dict[str, float]:
    """Train for some steps."""
    config = SASRec.Config(
        length=50, batch=32, loss=loss, precision="float32", dropout=0.0, **LOSSES[loss]
    )
    learner = config.learner(histories(items), seed=0)
    batches, before = learner.batches(0), held()
    table = learner.network.items.weight
    first, seconds = 0.0, list[float]()
    for step in range(steps):
        batch = batches[step % len(batches)]
        start = time.perf_counter()
        learner.step(batch, 1e-3)
        seconds.append(time.perf_counter() - start)
        first = first or held()
    assert table.grad is not None
    moved = len(table.grad.coalesce().indices()[0]) if table.grad.is_sparse else len(table)
    return {
        "seconds": float(np.median(seconds)), "before": before, "first": first, "peak": held(),
        "moved": moved,
    }  # fmt: skip


def histories(items: int) -> Dataset:
    """So many users of so many random events."""
    rng = np.random.default_rng(0)
    total = USERS * LENGTH
    return Dataset(
        schema=Schema(name="random", behaviours=("event",)),
        users=Vocabulary.of(range(USERS)),
        items=Vocabulary.of(range(items)),
        interactions=Interactions(
            offsets=np.arange(USERS + 1, dtype=np.int64) * LENGTH,
            items=rng.integers(items, size=total).astype(np.int32),
            behaviours=np.zeros(total, np.uint8),
            times=np.arange(total, dtype=np.int64) * 1000,
            num_items=items,
        ),
        item_table=pl.DataFrame({"item_id": np.arange(items)}),
    )


def held() -> float:
    """GiB that were resident at the peak so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


if __name__ == "__main__":
    main()
