"""The whole way at scale: make a shop, import it, split it, audit it, evaluate popularity.

    python benchmarks/scale.py --events 10 30 100 --folder /tmp/scale

Every step runs in a process of its own; seconds and the peak of its resident memory are taken
from the operating system. The last result stands in results/scale.md and results/scale.svg.
"""

from pathlib import Path
from typing import Any

from steps import Steps

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


STEPS = Steps(
    file=__file__,
    title="The whole way at scale",
    what="events",
    work={"make": make, "import": import_, "split": split, "evaluate": evaluate},
)

if __name__ == "__main__":
    STEPS.main(__doc__)
