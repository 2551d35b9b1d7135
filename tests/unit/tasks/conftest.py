import numpy as np
import pytest

from grapevine.data.sources.graphs import LabelledGraph
from grapevine.structs.jagged import Jagged, offsets_of


def labelled(lists, labels, features, graph_offsets=None, **more):
    """A graph of neighbour lists; node n has the one feature `features[n]`."""
    neighbours = Jagged.from_lists(lists)
    nodes = len(lists)
    return LabelledGraph(
        offsets=neighbours.offsets,
        neighbours=neighbours.values,
        feature_offsets=np.arange(nodes + 1),
        feature_columns=np.asarray(features, np.int32),
        feature_values=np.ones(nodes, np.float32),
        num_features=int(max(features)) + 1,
        labels=np.asarray(labels, np.int32),
        num_classes=int(max(labels)) + 1,
        graph_offsets=np.array([0, nodes]) if graph_offsets is None else graph_offsets,
        **more,
    )


def blocks(seed, sizes, inside=0.3, across=0.02):
    """Nodes in blocks, more edges within a block than across; the block is the class."""
    draw = np.random.default_rng(seed)
    block = np.repeat(np.arange(len(sizes)), sizes)
    chance = np.where(block[:, None] == block, inside, across)
    upper = np.triu(draw.random(chance.shape) < chance, 1)
    edges = upper | upper.T
    return [np.flatnonzero(row) for row in edges], block


@pytest.fixture
def communities():
    """Three blocks of forty, of which noise says little: one feature of thirty, half by class."""
    lists, block = blocks(0, (40, 40, 40))
    draw = np.random.default_rng(1)
    mine = draw.random(120) < 0.3
    features = np.where(mine, 10 * block, 0) + draw.integers(0, 10, 120)
    features = np.where(mine, features, draw.integers(0, 30, 120))
    return labelled(lists, block, features)


@pytest.fixture
def rings_and_stars():
    """Sixty graphs of five to nine nodes: rings, or stars; all nodes hold the same."""
    lists, sizes, labels, first = [], [], [], 0
    for number in range(60):
        size, star = 5 + number % 5, number % 2
        for node in range(size):
            if star:
                near = range(1, size) if node == 0 else [0]
            else:
                near = sorted({(node - 1) % size, (node + 1) % size})
            lists.append([first + other for other in near])
        first += size
        sizes.append(size)
        labels.append(star)
    return labelled(lists, labels, [0] * first, offsets_of(np.array(sizes)))
