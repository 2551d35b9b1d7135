"""Walks and neighbour tables: beside peers, beside a plain loop, and beside what memory can give.

All sides take turns in one run; figures are medians over the turns. The peers live in an
environment of their own and are run as a subprocess of this very file, on the same edges.

python benchmarks/walks.py --mirror DATA [--peer-python PEERS/bin/python] \
    --out benchmarks/results/walks.md
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

HOPS = 40
"""Double hops of a walk; each is two steps, and a step is one edge."""
SAMPLE = 200
"""Items on which tables are held against the exact one."""
PEERS = ("csrgraph", "pecanpy")


def gowalla(mirror: Path) -> Any:
    from grapevine import pipeline
    from grapevine.data import split
    from grapevine.views.graph import bipartite

    data = pipeline.load("gowalla", mirror=mirror)
    return bipartite(split.published(data).train.interactions)


def generated(nodes: int, edges: int) -> Any:
    """A graph out of cache: each node has `edges / nodes` ends anywhere, drawn for each side."""
    from grapevine.structs import Bipartite, Jagged

    rng = np.random.default_rng(0)
    offsets = np.arange(nodes + 1) * (edges // nodes)
    sides = [Jagged(offsets, rng.integers(0, nodes, offsets[-1], dtype=np.int32)) for _ in range(2)]
    return Bipartite(*sides)


def plain_walker() -> Callable[..., None]:
    """One walk after the other on each thread: what one writes first."""
    from numba import njit, prange

    from grapevine.graph.counter import below, mix

    @njit(parallel=True)
    def walk(contexts_at, contexts, items_at, items, seed, out):
        for row in prange(len(out)):
            key = mix(np.uint64(seed), np.uint64(row))
            item = out[row, 0]
            for step in range(out.shape[1] // 2):
                start = contexts_at[item]
                degree = contexts_at[item + 1] - start
                context = contexts[start + below(key, np.uint64(2 * step), degree)]
                start = items_at[context]
                degree = items_at[context + 1] - start
                item = items[start + below(key, np.uint64(2 * step + 1), degree)]
                out[row, 2 * step + 1] = context
                out[row, 2 * step + 2] = item

    return walk


def reader() -> Callable[..., Any]:
    """The two reads of each step, of the arrays that a walk reads, at places that wait for none."""
    from numba import get_num_threads, njit, prange

    from grapevine.graph.counter import mix

    low, half = np.uint64(0xFFFFFFFF), np.uint64(32)

    @njit(inline="always")
    def two(spans, ends, bits):
        node = ((bits >> half) * np.uint64(len(spans))) >> half
        edge = ((bits & low) * np.uint64(len(ends))) >> half
        return spans[node] + np.uint64(ends[edge])

    @njit(parallel=True)
    def read(edges, count, seed):
        threads = get_num_threads()
        sums = np.zeros(threads * 16, np.uint64)
        for thread in prange(threads):
            total, key = np.uint64(0), np.uint64(seed + thread)
            for hop in range(count // threads // 2):
                total += two(edges.item_spans, edges.contexts, mix(key, np.uint64(2 * hop)))
                total += two(edges.context_spans, edges.items, mix(key, np.uint64(2 * hop + 1)))
            sums[thread * 16] = total
        return sums.sum()

    return read


def timed(work: Callable[[], Any]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def turns_of(cases: dict[str, Callable[[int], float]], turns: int) -> dict[str, float]:
    """The median of what each case returns, the cases taking turns; the first turn compiles."""
    got: dict[str, list[float]] = {name: [] for name in cases}
    for turn in range(turns + 1):
        for name, work in cases.items():
            figure = work(turn)
            if turn:
                got[name].append(figure)
    return {name: statistics.median(figures) for name, figures in got.items()}


def walk_cases(graph: Any, num_walks: int) -> dict[str, Callable[[int], float]]:
    from grapevine.graph.walks import adjacency, random_walks

    rng = np.random.default_rng(1)
    starts = rng.integers(0, graph.num_items, num_walks).astype(np.int32)
    steps, edges = num_walks * 2 * HOPS, adjacency(graph)
    out = np.empty((num_walks, 2 * HOPS + 1), np.int32)
    out[:, 0] = starts
    plain, read = plain_walker(), reader()
    sides = graph.contexts.offsets, graph.contexts.values, graph.items.offsets, graph.items.values
    return {
        "independent reads": lambda turn: steps / timed(lambda: read(edges, steps, turn)),
        "ours": lambda turn: (
            steps / timed(lambda: random_walks(graph, starts, HOPS, turn, out=out))
        ),
        "ours, into new memory": lambda turn: (
            steps / timed(lambda: random_walks(graph, starts, HOPS, turn))
        ),
        "plain numba": lambda turn: steps / timed(lambda: plain(*sides, turn, out)),
    }


def peer_cases(python: Path, graph: Any, folder: Path) -> dict[str, Callable[[int], float]]:
    np.savez(folder / "graph.npz", offsets=graph.contexts.offsets, ends=graph.contexts.values,
             contexts=graph.num_contexts)  # fmt: skip

    def run(name: str) -> float:
        command = [python, __file__, "--as-peer", name, "--folder", folder]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(done.stderr)
        return json.loads(done.stdout.splitlines()[-1])

    return {name: lambda _, name=name: run(name) for name in PEERS}


def as_peer(name: str, folder: Path) -> float:
    """Steps a second of a peer, two walks of 80 steps from every node; no grapevine here."""
    import scipy.sparse as sp

    held = np.load(folder / "graph.npz")
    items = len(held["offsets"]) - 1
    ones = np.ones(len(held["ends"]), np.float32)
    shape = (items, int(held["contexts"]))
    there = sp.csr_matrix((ones, held["ends"], held["offsets"]), shape=shape)
    both = sp.bmat([[None, there], [there.T, None]], format="csr").astype(np.float32)
    steps = both.shape[0] * 2 * 2 * HOPS
    if name == "csrgraph":
        import csrgraph

        graph = csrgraph.csrgraph(both, threads=os.cpu_count())
        graph.random_walks(walklen=4, epochs=1)
        return steps / timed(lambda: graph.random_walks(walklen=2 * HOPS, epochs=2))
    from pecanpy import pecanpy

    graph = pecanpy.FirstOrderUnweighted(p=1, q=1, workers=os.cpu_count(), verbose=False)
    graph.indptr, graph.indices = both.indptr.astype(np.uint32), both.indices.astype(np.uint32)
    graph.data = both.data
    graph.set_node_ids([str(node) for node in range(both.shape[0])])
    graph.preprocess_transition_probs()
    graph.simulate_walks(num_walks=1, walk_length=4)
    return steps / timed(lambda: graph.simulate_walks(num_walks=2, walk_length=2 * HOPS))


def tables(graph: Any, turns: int) -> list[str]:
    """Nodes a second of each way to a table of 20, and its overlap with the exact one."""
    from grapevine.graph.neighbourhoods import importance_table
    from grapevine.graph.pagerank import exact_table, overlap, ppr_table
    from grapevine.structs import NeighbourTable

    rows = np.random.default_rng(0).choice(graph.num_items, SAMPLE, replace=False)
    truth = exact_table(graph, rows)
    ways: dict[str, Callable[[], Any]] = {
        "walks, 50 x 4 double hops": lambda: importance_table(graph),
        "walks, 500 x 8 double hops": lambda: importance_table(graph, walks=500, length=8),
        "first double hop exact": lambda: ppr_table(graph, shared=0),
        "and lists of 32 passed on": lambda: ppr_table(graph, shared=32),
        "and lists of 64 passed on": lambda: ppr_table(graph, shared=64),
        "lists of 64, 2 rounds": lambda: ppr_table(graph, shared=64, rounds=2),
    }
    rate = turns_of(
        {
            name: lambda _, work=work: graph.num_items / timed(work)
            for name, work in ways.items()
        },
        turns,
    )  # fmt: skip
    lines = ["| table of 20 | nodes/s | overlap with the exact top 20 |", "|---|---:|---:|"]
    for name, work in ways.items():
        table = work()
        near = overlap(NeighbourTable(table.nodes[rows], table.weights[rows]), truth)
        lines.append(f"| {name} | {rate[name]:,.0f} | {near:.3f} |")
    return lines


def walk_lines(name: str, rates: dict[str, float]) -> list[str]:
    limit, plain = rates["independent reads"], rates["plain numba"]
    return [
        f"| {name} | {what} | {rate / 1e6:,.1f} | {rate / limit:.2f} | {rate / plain:.2f} |"
        for what, rate in rates.items()
    ]


def report(args: argparse.Namespace) -> str:
    graph = gowalla(args.mirror)
    cases = walk_cases(graph, 400_000)
    with tempfile.TemporaryDirectory() as folder:
        if args.peer_python:
            cases |= peer_cases(args.peer_python, graph, Path(folder))
        lines = walk_lines("Gowalla", turns_of(cases, args.turns))
    near = tables(graph, args.turns)
    big = generated(args.big_edges // 32, args.big_edges)
    name = f"generated, {args.big_edges / 1e6:.0f} M edges"
    lines += walk_lines(name, turns_of(walk_cases(big, 200_000), args.turns))
    load = os.getloadavg()[0]
    return "\n".join([
        "# Walks and neighbour tables\n",
        f"{datetime.now(UTC):%Y-%m-%d}, `python benchmarks/walks.py`; {os.cpu_count()} cores, "
        f"{platform.system()}, Python {platform.python_version()}; load at the end {load:.1f}.\n",
        f"Walks of {2 * HOPS} steps on all cores, a step being one edge; medians of {args.turns} "
        "turns in which all sides alternate, after one that compiles. `independent reads` does the "
        "two reads of a step, a node's span and an edge's end, at places that wait for nothing: "
        "what memory gives a walk at best. The peers walk the same edges, from every item and "
        "context; graph-walker does not build from the package index here.\n",
        "| graph | who | M steps/s | of independent reads | of plain numba |",
        "|---|---|---:|---:|---:|",
        *lines,
        f"\nTables of all {graph.num_items:,} items of Gowalla, restart 0.5; the exact one is "
        f"personalised PageRank by power iteration, on {SAMPLE} items drawn with seed 0.\n",
        *near,
    ]) + "\n"  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mirror", type=Path)
    parser.add_argument("--peer-python", type=Path)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--big-edges", type=int, default=64_000_000)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--as-peer", choices=PEERS)
    parser.add_argument("--folder", type=Path)
    args = parser.parse_args()
    if args.as_peer:
        print(json.dumps(as_peer(args.as_peer, args.folder)))
        return
    text = report(args)
    print(text)
    if args.out:
        args.out.write_text(text)


if __name__ == "__main__":
    main()
