"""An answer by stage: history to arrays, user side, filters, retrieval, rules.

A SASRec with random weights over a generated catalogue: what it takes to answer does not depend on
what was learnt. Item vectors are drawn without any structure, which is the hardest case for an
index. Every question is another user with a history of its own; times are of the processor, of one
thread, the median and the 99th of a hundred over all questions.

    .venv/bin/python benchmarks/serving_engine.py
"""

import argparse
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import torch
from threadpoolctl import threadpool_limits

from grapevine.data.dataset import Dataset
from grapevine.data.interactions import Interactions
from grapevine.data.schema import Schema
from grapevine.data.vocabulary import Vocabulary
from grapevine.models import MODELS
from grapevine.models.run import Run
from grapevine.models.sequence.network import Network
from grapevine.serving.engine import Asked, Filters, Happened, Pin, Rules, Served, Weight
from grapevine.serving.engine.sanity import check

CATEGORIES = 50
NOW = 1_760_000_000_000
ASKED = {
    "a known user": {},
    "and 10 newer events": {"newer": 10},
    "category, one of 50": {"filters": Filters(category=("c07",))},
    "in stock, price below 50": {"filters": Filters(in_stock=True, most=50.0)},
    "boost and bury": {
        "rules": Rules(
            boost=(Weight(where=("category=c03",), factor=2.0),),
            bury=(Weight(where=("price>90",), factor=0.5),),
        )
    },
    "diversity 0.3": {"rules": Rules(diversity=0.3)},
    "calibration 0.2": {"rules": Rules(calibration=0.2)},
    "pin, cap, 100 excluded": {"rules": Rules(pin=(Pin("i000042", 1),), most_shown=3)},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--items", type=int, default=100_000)
    parser.add_argument("--users", type=int, default=2_000)
    parser.add_argument("--events", type=int, default=50)
    parser.add_argument("--length", type=int, default=50, help="events that the model hears")
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--questions", type=int, default=1_000)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    torch.set_num_threads(1)
    print(
        f"{given.items:,} items, width {given.width}, histories of {given.events}, "
        f"{given.questions:,} questions each, k = 10, one thread\n"
    )
    with tempfile.TemporaryDirectory() as scratch, threadpool_limits(1):
        folder = Path(scratch) / "run"
        made(given).save(folder)
        graph = exported(folder, Path(scratch) / "user-side.onnx")
        plain = timed_open(folder, None)
        served = plain if graph is None else timed_open(folder, graph)
        found = check(served, None)
        settings = served.sides["buy"].way.index.settings
        print(
            f"\nindex: {settings.kind}, effort {settings.effort}, recall@10 {settings.recall:.4f} "
            f"of its own queries, {found.recall:.4f} of users' histories\n"
        )
        stages = ("history", "user", "filters", "retrieval", "rules", "why")
        print(f"| question | p50 ms | p99 ms | {' | '.join(stages)} |")
        print(f"| --- | --- | --- |{' --- |' * len(stages)}")
        for name, how in ASKED.items():
            row(name, served, given, how, stages)
        row("a known user, the network itself", plain, given, {}, stages)


def made(given: argparse.Namespace) -> Run:
    """A run of random weights, whose users have histories of the length asked for."""
    draw = np.random.default_rng(given.seed)
    ids = pl.Series("item_id", [f"i{row:06d}" for row in range(given.items)])
    table = pl.DataFrame(
        {
            "item_id": ids,
            "title": [f"thing {row}" for row in range(given.items)],
            "category": [f"c{one:02d}" for one in draw.integers(CATEGORIES, size=given.items)],
            "price": draw.uniform(1, 100, given.items).round(2),
            "in_stock": draw.random(given.items) < 0.9,
        }
    )
    events = given.users * given.events
    roles = {"title": "title", "category": "category", "price": "number", "in_stock": "category"}
    train = Dataset(
        schema=Schema(name="generated", behaviours=("click", "buy"), items=roles),
        users=Vocabulary.of([f"u{row:06d}" for row in range(given.users)]),
        items=Vocabulary(ids),
        interactions=Interactions(
            offsets=np.arange(given.users + 1) * given.events,
            items=draw.integers(given.items, size=events).astype(np.int32),
            behaviours=np.ones(events, np.uint8),
            times=NOW + 60_000 * np.arange(events),
            num_items=given.items,
        ),
        item_table=table,
    )
    row = MODELS["sasrec"]
    config = replace(row.config, width=given.width, length=given.length, heads=2, blocks=2)
    torch.manual_seed(given.seed)
    network = Network(config, given.items)
    model = row.model.of(
        config,
        {name: one.numpy().copy() for name, one in network.state_dict().items()},
        behaviour=np.array([1]),
        met=np.ones(given.items, np.bool_),
        times=False,
    )
    record = {"seed": given.seed, "events": events, "train_seconds": 0.0}
    return Run.of("sasrec", model, train, record, None)


def exported(folder: Path, out: Path) -> Path | None:
    """The user side as ONNX; None where a package for it is missing."""
    from grapevine.errors import ConfigError
    from grapevine.serving.engine.export import export

    started = time.perf_counter()
    try:
        done = export(folder, out)
    except ConfigError as error:
        print(f"without ONNX: {error}")
        return None
    print(
        f"exported in {time.perf_counter() - started:.1f} s, {done.bytes / 1e6:.1f} MB; greatest "
        f"difference {done.difference:.1e} in float32, {done.rounded:.1e} to bfloat16 layers"
    )
    return out


def timed_open(folder: Path, onnx: Path | None) -> Served:
    started = time.perf_counter()
    served = Served.open(folder, onnx=onnx)
    print(f"opened {'with' if onnx else 'without'} ONNX in {time.perf_counter() - started:.1f} s")
    return served


def row(name: str, served: Served, given, how: dict, stages: tuple[str, ...]) -> None:
    """One kind of question: the processor's time of each, and the clock's by stage."""
    questions = [question(given, number, **how) for number in range(given.questions)]
    for asked in questions[:50]:
        served.answer(asked)
    took, parts = [], []
    for asked in questions:
        before = time.thread_time()
        answer = served.answer(asked)
        took.append(1e3 * (time.thread_time() - before))
        parts.append([1e3 * answer.took[stage] for stage in stages])
    told = " | ".join(f"{part:.3f}" for part in np.median(parts, axis=0))
    print(
        f"| {name} | {np.median(took):.3f} | {np.quantile(took, 0.99):.3f} | {told} |", flush=True
    )


def question(given, number: int, newer: int = 0, **how) -> Asked:
    draw = np.random.default_rng([given.seed, number])
    some = [f"i{one:06d}" for one in draw.integers(given.items, size=newer + 100).tolist()]
    last = NOW + 60_000 * given.users * given.events
    more = {}
    if "rules" in how and how["rules"].most_shown:
        more = {"shown": dict.fromkeys(some, 5), "filters": Filters(exclude=some)}
    return Asked(
        user_id=f"u{number % given.users:06d}",
        history=[Happened(one, "buy", last + n) for n, one in enumerate(some[:newer])],
        **more,
        **how,
    )


if __name__ == "__main__":
    main()
