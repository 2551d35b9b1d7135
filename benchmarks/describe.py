"""How long describing a dataset takes, and how much memory besides the events.

python benchmarks/describe.py --events 1000000 100000000 --out benchmarks/results/describe.md
"""

import argparse
import os
import platform
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl

from grapevine.data.dataset import Dataset
from grapevine.data.describe import describe
from grapevine.data.interactions import Interactions
from grapevine.data.schema import Schema
from grapevine.data.vocabulary import Vocabulary
from grapevine.random import stream

BLOCK = 1_000_000
EVENTS_PER_USER = 100


def generated(num_events: int, behaviours: int, seed: int) -> Dataset:
    """A user for each 100 events, an item for each 500, over a year; whole users in each block."""
    rng = stream(seed, "benchmark", "describe")
    num_users, num_items = num_events // EVENTS_PER_USER, num_events // 500
    num_events = num_users * EVENTS_PER_USER
    times = np.empty(num_events, np.int64)
    items = np.empty(num_events, np.int32)
    for start in range(0, num_events, BLOCK):
        place = slice(start, min(start + BLOCK, num_events))
        size = place.stop - start
        drawn = rng.integers(0, 365 * 86_400_000, (size // EVENTS_PER_USER, EVENTS_PER_USER))
        times[place] = 1_600_000_000_000 + np.sort(drawn, axis=1).ravel()
        items[place] = num_items * rng.random(size) ** 2
    return Dataset(
        schema=Schema(behaviours=tuple(f"step {place}" for place in range(behaviours))),
        users=Vocabulary(pl.Series(np.arange(num_users))),
        items=Vocabulary(pl.Series(np.arange(num_items))),
        interactions=Interactions(
            offsets=np.arange(num_users + 1) * EVENTS_PER_USER,
            items=items,
            behaviours=rng.integers(0, behaviours, num_events, np.uint8),
            times=times,
            num_items=num_items,
        ),
        item_table=pl.DataFrame({"item_id": np.arange(num_items)}),
    )


def gib(field: str) -> float:
    status = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in status if line.startswith(field)) / 2**20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--events", type=int, nargs="+", default=[1_000_000])
    parser.add_argument("--behaviours", type=int, nargs="+", default=[1, 4])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    lines = [
        "| events | behaviours | s | GiB besides the events |",
        "|---:|---:|---:|---:|",
    ]
    for num_events in args.events:
        for behaviours in args.behaviours:
            data = generated(num_events, behaviours, args.seed)
            Path("/proc/self/clear_refs").write_text("5")  # forget the peak so far; Linux only
            before, started = gib("VmRSS"), time.perf_counter()
            description = describe(data)
            seconds, peak = time.perf_counter() - started, gib("VmHWM") - before
            lines.append(
                f"| {description.counts['events']:,} | {behaviours} | {seconds:.2f} | {peak:.2f} |"
            )
            print(lines[-1], flush=True)
            del data
    if args.out:
        header = [
            "# Describing a dataset",
            "",
            f"{datetime.now(UTC):%Y-%m-%d}, `python benchmarks/describe.py "
            f"{' '.join(sys.argv[1:])}`, {os.cpu_count()} cores, {platform.system()}, "
            f"Python {platform.python_version()}, seed {args.seed}. Generated events, held in "
            "memory; the time is that of `describe` alone.",
            "",
        ]
        args.out.write_text("\n".join([*header, *lines]) + "\n")


if __name__ == "__main__":
    main()
