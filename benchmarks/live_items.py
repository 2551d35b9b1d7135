"""Items put and deleted while a run is in service: what it takes, and what answers take beside.

The run of `serving_engine.py`: a SASRec with random weights over a generated catalogue.

    .venv/bin/python benchmarks/live_items.py
"""

import argparse
import time

import numpy as np
import torch
from threadpoolctl import threadpool_limits

from grapevine.serving.engine import Asked, Host, Live, Served
from serving_engine import made

NEW = (0, 100, 1_000, 10_000)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--items", type=int, default=100_000)
    parser.add_argument("--users", type=int, default=2_000)
    parser.add_argument("--events", type=int, default=50)
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--questions", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    torch.set_num_threads(1)
    print(f"{given.items:,} items, width {given.width}, histories of {given.events}, one thread\n")
    print("| new items | all at once s | one more ms | a price ms | a deletion ms | answer ms |")
    print("| --- | --- | --- | --- | --- | --- |")
    with threadpool_limits(1):
        served = Served.of(made(given), "benchmark")
        Host(served).revise(Live().said({"warm": thing(0)}))
        for new in NEW:
            line(Host(served), new, given)


def line(host: Host, new: int, given: argparse.Namespace) -> None:
    """What it takes with so many new items there already."""
    live = Live().said({f"n{row:05d}": thing(row) for row in range(new)})
    took = [timed(host, live)]
    for change in (
        lambda n: {f"m{n}": thing(n)},
        lambda n: {f"i{n:06d}": {"price": 1.0 + n}},
        lambda n: {f"i{n:06d}": None},
    ):
        each = []
        for n in range(20):
            live = live.said(change(n))
            each.append(1000 * timed(host, live))
        took.append(float(np.median(each)))
    answers = []
    for n in range(given.questions):
        began = time.perf_counter()
        host.answer(Asked(user_id=f"u{n:06d}"))
        answers.append(1000 * (time.perf_counter() - began))
    said = " | ".join(f"{one:.1f}" for one in took[1:])
    print(f"| {new:,} | {took[0]:.1f} | {said} | {np.median(answers):.2f} |", flush=True)


def timed(host: Host, live: Live) -> float:
    """Seconds until all answers know it."""
    began = time.perf_counter()
    host.revise(live)
    return time.perf_counter() - began


def thing(row: int) -> dict[str, object]:
    """What is said of a new item."""
    return {"title": f"thing {row} anew", "category": f"c{row % 50:02d}", "price": 9.0 + row % 90}


if __name__ == "__main__":
    main()
