"""Import generated events from CSV: rows per second and peak memory, beside Polars.

python benchmarks/import_events.py --events 50_000_000 --ids text
"""

import argparse
import json
import multiprocessing
import os
import platform
import resource
import shutil
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl

from grapevine.data.importer import import_events
from grapevine.random import stream

BLOCK = 1_000_000
BEHAVIOURS = ("click", "collect", "cart", "buy")


def generate(path: Path, events: int, ids: str, seed: int) -> None:
    """Events in the order of time, of users and items with long tails, and a few repeated."""
    num_users, num_items = max(events // 50, 10), max(events // 500, 10)
    user, item = ("u{}", "item-{}") if ids == "text" else ("{}", "{}")
    clock = 1_600_000_000_000
    with path.open("wb") as file:
        file.write(b"user_id,item_id,behaviour,timestamp\n")
        for start in range(0, events, BLOCK):
            generator = stream(seed, "import", start)
            rows = min(BLOCK, events - start)
            times = clock + np.cumsum(generator.integers(0, 12, rows))
            clock = int(times[-1])
            # One event in a hundred arrives up to a minute late.
            late = generator.random(rows) < 0.01
            block = pl.DataFrame(
                {
                    "user_id": (num_users * generator.random(rows) ** 1.5).astype(np.int64),
                    "item_id": (num_items * generator.random(rows) ** 3).astype(np.int64),
                    "behaviour": generator.choice(4, rows, p=[0.8, 0.1, 0.06, 0.04]),
                    "timestamp": times - late * generator.integers(0, 60_000, rows),
                }
            )
            block.select(
                pl.format(user, "user_id").alias("user_id"),
                pl.format(item, "item_id").alias("item_id"),
                pl.col("behaviour").replace_strict(dict(enumerate(BEHAVIOURS))),
                "timestamp",
            ).write_csv(file, include_header=False)


def grapevine_import(source: Path, out: Path) -> None:
    import_events(source, out)


def polars_to_parquet(source: Path, out: Path) -> None:
    """What one would write by hand: read, sort by user and time, write."""
    out.mkdir()
    events = pl.read_csv(source).sort("user_id", "timestamp", maintain_order=True)
    events.write_parquet(out / "events.parquet", compression="zstd")


def polars_scan(source: Path, out: Path) -> None:
    """Only reading: every field is parsed, and nothing kept but a count."""
    pl.scan_csv(source).select(pl.col("*").count()).collect(engine="streaming")


WORK: dict[str, Callable[[Path, Path], None]] = {
    "grapevine: import, checked": grapevine_import,
    "Polars: read, sort, write": polars_to_parquet,
    "Polars: scan": polars_scan,
}


def memory_of(pid: int) -> int:
    """Resident bytes of a process; 0 once it is gone."""
    try:
        pages = Path(f"/proc/{pid}/statm").read_text().split()[1]
    except (FileNotFoundError, ProcessLookupError, IndexError):
        return 0
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


def cpu_seconds() -> float:
    """Time that processes started from here, and over by now, have had on all cores."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def measured(name: str, source: Path, out: Path) -> dict[str, float]:
    """Seconds and peak resident memory of one piece of work, in a process of its own."""
    shutil.rmtree(out, ignore_errors=True)
    process = multiprocessing.get_context("spawn").Process(target=WORK[name], args=(source, out))
    peak = 0
    done = threading.Event()

    def watch() -> None:
        nonlocal peak
        while not done.wait(0.01):
            peak = max(peak, memory_of(process.pid or 0))

    used_before = cpu_seconds()
    began = time.perf_counter()
    process.start()
    watcher = threading.Thread(target=watch)
    watcher.start()
    process.join()
    seconds = time.perf_counter() - began
    done.set()
    watcher.join()
    if process.exitcode:
        raise SystemExit(f"{name} failed with exit code {process.exitcode}")
    size = sum(file.stat().st_size for file in out.rglob("*")) if out.exists() else 0
    shutil.rmtree(out, ignore_errors=True)
    return {
        "seconds": seconds,
        "cpu_seconds": cpu_seconds() - used_before,
        "peak_gib": peak / 2**30,
        "written_mib": size / 2**20,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=50_000_000)
    parser.add_argument("--ids", choices=["text", "integers"], default="text")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, default=Path("runs/benchmarks/import"))
    parser.add_argument("--only", choices=list(WORK), action="append")
    parser.add_argument("--out", type=Path, help="also append the table to this file")
    args = parser.parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)
    source = args.folder / f"events-{args.events}-{args.ids}-{args.seed}.csv"
    if not source.exists():
        generate(source, args.events, args.ids, args.seed)
    # Compiled once per machine: a first import of a small file pays for it, not the measured one.
    small = args.folder / "small.csv"
    generate(small, 1000, args.ids, args.seed)
    measured("grapevine: import, checked", small, args.folder / "out")
    lines = [
        f"## {args.events:,} events, {args.ids} IDs",
        "",
        f"{source.stat().st_size / 2**30:.2f} GiB of CSV. {datetime.now(UTC):%Y-%m-%d}, "
        f"{os.cpu_count()} cores ({platform.machine()}), "
        f"Python {platform.python_version()}, polars {pl.__version__}, seed {args.seed}:",
        f"`python benchmarks/import_events.py --events {args.events} --ids {args.ids}`",
        "",
        "| work | seconds | CPU seconds | rows/s | peak GiB | written MiB | time against import |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    base = None
    for name in args.only or WORK:
        found = measured(name, source, args.folder / "out")
        base = base or found["seconds"]
        lines.append(
            f"| {name} | {found['seconds']:.1f} | {found['cpu_seconds']:.1f} "
            f"| {args.events / found['seconds']:,.0f} "
            f"| {found['peak_gib']:.2f} | {found['written_mib']:.0f} "
            f"| {found['seconds'] / base:.2f} |"
        )
        print(json.dumps({"work": name, **found}))
    print("\n".join(lines))
    if args.out:
        with args.out.open("a", encoding="utf-8") as file:
            file.write("\n".join(lines) + "\n\n")


if __name__ == "__main__":
    main()
