"""How long splitting and auditing take, and how much memory they need besides the events.

python benchmarks/split.py --events 1000000 10000000 --out benchmarks/results/split.md
"""

import argparse
import os
import platform
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from grapevine.data import split
from grapevine.data.audit import audit
from grapevine.data.dataset import Dataset
from grapevine.data.interactions import Interactions
from grapevine.data.schema import Schema
from grapevine.data.vocabulary import Vocabulary
from grapevine.random import stream
from grapevine.structs.jagged import offsets_of

RULES = {"leave-last-out": split.leave_last_out, "time": split.by_time}


def generated(num_events: int, seed: int) -> Dataset:
    """A user for each 100 events, an item for each 1,000, in three behaviours over a year."""
    rng = stream(seed, "benchmark", "split")
    num_users, num_items = max(num_events // 100, 1), max(num_events // 1_000, 1)
    lengths = rng.multinomial(num_events, rng.dirichlet(np.ones(num_users)))
    offsets = offsets_of(lengths)
    times = rng.integers(0, 365 * 86_400_000, num_events)
    for start, stop in pairwise(offsets):
        times[start:stop].sort()
    items = (num_items * rng.random(num_events, np.float32) ** 3).astype(np.int32)
    return Dataset(
        schema=Schema(behaviours=("click", "cart", "buy"), target="buy", catalogue=False),
        users=Vocabulary(pl.Series(np.arange(num_users))),
        items=Vocabulary(pl.Series(np.arange(num_items))),
        interactions=Interactions(
            offsets=offsets,
            items=np.minimum(items, num_items - 1),
            behaviours=rng.integers(0, 3, num_events, np.uint8),
            times=times,
            num_items=num_items,
        ),
        item_table=pl.DataFrame({"item_id": np.arange(num_items)}),
    )


def measured(work: Callable[[], Any]) -> tuple[Any, float, float]:
    """What the work returns, its seconds, and by how many GiB its peak exceeds what was held."""
    Path("/proc/self/clear_refs").write_text("5")  # forget the peak so far; Linux only
    before = gib("VmRSS")
    started = time.perf_counter()
    result = work()
    seconds = time.perf_counter() - started
    return result, seconds, gib("VmHWM") - before


def gib(field: str) -> float:
    status = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in status if line.startswith(field)) / 2**20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--events", type=int, nargs="+", default=[1_000_000])
    parser.add_argument("--rule", choices=RULES, nargs="+", default=list(RULES))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    for rule in RULES.values():  # compile, so that it is not timed
        audit(rule(generated(10_000, args.seed)))
    lines = [
        "| events | rule | split, s | split, GiB | audit, s | audit, GiB | queries |",
        "|---:|---|---:|---:|---:|---:|---:|",
    ]
    for num_events in args.events:
        data = generated(num_events, args.seed)
        for name in args.rule:
            parts, seconds, gib = measured(lambda rule=name, data=data: RULES[rule](data))
            result, audit_seconds, audit_gib = measured(lambda parts=parts: audit(parts))
            result.raise_if_leaking()
            lines.append(
                f"| {num_events:,} | {name} | {seconds:.2f} | {gib:.2f} | {audit_seconds:.2f} | "
                f"{audit_gib:.2f} | {len(parts.test):,} |"
            )
            print(lines[-1], flush=True)
            del parts, result
    if args.out:
        header = [
            "# Splitting and auditing",
            "",
            f"{datetime.now(UTC):%Y-%m-%d}, `python benchmarks/split.py {' '.join(sys.argv[1:])}`, "
            f"{os.cpu_count()} cores, {platform.system()}, Python {platform.python_version()}. "
            "Memory is the peak above what was held before: the split's result is in the first, "
            "the whole dataset in neither.",
            "",
        ]
        args.out.write_text("\n".join([*header, *lines]) + "\n")


if __name__ == "__main__":
    main()
