"""Cora and Citeseer, two larger node graphs, and two sets of small graphs."""

from dataclasses import replace
from typing import Any

import numpy as np
from scipy import sparse

from grapevine.data.sources.base import File, Files, Source, read
from grapevine.data.sources.graphs import LabelledGraph
from grapevine.structs.jagged import offsets_of


def _graph(
    edges: tuple[np.ndarray, np.ndarray],
    features: sparse.csr_matrix,
    labels: np.ndarray,
    num_classes: int,
    graph_offsets: np.ndarray | None = None,
) -> LabelledGraph:
    """Edges made mutual, each once, none from a node to itself."""
    nodes, num_features = _shape(features)
    here, there = np.concatenate(edges), np.concatenate(edges[::-1])
    # One number for each edge: sorting it gives CSR order, and repeats fall together.
    key = np.unique((here.astype(np.int64) * nodes + there)[here != there])
    features.sort_indices()
    return LabelledGraph(
        offsets=offsets_of(np.bincount(key // nodes, minlength=nodes)),
        neighbours=(key % nodes).astype(np.int32),
        feature_offsets=features.indptr.astype(np.int64),
        feature_columns=features.indices.astype(np.int32),
        feature_values=features.data.astype(np.float32),
        num_features=num_features,
        labels=labels.astype(np.int32),
        num_classes=num_classes,
        graph_offsets=np.array([0, nodes]) if graph_offsets is None else graph_offsets,
    )


def _csr(arrays: np.lib.npyio.NpzFile, name: str) -> sparse.csr_matrix:
    indices = arrays[f"{name}_indices"]
    # Some files leave out the values where all of them are 1.
    data = arrays[f"{name}_data"] if f"{name}_data" in arrays else np.ones(len(indices), np.float32)
    shape = tuple(arrays[f"{name}_shape"].tolist())
    return sparse.csr_matrix((data, indices, arrays[f"{name}_indptr"]), shape=shape)


def _shape(matrix: Any) -> tuple[int, int]:
    rows, columns = matrix.shape
    return int(rows), int(columns)


def _one_hot_class(table: np.ndarray) -> np.ndarray:
    return np.where(table.any(1), table.argmax(1), -1)


def _convert_planetoid(files: Files) -> LabelledGraph:
    """Test nodes stand at their own numbers, which may have gaps: isolated nodes without features.

    The public split (Yang et al., 2016): the first nodes are for training (20 a class), the next
    500 for validation, the published 1,000 for test.
    """
    (path,) = files.values()
    with np.load(path, allow_pickle=False) as arrays:
        test = arrays["test_index"]
        nodes = int(test.max()) + 1
        known = _csr(arrays, "allx").tocoo()
        late = _csr(arrays, "tx").tocoo()
        rows = np.concatenate([known.row, test[late.row]])
        columns = np.concatenate([known.col, late.col])
        values = np.concatenate([known.data, late.data])
        num_known, num_features = _shape(known)
        features = sparse.csr_matrix((values, (rows, columns)), shape=(nodes, num_features))
        labels = np.full(nodes, -1)
        labels[:num_known] = _one_hot_class(arrays["ally"])
        labels[test] = _one_hot_class(arrays["ty"])
        num_train, num_classes = arrays["y"].shape
        edges = (arrays["edge_src"], arrays["edge_dst"])
    place, bare = np.arange(nodes), int((labels < 0).sum())
    graph = _graph(edges, features, labels, num_classes)
    return replace(
        graph,
        train=place < num_train,
        validation=(place >= num_train) & (place < num_train + 500),
        test=np.isin(place, test),
        notes=(f"{bare} nodes have neither features nor a label (-1).",) if bare else (),
    )


def _convert_node_graph(files: Files) -> LabelledGraph:
    (path,) = files.values()
    with np.load(path, allow_pickle=False) as arrays:
        adjacency = _csr(arrays, "adj_matrix").tocoo()
        features, labels = _csr(arrays, "node_attr"), arrays["node_label"]
    graph = _graph((adjacency.row, adjacency.col), features, labels, int(labels.max()) + 1)
    return replace(graph, notes=("No public split: state the one you draw.",))


def _convert_small_graphs(files: Files) -> LabelledGraph:
    """The text format of GIN and DGCNN.

    First line: number of graphs. For each graph a line `nodes label`, then for each node a line
    `tag degree neighbours...`, neighbours counted within the graph. A tag is one-hot.
    """
    (path,) = files.values()
    # After the number of graphs come the graphs, one number after another.
    numbers = np.array(read(path).split(), np.int64)
    sizes, labels, tags = [], [], []
    here: list[np.ndarray] = []
    there: list[np.ndarray] = []
    at, node = 1, 0
    for _ in range(numbers[0]):
        size, label = numbers[at : at + 2]
        at, first = at + 2, node
        for _ in range(size):
            tag, degree = numbers[at : at + 2]
            tags.append(tag)
            here.append(np.full(degree, node))
            there.append(first + numbers[at + 2 : at + 2 + degree])
            at, node = at + 2 + degree, node + 1
        sizes.append(size)
        labels.append(label)
    kinds, label = np.unique(labels, return_inverse=True)
    ones = (np.ones(node, np.float32), (np.arange(node), tags))
    features = sparse.csr_matrix(ones, shape=(node, max(tags) + 1))
    edges = (np.concatenate(here), np.concatenate(there))
    graph = _graph(edges, features, label, len(kinds), offsets_of(np.array(sizes)))
    return replace(graph, notes=(f"Classes were {kinds.tolist()} in the file, in that order.",))


_PLANETOID = "kimiyoung/planetoid data/ind.* @ af6abf468a77, its pickles written as plain arrays"
_NODE_GRAPHS = "EdisonLeeeee/GraphData datasets/*.npz @ f8022c26b917, without its pickles"
_DGCNN = "https://github.com/muhanzhang/pytorch_DGCNN/raw/50f504131ca6/data"

CORA = Source(
    name="cora",
    title="Cora citations, Planetoid split",
    home="https://github.com/kimiyoung/planetoid",
    licence="MIT (Planetoid); Sen et al., 2008",
    cite="Yang, Cohen and Salakhutdinov, Planetoid, ICML 2016; Sen et al., AI Magazine 2008",
    serves="node classes: GCN, GAT, GraphSAGE",
    expected={"nodes": 2708, "edges": 10556, "features": 1433, "classes": 7},
    convert=_convert_planetoid,
    files=(
        File(
            path="planetoid/cora.npz",
            sha256="392d54ad377bbab65dabd0ed4dc90c6106b63b947356e73951fd4ac45c102fc7",
            size=119727,
        ),
    ),
    origin=_PLANETOID,
)

CITESEER = replace(
    CORA,
    name="citeseer",
    title="Citeseer citations, Planetoid split",
    expected={"nodes": 3327, "edges": 9104, "features": 3703, "classes": 6},
    files=(
        File(
            path="planetoid/citeseer.npz",
            sha256="910697f03aab4503ec9d70407c5406df098d283ab112deb66a14c1359ad4d16b",
            size=223022,
        ),
    ),
)

AMAZON_PHOTO = Source(
    name="amazon-photo",
    title="Amazon Photo co-purchases",
    home="https://github.com/shchur/gnn-benchmark",
    licence="MIT (gnn-benchmark); research use",
    cite="Shchur et al., Pitfalls of Graph Neural Network Evaluation, 2018",
    serves="node classes on a larger graph",
    expected={"nodes": 7650, "edges": 238162, "features": 745, "classes": 8},
    convert=_convert_node_graph,
    files=(
        File(
            path="node-graphs/amazon_photo.npz",
            sha256="cf648df836fa8d36bec7da6c2a86e67b8fa47b9b2af3cd483a3164e4d1854afe",
            size=1760118,
        ),
    ),
    origin=_NODE_GRAPHS,
)

COAUTHOR_CS = replace(
    AMAZON_PHOTO,
    name="coauthor-cs",
    title="Co-authors in computer science",
    expected={"nodes": 18333, "edges": 163788, "features": 6805, "classes": 15},
    files=(
        File(
            path="node-graphs/coauthor_cs.npz",
            sha256="93a101bbb1c4e01c9202cd5a68a8ab1724972fe10a34f2258cedeabdebfcbf77",
            size=2631108,
        ),
    ),
)

MUTAG = Source(
    name="mutag",
    title="MUTAG molecules",
    home="https://chrsmrrs.github.io/datasets/",
    licence="TU Dortmund: research use with citation",
    cite="Morris et al., TUDataset, 2020; Debnath et al., J. Med. Chem. 1991",
    serves="classes of whole graphs: GIN",
    expected={"graphs": 188, "nodes": 3371, "edges": 7442, "features": 7, "classes": 2},
    convert=_convert_small_graphs,
    files=(
        File(
            path="tu-graphs/MUTAG.txt",
            sha256="5897dae243f6c773aab54ec99e86551c3b1e8601acef254714073042c632d30e",
            size=32377,
            gzipped="6c52f18e9bd38cc489023bc24b033195e51aa7a9e02d3ac802c499743f05b46c",
            url=f"{_DGCNN}/MUTAG/MUTAG.txt",
        ),
    ),
)

PROTEINS = replace(
    MUTAG,
    name="proteins",
    title="PROTEINS, enzymes or not",
    cite="Morris et al., TUDataset, 2020; Borgwardt et al., Bioinformatics 2005",
    expected={"graphs": 1113, "nodes": 43471, "edges": 162088, "features": 3, "classes": 2},
    files=(
        File(
            path="tu-graphs/PROTEINS.txt",
            sha256="ed0730f9bf9da68aa6a8c80f2f2b6ecea5d05791ca254c709f3efab3b45d937b",
            size=642021,
            gzipped="6863cec82a7f458854737016bed9e7f37febf4ca0f1473584079391a4d99eee5",
            url=f"{_DGCNN}/PROTEINS/PROTEINS.txt",
        ),
    ),
)
