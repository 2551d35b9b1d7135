import numpy as np
import pytest

from grapevine import manifest
from grapevine.errors import BundleError, ConfigError
from grapevine.graph.neighbourhoods import importance_table
from grapevine.structs import Bipartite, Jagged
from grapevine.testing.worlds import world
from grapevine.views.graph import bipartite, by_behaviour, open_graph, save_graph

TWICE = [("u", "b"), ("u", "a"), ("u", "b"), ("v", "a")]


def edges(graph: Bipartite) -> dict[tuple[int, int], float]:
    """Weight of each (item, context), checked to be the same from both sides."""
    items = np.repeat(np.arange(graph.num_items), graph.contexts.lengths)
    contexts = np.repeat(np.arange(graph.num_contexts), graph.items.lengths)
    ones = np.ones(graph.num_edges)
    pairs = zip(items.tolist(), graph.contexts.values.tolist())
    out = dict(zip(pairs, ones if graph.item_weights is None else graph.item_weights))
    back = zip(graph.items.values.tolist(), contexts.tolist())
    weights = ones if graph.context_weights is None else graph.context_weights
    assert out == dict(zip(back, weights))
    return out


def test_rising_histories_are_taken_as_they_are():
    events = world([("u", "a"), ("u", "b"), ("w", "a"), ("x", "b")]).interactions
    graph = bipartite(events)
    assert graph.items.values is events.items
    assert np.shares_memory(graph.items.offsets, events.offsets)
    np.testing.assert_array_equal(graph.contexts.values, [0, 1, 0, 2])


@pytest.mark.parametrize("order", [["b", "a"], ["a", "a"]])
def test_histories_that_do_not_rise_are_put_in_order(order):
    events = world([("u", item) for item in order]).interactions
    before = events.items.copy()
    graph = bipartite(events)
    np.testing.assert_array_equal(graph.items[0], sorted({*events.items.tolist()}))
    np.testing.assert_array_equal(events.items, before)


def test_an_edge_met_twice_is_one():
    graph = bipartite(world(TWICE).interactions)
    assert edges(graph) == {(0, 0): 1, (1, 0): 1, (0, 1): 1}
    assert graph.item_weights is None


def test_weights_of_behaviours_add_up_and_zero_makes_no_edge():
    data = world(
        [("u", "a", "view"), ("u", "a", "buy"), ("u", "b", "skip"), ("v", "b", "view")],
        behaviours=["skip", "view", "buy"],
    )
    graph = bipartite(data.interactions, weights=[0, 1, 2.5])
    assert edges(graph) == {(0, 0): 3.5, (1, 1): 1}


def test_weights_that_cannot_be_are_refused():
    events = world(TWICE, behaviours=["view", "buy"]).interactions
    with pytest.raises(ConfigError, match="1 weights for behaviours 0"):
        bipartite(events, weights=[1])
    with pytest.raises(ConfigError, match="0 or more"):
        bipartite(events, weights=[1, -1])


def test_each_behaviour_has_its_graph():
    data = world([("u", "a", "view"), ("v", "b", "buy")], behaviours=["view", "cart", "buy"])
    graphs = by_behaviour(data.interactions, data.schema.behaviours)
    assert {name: list(edges(graph)) for name, graph in graphs.items()} == {
        "view": [(0, 0)],
        "buy": [(1, 1)],
    }


def small(weighted: bool) -> Bipartite:
    data = world([("u", "a"), ("u", "b"), ("v", "b"), ("w", "c")])
    return bipartite(data.interactions, weights=[2.0] if weighted else None)


@pytest.mark.parametrize("weighted", [False, True])
def test_a_graph_comes_back_as_maps_of_its_files(tmp_path, weighted):
    graph = small(weighted)
    save_graph(graph, tmp_path / "graph")
    again = open_graph(tmp_path / "graph")
    assert edges(again) == edges(graph)
    assert (again.item_weights is None) == (not weighted)
    assert isinstance(again.items.values.base, np.memmap)
    with pytest.raises(ValueError, match="read-only"):
        again.items.values[0] = 1
    # Compiled loops take maps as they are.
    np.testing.assert_array_equal(
        importance_table(again, width=2).nodes, importance_table(graph, width=2).nodes
    )


def test_a_graph_without_edges_comes_back(tmp_path):
    graph = Bipartite(Jagged.empty(3), Jagged.empty(2))
    save_graph(graph, tmp_path / "graph")
    again = open_graph(tmp_path / "graph")
    assert (again.num_items, again.num_contexts, again.num_edges) == (3, 2, 0)


@pytest.mark.parametrize("place", [0.0, 0.3, 0.6, 0.99])
@pytest.mark.parametrize("how", ["cut", "flip"])
@pytest.mark.parametrize(
    "name", [f"{side}_{part}.npy" for side in ("item", "context")
             for part in ("offsets", "ends", "weights")] + [manifest.NAME]
)  # fmt: skip
def test_a_damaged_file_is_refused_by_name(tmp_path, name, how, place):
    save_graph(small(weighted=True), tmp_path / "graph")
    file = tmp_path / "graph" / name
    content = bytearray(file.read_bytes())
    at = int(place * len(content))
    if how == "cut":
        content = content[:at]
    else:
        content[at] ^= 1 << (at % 8)
    file.write_bytes(bytes(content))
    with pytest.raises(BundleError, match=name):
        open_graph(tmp_path / "graph")


@pytest.mark.parametrize("name", ["item_ends.npy", "context_weights.npy"])
def test_a_missing_file_is_refused_by_name(tmp_path, name):
    save_graph(small(weighted=True), tmp_path / "graph")
    (tmp_path / "graph" / name).unlink()
    with pytest.raises(BundleError, match=name):
        open_graph(tmp_path / "graph")
