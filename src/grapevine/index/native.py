"""FAISS: inverted lists and neighbour graphs, built, searched, written and mapped.

The only file that builds, searches or reads an index of FAISS. Johnson, Douze, Jegou:
Billion-scale similarity search with GPUs. IEEE Transactions on Big Data 2019. arXiv:1702.08734.
"""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
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


BUILDERS = {"ivf": build_ivf, "hnsw": build_hnsw}


def bounds(index: Any, kind: str, count: int) -> tuple[int, int]:
    """The narrowest and the widest search that makes sense for so many candidates."""
    if kind == "ivf":
        return 1, int(index.nlist)
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
) -> tuple[Float32[np.ndarray, "queries count"], Int64[np.ndarray, "queries count"]]:
    """Scores and rows of the candidates found; -1 and -inf where there are fewer.

    Args:
        index: what a builder made.
        kind: "ivf" or "hnsw".
        queries: one vector each.
        count: candidates wanted.
        effort: lists visited (`nprobe`), or the width of the front in the graph (`efSearch`).
        allow: which rows may be found.
        threads: how many to use.
    """
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
