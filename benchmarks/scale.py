"""The whole way at scale: make a shop, import it, split it, audit it, evaluate popularity.

    python benchmarks/scale.py --events 10 30 100 --folder /tmp/scale

Every step runs in a process of its own; seconds and the peak of its resident memory are taken
from the operating system. The last result stands in results/scale.md and results/scale.svg.
"""

import argparse
import json
import os
import platform
import resource
import shutil
import subprocess
import sys
import time
from datetime import date
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"
MILLION = 1_000_000
STEPS = ("make", "import", "split", "evaluate")
EVENTS_PER_USER = 75
ITEMS = 100_000
"""The same at every size: full ranking takes time by questions x items."""


def make(folder: Path, events: int, seed: int) -> dict[str, Any]:
    from grapevine.data import shop

    shop.make(
        folder / "shop",
        users=events // EVENTS_PER_USER,
        items=ITEMS,
        events=events,
        seed=seed,
    )
    return {}


def import_(folder: Path, events: int, seed: int) -> dict[str, Any]:
    from grapevine.data.importer import import_events

    report = import_events(
        folder / "shop" / "events.parquet",
        folder / "imported",
        items=folder / "shop" / "items.parquet",
        behaviours=["click", "collect", "cart", "buy"],
    )
    return {"events": report.good, "bad": report.bad}


def split(folder: Path, events: int, seed: int) -> dict[str, Any]:
    from grapevine import pipeline
    from grapevine.data import split as splits
    from grapevine.data.folder import open_dataset

    parts = pipeline.prepare(open_dataset(folder / "imported"), "time")
    splits.write(parts, folder / "split")
    return dict(parts.counts)


def evaluate(folder: Path, events: int, seed: int) -> dict[str, Any]:
    from grapevine import pipeline
    from grapevine.data.folder import open_dataset

    parts = pipeline.prepare(open_dataset(folder / "split"), "published")
    run = pipeline.fit("popularity", parts.train)
    report = pipeline.evaluate([run], parts.test, train=parts.train)
    mean = report.to_json()["runs"][0]["metrics"]["ndcg@10"]["mean"]
    return {"queries": len(parts.test), "items": len(parts.train.items), "ndcg@10": mean}


WORK = {"make": make, "import": import_, "split": split, "evaluate": evaluate}


def step(name: str, folder: Path, events: int, seed: int) -> dict[str, Any]:
    """Run one step in a process of its own and say what it took."""
    started = time.perf_counter()
    arguments = [sys.executable, __file__, "--step", name, "--folder", str(folder)]
    arguments += ["--events", str(events / MILLION), "--seed", str(seed)]
    out = subprocess.run(arguments, check=True, stdout=subprocess.PIPE, text=True).stdout
    line: dict[str, Any] = json.loads(out.splitlines()[-1])
    return {"seconds": time.perf_counter() - started, **line}


def write_results(rows: list[dict[str, Any]], command: str) -> None:
    RESULTS.mkdir(exist_ok=True)
    lines = [
        "# The whole way at scale",
        "",
        f"{date.today()}, `{command}`, one run, seed in the command; "
        f"{os.cpu_count()} cores, {os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') >> 30}"
        f" GiB, {platform.system()}, Python {platform.python_version()}. Each step is a process "
        "of its own, its start included; memory is the peak of its resident set.",
        "",
        "| events | step | seconds | million events/s | peak GiB | what it saw |",
        "|---|---|---|---|---|---|",
    ]
    for row in rows:
        seen = {k: v for k, v in row.items() if k not in {"n", "step", "seconds", "gib"}}
        rate = float(row["n"]) / MILLION / float(row["seconds"])
        lines.append(
            f"| {int(row['n']) // MILLION} M | {row['step']} | {row['seconds']:.1f} | {rate:.2f} "
            f"| {row['gib']:.2f} | {', '.join(f'{k} {v}' for k, v in seen.items())} |"
        )
    lines += ["", "![seconds by events](scale.svg)"]
    (RESULTS / "scale.md").write_text("\n".join(lines) + "\n")
    (RESULTS / "scale.svg").write_text(plot(rows))


def plot(rows: list[dict[str, Any]], steps: tuple[str, ...] = STEPS, what: str = "events") -> str:
    """Seconds by million events, one line a step; a straight line is time linear in events."""
    width, height, left, low = 640, 360, 60, 40
    most_n = max(float(row["n"]) for row in rows)
    most_s = max(float(row["seconds"]) for row in rows)
    colours = dict(zip(steps, ("#6d28d9", "#0f766e", "#b45309", "#be123c"), strict=True))

    def x(n: object) -> float:
        return left + float(n) / most_n * (width - left - 110)

    def y(seconds: object) -> float:
        return height - low - float(seconds) / most_s * (height - low - 30)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        'font-family="sans-serif" font-size="12">',
        f'<rect width="{width}" height="{height}" fill="white"/>',
        f'<text x="{left}" y="18">seconds by million {what} (one process a step)</text>',
    ]
    parts += [
        f'<text x="{x(n):.0f}" y="{height - 18}" text-anchor="middle">{n // MILLION}</text>'
        for n in sorted({int(row["n"]) for row in rows})
    ]
    for tick in range(5):
        value = most_s * tick / 4
        parts.append(
            f'<line x1="{left}" x2="{width - 110}" y1="{y(value):.0f}" y2="{y(value):.0f}" '
            f'stroke="#ddd"/><text x="{left - 6}" y="{y(value) + 4:.0f}" '
            f'text-anchor="end">{value:.0f}</text>'
        )
    for name in steps:
        points = [(x(row["n"]), y(row["seconds"])) for row in rows if row["step"] == name]
        path = " ".join(f"{a:.1f},{b:.1f}" for a, b in [(x(0), y(0)), *points])
        parts.append(
            f'<polyline points="{path}" fill="none" stroke="{colours[name]}" stroke-width="2"/>'
        )
        parts += [f'<circle cx="{a:.1f}" cy="{b:.1f}" r="3" fill="{colours[name]}"/>'
                  for a, b in points]  # fmt: skip
        a, b = points[-1]
        parts.append(f'<text x="{a + 8:.0f}" y="{b + 4:.0f}" fill="{colours[name]}">{name}</text>')
    return "\n".join([*parts, "</svg>"]) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--events", type=float, nargs="+", default=[10, 30, 100], help="millions")
    parser.add_argument("--folder", type=Path, required=True, help="scratch, emptied afterwards")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--step", choices=STEPS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.step:
        seen = WORK[options.step](options.folder, int(options.events[0] * MILLION), options.seed)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        print(json.dumps({"gib": peak, **seen}))
        return
    rows: list[dict[str, Any]] = []
    for millions in options.events:
        folder = options.folder / f"{millions:g}"
        folder.mkdir(parents=True)
        for name in STEPS:
            row = {"n": int(millions * MILLION), "step": name}
            row |= step(name, folder, int(millions * MILLION), options.seed)
            print(row, flush=True)
            rows.append(row)
        shutil.rmtree(folder)
    write_results(rows, "python " + " ".join(["benchmarks/scale.py", *sys.argv[1:]]))


if __name__ == "__main__":
    main()
