"""FAISS: inverted lists, neighbour graphs and short codes, built, searched, written and mapped.

The only file that builds, searches or reads an index of FAISS. Johnson, Douze, Jegou:
Billion-scale similarity search with GPUs. IEEE Transactions on Big Data 2019. arXiv:1702.08734.
"""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float32, Int64

from grapevine.random import stream

POINTS_PER_LIST = 128
"""Vectors that each centre of a list is learnt from: FAISS asks for at least 39."""
LINKS, CONSTRUCTION = 16, 100
"""HNSW: links of a node on each level (twice as many on the lowest), and how widely new nodes are
searched for while it is built; what the libraries that do nothing else use."""
MOST_HNSW = 4096
"""The widest search of an HNSW graph that is tried."""
MOST_TRAINED = 20_000
"""Vectors that codes of four bits are learnt from."""


@cache
def faiss() -> Any:
    """The library, imported when it is first needed; its names are made at run time."""
    # It tells at length which of its builds suits the processor.
    logging.getLogger("faiss").setLevel(logging.WARNING)
    import faiss as library

    return library


def build_ivf(vectors: Float32[np.ndarray, "vectors width"], *, seed: int) -> Any:
    """About sqrt(n) lists, vectors kept in them as a byte a number (SQ8).

    The byte costs a little recall, which scoring twice as many candidates again from the vectors
    themselves gives back: see `VectorIndex`.
    """
    rows, width = vectors.shape
    lists = int(np.clip(2 ** round(np.log2(rows) / 2), 1, max(1, rows // POINTS_PER_LIST)))
    index = faiss().index_factory(width, f"IVF{lists},SQ8", faiss().METRIC_INNER_PRODUCT)
    size = min(rows, POINTS_PER_LIST * lists)
    chosen = np.sort(stream(seed, "index", "train").choice(rows, size, replace=False))
    index.train(np.ascontiguousarray(vectors[chosen]))
    index.add(vectors)
    return index


def build_hnsw(vectors: Float32[np.ndarray, "vectors width"], *, seed: int) -> Any:
    """A navigable small world (Malkov, Yashunin 2018, arXiv:1603.09320) over whole vectors.

    Threads link nodes as they come by, so two graphs of the same vectors differ a little.
    """
    del seed  # FAISS draws the levels from a stream of its own, always the same
    index = faiss().IndexHNSWFlat(vectors.shape[1], LINKS, faiss().METRIC_INNER_PRODUCT)
    index.hnsw.efConstruction = CONSTRUCTION
    index.add(vectors)
    return index


def build_pq(vectors: Float32[np.ndarray, "vectors width"], *, seed: int) -> Any:
    """Four bits a number, all vectors looked at with instructions that look sixteen of them up.

    Product quantisation with one number a part (Jegou, Douze, Schmid, TPAMI 2011) and tables that
    stay in registers (Andre, Kermarrec, Le Scouarnec: Quicker ADC, TPAMI 2021, arXiv:1812.09162).
    How near the vectors lie together does not matter, as it does for lists and graphs.
    """
    rows, width = vectors.shape
    index = faiss().index_factory(width, f"PQ{width}x4fs", faiss().METRIC_INNER_PRODUCT)
    size = min(rows, MOST_TRAINED)
    chosen = np.sort(stream(seed, "index", "train").choice(rows, size, replace=False))
    # Sixteen codes are learnt from sixteen vectors at least, the same ones again if need be.
    index.train(np.ascontiguousarray(vectors[np.resize(chosen, max(size, 16))]))
    index.add(vectors)
    return index


BUILDERS = {"ivf": build_ivf, "hnsw": build_hnsw, "pq": build_pq}
CODED = ("ivf", "pq")
"""Kinds that keep codes, whose candidates are scored again from the vectors."""


def bounds(index: Any, kind: str, count: int) -> tuple[int, int]:
    """The narrowest and the widest search that makes sense for so many candidates."""
    if kind == "ivf":
        return 1, int(index.nlist)
    if kind == "pq":
        return count, max(count, int(index.ntotal))
    return count, max(count, min(MOST_HNSW, int(index.ntotal)))


def search(
    index: Any,
    kind: str,
    queries: Float32[np.ndarray, "queries width"],
    count: int,
    effort: int,
    *,
    allow: Bool[np.ndarray, " vectors"] | None = None,
    threads: int | None = None,
) -> tuple[Float32[np.ndarray, "queries found"], Int64[np.ndarray, "queries found"]]:
    """Scores and rows of the candidates found; -1 and -inf where there are none.

    Args:
        index: what a builder made.
        kind: "ivf", "hnsw" or "pq".
        queries: one vector each.
        count: candidates wanted.
        effort: lists visited (`nprobe`), the width of the front in the graph (`efSearch`), or with
            "pq" how many candidates there are, of which those not allowed are then left out.
        allow: which rows may be found.
        threads: how many to use.
    """
    if kind == "pq":
        # It looks at every vector anyhow, and takes no selector.
        with at_most(min(threads or os.cpu_count() or 1, max(len(queries), 1))):
            scores, rows = index.search(queries, max(count, effort))
        gone = rows < 0 if allow is None else (rows < 0) | ~allow[rows]
        rows[gone], scores[gone] = -1, -np.inf
        return scores, rows
    selector = None
    if allow is not None:
        selector = faiss().IDSelectorBitmap(np.packbits(allow, bitorder="little"))
    if kind == "ivf":
        how = faiss().SearchParametersIVF(nprobe=effort, sel=selector)
    else:
        how = faiss().SearchParametersHNSW(efSearch=effort, sel=selector)
    with at_most(min(threads or os.cpu_count() or 1, max(len(queries), 1))):
        scores, rows = index.search(queries, count, params=how)
    scores[rows < 0] = -np.inf
    return scores, rows


def write(index: Any, path: Path) -> None:
    """Write an index as FAISS does."""
    faiss().write_index(index, str(path))


def read(path: Path) -> Any:
    """Map an index into memory. The file must have been verified: FAISS trusts every byte."""
    return faiss().read_index(str(path), faiss().IO_FLAG_MMAP_IFC)


@contextmanager
def at_most(threads: int) -> Iterator[None]:
    """So many threads of FAISS for what the calling thread does meanwhile."""
    before = faiss().omp_get_max_threads()
    faiss().omp_set_num_threads(threads)
    try:
        yield
    finally:
        faiss().omp_set_num_threads(before)
