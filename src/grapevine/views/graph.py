"""Events as the graph that walks go along: items and the users who met them."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float32
from scipy.sparse import csr_matrix

from grapevine import manifest
from grapevine.data.interactions import Interactions
from grapevine.errors import ConfigError
from grapevine.structs.bipartite import Bipartite
from grapevine.structs.jagged import Jagged


def bipartite(interactions: Interactions, *, weights: Sequence[float] | None = None) -> Bipartite:
    """The graph of items and users.

    Where the items of every user are distinct and rising, and no weights are asked for, the user
    side is the very arrays of the interactions; else an edge met twice becomes one.

    Args:
        interactions: the events; a user is a context.
        weights: what an event of each behaviour adds to its edge, in the order of the schema; a
            behaviour of weight 0 makes no edge. None: all edges are alike.

    Raises:
        ConfigError: a weight is below 0 or not finite, or a behaviour has none.
    """
    if weights is None:
        if _rising(interactions.histories):
            items = interactions.histories
            return Bipartite(contexts=_rows(_matrix(interactions).T.tocsr())[0], items=items)
        return _merged(interactions, weighted=False)
    each_event = _of_events(interactions, weights)
    return _merged(interactions.where(each_event > 0), each_event[each_event > 0])


def by_behaviour(interactions: Interactions, behaviours: Sequence[str]) -> dict[str, Bipartite]:
    """One graph for each behaviour that has events, over the same items and users.

    Args:
        interactions: the events.
        behaviours: names in the order of the schema.
    """
    graphs = {name: interactions.of(place) for place, name in enumerate(behaviours)}
    return {name: bipartite(events) for name, events in graphs.items() if len(events)}


def save_graph(graph: Bipartite, folder: Path) -> None:
    """Write a graph as `.npy` files, and their manifest; the folder appears whole or not at all."""
    with manifest.published(folder) as scratch:
        for name, array in _arrays(graph).items():
            np.save(scratch / f"{name}.npy", array, allow_pickle=False)


def open_graph(folder: Path) -> Bipartite:
    """A graph that was saved, its arrays left on disk and mapped into memory.

    Every byte is checked against the manifest before anything interprets it.

    Raises:
        BundleError: a file is missing or damaged, or the folder holds something else.
    """
    weighted = (folder / "item_weights.npy").exists()
    parts = ("offsets", "ends", "weights") if weighted else ("offsets", "ends")
    names = [f"{side}_{part}.npy" for side in ("item", "context") for part in parts]
    manifest.verify(folder, *names)
    with manifest.reading(folder):
        array = {name.removesuffix(".npy"): _opened(folder / name) for name in names}
        return Bipartite(
            Jagged(array["item_offsets"], array["item_ends"]),
            Jagged(array["context_offsets"], array["context_ends"]),
            array.get("item_weights"),
            array.get("context_weights"),
        )


def _arrays(graph: Bipartite) -> dict[str, np.ndarray]:
    arrays = {}
    for side, lists, weights in (
        ("item", graph.contexts, graph.item_weights),
        ("context", graph.items, graph.context_weights),
    ):
        arrays |= {f"{side}_offsets": lists.offsets, f"{side}_ends": lists.values}
        arrays |= {} if weights is None else {f"{side}_weights": weights}
    return arrays


def _opened(path: Path) -> np.ndarray:
    # Plain arrays over the same memory: compiled loops know no subclass.
    return np.asarray(manifest.open_array(path))


def _of_events(
    interactions: Interactions, weights: Sequence[float]
) -> Float32[np.ndarray, " events"]:
    each = np.asarray(weights, np.float32)
    if not (np.isfinite(each) & (each >= 0)).all():
        raise ConfigError(f"weights of behaviours must be 0 or more: got {list(weights)}")
    highest = int(interactions.behaviours.max(initial=0))
    if highest >= len(each):
        raise ConfigError(
            f"{len(each)} weights for behaviours 0 .. {highest}",
            hint="give one weight for each behaviour, in the order of the schema",
        )
    return each[interactions.behaviours]


def _rising(lists: Jagged) -> bool:
    """Whether every list is distinct and in rising order."""
    rises = lists.values[1:] > lists.values[:-1]
    starts = lists.offsets[1:-1]
    # A list that starts at 0 or past the end starts after no other value.
    rises[starts[(starts > 0) & (starts < len(lists.values))] - 1] = True
    return bool(rises.all())


def _matrix(
    interactions: Interactions, weights: Float32[np.ndarray, " events"] | None = None
) -> csr_matrix:
    if weights is None:
        weights = np.ones(len(interactions), np.float32)
    return csr_matrix(
        (weights, interactions.items, interactions.offsets),
        shape=(interactions.num_users, interactions.num_items),
        # Merging works in place, and the events must keep their order.
        copy=True,
    )


def _merged(
    interactions: Interactions,
    weights: Float32[np.ndarray, " events"] | None = None,
    *,
    weighted: bool = True,
) -> Bipartite:
    matrix = _matrix(interactions, weights)
    matrix.sum_duplicates()
    items, context_weights = _rows(matrix)
    contexts, item_weights = _rows(matrix.T.tocsr())
    if not weighted:
        return Bipartite(contexts, items)
    return Bipartite(contexts, items, item_weights, context_weights)


def _rows(matrix: csr_matrix) -> tuple[Jagged, Float32[np.ndarray, " edges"]]:
    return (
        Jagged(np.asarray(matrix.indptr, np.int64), np.asarray(matrix.indices, np.int32)),
        np.asarray(matrix.data, np.float32),
    )
