"""Nearest neighbours: our index beside bare FAISS, in turn, on the same vectors.

Unit vectors around 2,000 centres of very different size, queries drawn alike. What is called bare
is the same index of FAISS (or a flat one of its own), asked with no wrapper; the overhead is the
median over rounds of ours / bare. The inverted lists are raced twice: for the same candidates,
which we score again from the vectors and FAISS does not; and for the recall that FAISS alone needs
more lists for. Recall is by row against exact search; in brackets that of the bare side.

    .venv/bin/python benchmarks/ann.py
"""

import argparse
import statistics
import time

import numpy as np

from grapevine.index import native
from grapevine.index.build import build, least
from grapevine.index.exact import exact
from grapevine.index.lsh import HashedIndex
from grapevine.index.vector_index import RESCORED

K = 10


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument(
        "--hnsw-rows", type=int, default=200_000, help="a graph takes long to build"
    )
    parser.add_argument("--lsh-rows", type=int, default=100_000)
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--queries", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--recall", type=float, default=0.95)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    vectors, queries, examples = make(given.rows, given.width, given.queries, given.seed)
    print(f"{given.rows:,} x {given.width}, {given.queries:,} queries, k = {K}\n")
    print(
        "| index | candidates | threads | recall@10 | ours q/s | bare q/s | ours / bare seconds |"
    )
    print("| --- | --- | --- | --- | --- | --- | --- |")
    flat(vectors, queries, given.rounds)
    for kind, rows in (("ivf", given.rows), ("hnsw", given.hnsw_rows)):
        approximate(kind, vectors[:rows], queries, examples, given)
    print(f"\nhashing, {given.lsh_rows:,} vectors, one thread\n")
    hashing(vectors[: given.lsh_rows], queries, examples, given)


def make(rows: int, width: int, asked: int, seed: int) -> tuple[np.ndarray, ...]:
    """Vectors, queries, and other queries to choose settings by."""
    draw = np.random.default_rng(seed)
    centres = draw.standard_normal((2000, width), np.float32)
    share = draw.dirichlet(np.full(2000, 0.5))
    total = rows + 2 * asked
    all_of = centres[draw.choice(2000, total, p=share)]
    all_of += np.float32(0.6) * draw.standard_normal((total, width), np.float32)
    all_of /= np.linalg.norm(all_of, axis=1, keepdims=True)
    return all_of[:rows], all_of[rows : rows + asked], all_of[rows + asked :]


def recall(found: np.ndarray, truth: np.ndarray) -> float:
    return float((found[:, :, None] == truth[:, None, :]).any(1).mean())


def race(ours, bare, queries: int, rounds: int) -> tuple[float, float, float]:
    """Queries a second of both, and the median of ours / bare, in turn."""
    seconds = {ours: [], bare: []}
    for one in (ours, bare):
        one()
    for _ in range(rounds):
        for one in (ours, bare):
            started = time.perf_counter()
            one()
            seconds[one].append(time.perf_counter() - started)
    ratio = statistics.median(a / b for a, b in zip(seconds[ours], seconds[bare], strict=True))
    return queries / min(seconds[ours]), queries / min(seconds[bare]), ratio


def row(name: str, candidates: int, threads: int, found: float, raced: tuple) -> None:
    ours, bare, ratio = raced
    print(
        f"| {name} | {candidates} | {threads} | {found:.4f} | {ours:,.0f} | {bare:,.0f} | "
        f"{ratio:.3f} |",
        flush=True,
    )


def flat(vectors: np.ndarray, queries: np.ndarray, rounds: int) -> None:
    index = build(vectors, np.arange(len(vectors)), kind="flat")
    faiss = native.faiss()
    bare = faiss.IndexFlatIP(vectors.shape[1])
    bare.add(vectors)
    for size in (1, 8, 500):
        asked = queries[:size]
        truth = bare.search(asked, K)[1]
        for threads in (1, 2):
            faiss.omp_set_num_threads(threads)
            raced = race(
                lambda: index.search(asked, K, threads=threads),  # noqa: B023
                lambda: bare.search(asked, K),  # noqa: B023
                size,
                rounds if size > 1 else 10 * rounds,
            )
            found = recall(index.search(asked, K).items, truth)
            row(f"flat, {size} at once", K, threads, found, raced)


def approximate(kind, vectors, queries, examples, given) -> None:
    index = build(
        vectors, np.arange(len(vectors)), kind=kind, recall=given.recall, queries=examples
    )
    truth = exact(queries, vectors, K).items
    effort, faiss = index.settings.effort, native.faiss()
    how = (
        faiss.SearchParametersIVF(nprobe=effort)
        if kind == "ivf"
        else faiss.SearchParametersHNSW(efSearch=effort)
    )
    seconds = index.settings.build_seconds
    name = f"{kind}, effort {effort}, {len(vectors):,} rows, built in {seconds:.0f} s"
    bare = index.native
    sides = {f"{name}; bare: same candidates": (K * RESCORED if kind == "ivf" else K, how)}
    if kind == "ivf":
        known = exact(examples, vectors, K).items

        def enough(lists: int) -> bool:
            wider = faiss.SearchParametersIVF(nprobe=lists)
            return recall(bare.search(examples, K, params=wider)[1], known) >= given.recall

        lists = least(enough, 1, 64)
        wider = faiss.SearchParametersIVF(nprobe=lists)
        sides[f"{name}; bare: nprobe {lists} for the recall wanted"] = (K, wider)
    for said, (count, params) in sides.items():
        less = recall(bare.search(queries, count, params=params)[1][:, :K], truth)
        for threads in (1, 2):
            faiss.omp_set_num_threads(threads)
            raced = race(
                lambda: index.search(queries, K, threads=threads),  # noqa: B023
                lambda: bare.search(queries, count, params=params),  # noqa: B023
                len(queries),
                given.rounds,
            )
            found = recall(index.search(queries, K).items, truth)
            row(f"{said} ({less:.4f})", count, threads, found, raced)


def hashing(vectors, queries, examples, given) -> None:
    asked = queries[:500]
    truth = exact(asked, vectors, K).items
    print("| index | recall@10 | q/s | rows scored a query |\n| --- | --- | --- | --- |")
    for bands in (8, 16, 32, 64):
        hashed = HashedIndex.build(vectors, bands=bands, bits=12)
        found = hashed.search(asked[:9], K)
        started = time.perf_counter()
        found = hashed.search(asked, K)
        seconds = time.perf_counter() - started
        _, scored = hashed.postings.search(hashed.planes.tokens(asked), 200)
        print(
            f"| weak-AND, {bands} bands of 12 planes, 200 candidates | "
            f"{recall(found.items, truth):.4f} | {len(asked) / seconds:,.0f} | "
            f"{scored.mean():,.0f} |",
            flush=True,
        )
    for kind in ("flat", "ivf"):
        index = build(vectors, np.arange(len(vectors)), kind=kind, queries=examples)
        index.search(asked[:9], K)
        started = time.perf_counter()
        found = index.search(asked, K, threads=1)
        seconds = time.perf_counter() - started
        print(
            f"| {kind} | {recall(found.items, truth):.4f} | {len(asked) / seconds:,.0f} | |",
            flush=True,
        )


if __name__ == "__main__":
    main()
