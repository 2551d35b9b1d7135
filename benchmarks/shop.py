"""How fast the built-in shop is made: seconds, events a second, peak memory.

    python benchmarks/shop.py --users 2000 14286 142858

Each size runs in a process of its own, so that the peak memory is its own. Compiled code is
cached by a first small shop.
"""

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pyarrow.parquet as pq


def measure(users: int, events: int | None, seed: int) -> str:
    """One row of the table, measured in this process."""
    from grapevine.data import shop

    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        out = shop.make(Path(folder) / "shop", users=users, events=events, seed=seed)
        seconds = time.perf_counter() - start
        made = pq.read_metadata(out / "events.parquet").num_rows
        items = pq.read_metadata(out / "items.parquet").num_rows
        size = sum(path.stat().st_size for path in out.rglob("*") if path.is_file())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    return (
        f"| {users:,} | {items:,} | {made:,} | {seconds:.2f} | {made / seconds:,.0f} | "
        f"{peak:.2f} | {size / 2**20:,.0f} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--users", type=int, nargs="+", default=[2_000, 14_286, 142_858])
    parser.add_argument("--events", type=int, help="about so many; 70 a user if not given")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--one", action="store_true", help="measure in this process")
    options = parser.parse_args()
    if options.one:
        print(measure(options.users[0], options.events, options.seed))
        return
    print("| users | items | events | seconds | events / s | peak GiB | folder MiB |")
    print("|---|---|---|---|---|---|---|")
    more = ["--events", str(options.events)] if options.events else []
    for users in [200, *options.users]:
        command = [sys.executable, __file__, "--one", "--seed", str(options.seed), *more]
        row = subprocess.run(
            [*command, "--users", str(users)], check=True, capture_output=True, text=True
        ).stdout
        if users != 200:
            print(row, end="", flush=True)


if __name__ == "__main__":
    main()
