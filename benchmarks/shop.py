"""How fast the built-in shop is made: seconds, CPU seconds, events a second, peak memory.

    python benchmarks/shop.py --users 2000 12500 125000

Each size runs in a process of its own, so that the peak memory is its own. Compiled code is
cached by a first small shop.
"""

import argparse
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from datetime import date
from pathlib import Path

import pyarrow.parquet as pq


def measure(users: int, events: int | None, seed: int) -> str:
    """One row of the table, measured in this process."""
    from grapevine.data import shop

    with tempfile.TemporaryDirectory() as folder:
        used = resource.getrusage(resource.RUSAGE_SELF)
        before, start = used.ru_utime + used.ru_stime, time.perf_counter()
        out = shop.make(Path(folder) / "shop", users=users, events=events, seed=seed)
        seconds = time.perf_counter() - start
        made = pq.read_metadata(out / "events.parquet").num_rows
        items = pq.read_metadata(out / "items.parquet").num_rows
        size = sum(path.stat().st_size for path in out.rglob("*") if path.is_file())
    used = resource.getrusage(resource.RUSAGE_SELF)
    peak, busy = used.ru_maxrss / 2**20, used.ru_utime + used.ru_stime - before
    return (
        f"| {users:,} | {items:,} | {made:,} | {seconds:.2f} | {busy:.2f} | "
        f"{made / seconds:,.0f} | {peak:.2f} | {size / 2**20:,.0f} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--users", type=int, nargs="+", default=[2_000, 12_500, 125_000])
    parser.add_argument("--events", type=int, help="about so many; 80 a user if not given")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="write the table to this file too")
    parser.add_argument("--one", action="store_true", help="measure in this process")
    options = parser.parse_args()
    if options.one:
        print(measure(options.users[0], options.events, options.seed))
        return
    lines = [
        "| users | items | events | seconds | CPU s | events / s | peak GiB | folder MiB |",
        "|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    more = ["--events", str(options.events)] if options.events else []
    for users in [200, *options.users]:
        command = [sys.executable, __file__, "--one", "--seed", str(options.seed), *more]
        made = subprocess.run(
            [*command, "--users", str(users)], check=True, capture_output=True, text=True
        )
        if users != 200:
            lines.append(made.stdout.strip())
    table = "\n".join(lines)
    print(table)
    if options.out:
        head = f"{date.today()}, `python {' '.join(sys.argv)}`, {os.cpu_count()} cores, "
        load = f"load {os.getloadavg()[0]:.1f} while it ran"
        system = f"{platform.system()}, Python {platform.python_version()}, {load}"
        options.out.write_text(f"# Making the shop\n\n{head}{system}.\n\n{table}\n")


if __name__ == "__main__":
    main()
