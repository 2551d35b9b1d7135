"""Graph, neighbour table, two layers of PinSage for every item, and index, at scale.

    python benchmarks/graph_scale.py --edges 10 30 100 --folder /tmp/graph-scale

The graph is generated: 25 edges a context and 50 an item in the mean, items taken by a power law.
Every step is a process of its own that reads what the step before it left on disk, memory-mapped;
seconds and the peak of its resident memory are taken from the operating system. The weights of the
network are random: time does not depend on what they learnt. The result goes to
results/graph_scale.md and results/graph_scale.svg.
"""

import time
from pathlib import Path
from typing import Any

import numpy as np

from steps import Steps

WIDTH, FEATURES = 64, 32


def make(folder: Path, edges: int, seed: int) -> None:
    """Contexts with geometric degrees, items by a power law, as the arrays of Interactions."""
    from grapevine.random import stream
    from grapevine.structs.jagged import offsets_of

    draw = stream(seed, "edges")
    lengths = draw.geometric(1 / 25, edges // 25)
    items = np.empty(int(lengths.sum()), np.int32)
    for start in range(0, len(items), 1 << 24):
        part = items[start : start + (1 << 24)]
        part[:] = (edges // 50) * draw.random(len(part), np.float32) ** 1.5
    np.save(folder / "offsets.npy", offsets_of(lengths))
    np.save(folder / "items.npy", items)


def graph(folder: Path, edges: int, seed: int) -> dict[str, Any]:
    from grapevine.data.interactions import Interactions
    from grapevine.views.graph import bipartite, save_graph

    offsets, items = np.load(folder / "offsets.npy"), np.load(folder / "items.npy")
    events = Interactions(
        offsets=offsets,
        items=items,
        behaviours=np.zeros(len(items), np.uint8),
        # No step looks at times: one value, seen as often as there are events.
        times=np.broadcast_to(np.int64(0), len(items)),
        num_items=edges // 50,
    )
    made = bipartite(events)
    save_graph(made, folder / "graph")
    return {"items": made.num_items, "contexts": made.num_contexts, "edges": made.num_edges}


def table(folder: Path, edges: int, seed: int) -> dict[str, Any]:
    from grapevine.graph.neighbourhoods import importance_table
    from grapevine.views.graph import open_graph

    opened = open_graph(folder / "graph")
    importance_table(opened, rows=np.arange(10))  # compiled before the clock starts
    started = time.perf_counter()
    made = importance_table(opened, width=20, walks=50, length=4, seed=seed)
    seconds = time.perf_counter() - started
    np.save(folder / "nodes.npy", made.nodes)
    np.save(folder / "weights.npy", made.weights)
    return {"nodes/s": f"{len(made) / seconds:,.0f}"}


def embed(folder: Path, edges: int, seed: int) -> dict[str, Any]:
    import torch

    from grapevine.encoders.fusion import Shapes
    from grapevine.models.pinsage.config import Config
    from grapevine.models.pinsage.inference import embed
    from grapevine.models.pinsage.network import Network
    from grapevine.random import stream
    from grapevine.structs import Features, NeighbourTable

    made = NeighbourTable(
        np.load(folder / "nodes.npy", mmap_mode="c"), np.load(folder / "weights.npy", mmap_mode="c")
    )
    numbers = stream(seed, "features").standard_normal((len(made), FEATURES), np.float32)
    features = Features(numbers=numbers)
    torch.manual_seed(seed)
    network = Network(
        Config(ids=False, width=WIDTH), Shapes.of(features, buckets=1, degree=False), 0, 1
    )
    started = time.perf_counter()
    found = embed(network, features, made, np.full(len(made), -1))
    seconds = time.perf_counter() - started
    np.save(folder / "vectors.npy", found.items)
    return {
        "items/s": f"{len(made) / seconds:,.0f}",
        "convolution rows / items": found.convolved / len(made),
    }


def index(folder: Path, edges: int, seed: int) -> dict[str, Any]:
    import polars as pl

    from grapevine.index.build import build
    from grapevine.index.folder import save

    vectors = np.load(folder / "vectors.npy", mmap_mode="r")
    made = build(vectors, pl.Series(np.arange(len(vectors))), kind="ivf", seed=seed)
    save(made, folder / "index")
    return {"recall@10": f"{made.settings.recall:.3f}", "nprobe": made.settings.effort}


STEPS = Steps(
    file=__file__,
    title="Graphs at scale",
    what="edges",
    work={"graph": graph, "table": table, "embed": embed, "index": index},
    note=", mapped files included",
    first=make,
)

if __name__ == "__main__":
    STEPS.main(__doc__)
