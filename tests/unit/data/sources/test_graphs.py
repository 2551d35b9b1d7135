"""Graph folders: what is written comes back; what is damaged is refused; the real ones add up."""

from dataclasses import replace

import numpy as np
import pytest

from grapevine.data.sources import SOURCES
from grapevine.data.sources.graphs import LabelledGraph, load_graph
from grapevine.errors import BundleError

# Two graphs: a triangle with a tail (labels 1 and tags 0 1 1 2), and one edge (label 0).
TWO = b"""2
4 5
0 2 1 2
1 2 0 2
1 3 0 1 3
2 1 2
2 3
0 1 1
1 1 0
"""


@pytest.fixture
def two(tmp_path) -> LabelledGraph:
    (tmp_path / "two.txt").write_bytes(TWO)
    graph = SOURCES["mutag"].convert({"MUTAG.txt": tmp_path / "two.txt"})
    assert isinstance(graph, LabelledGraph)
    return graph


def test_small_graphs_by_hand(two):
    assert two.offsets.tolist() == [0, 2, 4, 7, 8, 9, 10]
    assert two.neighbours.tolist() == [1, 2, 0, 2, 0, 1, 3, 2, 5, 4]
    assert two.graph_offsets.tolist() == [0, 4, 6]
    assert two.feature_columns.tolist() == [0, 1, 1, 2, 0, 1]
    assert two.labels.tolist() == [1, 0]  # classes 3 and 5, in that order
    assert two.counts() == {"graphs": 2, "nodes": 6, "edges": 10, "features": 3, "classes": 2}


def test_a_folder_gives_back_what_was_written(two, tmp_path):
    train = np.arange(6) < 2
    two.write(tmp_path / "out", SOURCES["mutag"])
    replace(two, train=train).write(tmp_path / "split", SOURCES["mutag"])
    back, split = load_graph(tmp_path / "out"), load_graph(tmp_path / "split")
    for name in ("offsets", "neighbours", "feature_values", "labels", "graph_offsets"):
        np.testing.assert_array_equal(getattr(back, name), getattr(two, name))
    assert back.train is None
    assert split.train is not None
    assert split.train.tolist() == train.tolist()
    assert back.name == "mutag"
    assert back.notes == two.notes


def test_a_damaged_folder_is_refused(two, tmp_path):
    with pytest.raises(BundleError, match=r"not a graph folder: it has no graph.toml"):
        load_graph(tmp_path)
    two.write(tmp_path / "out", SOURCES["mutag"])
    content = (tmp_path / "out/graph.npz").read_bytes()
    (tmp_path / "out/graph.npz").write_bytes(content[: len(content) // 2])
    with pytest.raises(BundleError, match="damaged"):
        load_graph(tmp_path / "out")
    (tmp_path / "out/graph.npz").unlink()
    with pytest.raises(BundleError, match=r"has no graph.npz"):
        load_graph(tmp_path / "out")


def test_another_format_is_refused(two, tmp_path):
    two.write(tmp_path / "out", SOURCES["mutag"])
    meta = tmp_path / "out/graph.toml"
    meta.write_text(meta.read_text().replace("format = 1", "format = 2"))
    with pytest.raises(BundleError, match="format 2, this version reads format 1"):
        load_graph(tmp_path / "out")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"labels": np.zeros(3, np.int32)}, "labels has 3 entries, 2 are needed"),
        ({"labels": np.array([0, 2], np.int32)}, "labels must lie below 2"),
        ({"graph_offsets": np.array([0, 4, 5])}, "the graphs end at 5 of 6"),
    ],
)
def test_a_graph_checks_itself(two, changes, message):
    with pytest.raises(ValueError, match=message):
        replace(two, **changes)


@pytest.mark.data
@pytest.mark.parametrize(("name", "train"), [("cora", 140), ("citeseer", 120)])
def test_the_public_split_of_planetoid(name, train, fetched):
    graph = load_graph(fetched(name))
    assert graph.train is not None
    assert graph.validation is not None
    assert graph.test is not None
    masks = np.stack([graph.train, graph.validation, graph.test])
    assert masks.sum(1).tolist() == [train, 500, 1000]
    assert (masks.sum(0) <= 1).all()
    # Twenty a class for training, and a label wherever one is asked for.
    assert set(np.bincount(graph.labels[graph.train])) == {20}
    assert (graph.labels[masks.any(0)] >= 0).all()
    degree = np.diff(graph.offsets)
    here = np.repeat(np.arange(graph.num_nodes), degree)
    assert set(zip(here, graph.neighbours)) == set(zip(graph.neighbours, here))
    # Neighbours are alike: most edges join nodes of one class (homophily 0.81 and 0.74).
    same = (graph.labels[here] == graph.labels[graph.neighbours]).mean()
    assert same == pytest.approx({"cora": 0.81, "citeseer": 0.74}[name], abs=0.005)
