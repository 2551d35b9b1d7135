"""Graphs that are no event logs: nodes with features and labels, or many small graphs.

A graph folder holds `graph.npz` (plain arrays) and `graph.toml` (what they are).
"""

import tomllib
import zipfile
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import tomli_w
from jaxtyping import Bool, Float32, Int32, Int64

from grapevine.data.sources.base import Source
from grapevine.errors import BundleError

FORMAT = 1


META = "graph.toml"
"""The file by which a folder is known to hold a graph."""


@dataclass(frozen=True, kw_only=True)
class LabelledGraph:
    """One or many graphs as CSR arrays, with sparse node features and labels.

    Several graphs are laid end to end as one graph without an edge between them.

    Attributes:
        offsets: `(nodes + 1,)` the neighbours of node v are `[offsets[v], offsets[v + 1])`.
        neighbours: `(edges,)` rows of nodes, rising within a node; each undirected edge stands
            there twice, no edge joins a node to itself.
        feature_offsets: `(nodes + 1,)` likewise, into the two arrays that follow.
        feature_columns: `(entries,)` which features of a node are not zero.
        feature_values: `(entries,)` their values.
        num_features: F, the length of a dense feature vector.
        labels: class of each node, or of each graph if there are several (or one, with one
            label); -1 is unknown.
        num_classes: C.
        graph_offsets: `(graphs + 1,)` the nodes of graph g are those from `graph_offsets[g]` up to,
            not with, `graph_offsets[g + 1]`.
        train, validation, test: `(nodes,)` the public split, or None where there is none.
        name: what it is called.
        notes: what a reader must know.
    """

    offsets: Int64[np.ndarray, " nodes_plus_one"]
    neighbours: Int32[np.ndarray, " edges"]
    feature_offsets: Int64[np.ndarray, " nodes_plus_one"]
    feature_columns: Int32[np.ndarray, " entries"]
    feature_values: Float32[np.ndarray, " entries"]
    num_features: int
    labels: Int32[np.ndarray, " labelled"]
    num_classes: int
    graph_offsets: Int64[np.ndarray, " graphs_plus_one"]
    train: Bool[np.ndarray, " nodes"] | None = None
    validation: Bool[np.ndarray, " nodes"] | None = None
    test: Bool[np.ndarray, " nodes"] | None = None
    name: str = ""
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        labelled = self.num_nodes
        if self.num_graphs > 1 or len(self.labels) == 1:
            labelled = self.num_graphs
        expected = {
            "neighbours": int(self.offsets[-1]),
            "feature_offsets": self.num_nodes + 1,
            "feature_columns": int(self.feature_offsets[-1]),
            "feature_values": int(self.feature_offsets[-1]),
            "labels": labelled,
            "train": self.num_nodes,
            "validation": self.num_nodes,
            "test": self.num_nodes,
        }
        for name, length in expected.items():
            array = getattr(self, name)
            if array is not None and len(array) != length:
                raise ValueError(f"{name} has {len(array)} entries, {length} are needed")
        if self.graph_offsets[-1] != self.num_nodes:
            raise ValueError(f"the graphs end at {self.graph_offsets[-1]} of {self.num_nodes}")
        for name, limit in (
            ("neighbours", self.num_nodes),
            ("feature_columns", self.num_features),
            ("labels", self.num_classes),
        ):
            array = getattr(self, name)
            if len(array) and (array.max() >= limit or array.min() < -(name == "labels")):
                raise ValueError(f"{name} must lie below {limit}: got {array.min()}..{array.max()}")

    @property
    def num_nodes(self) -> int:
        """N, over all graphs."""
        return len(self.offsets) - 1

    @property
    def num_graphs(self) -> int:
        """How many graphs are laid end to end."""
        return len(self.graph_offsets) - 1

    def counts(self) -> dict[str, int]:
        """Graphs, nodes, edges (both ways), features and classes."""
        return {
            "graphs": self.num_graphs,
            "nodes": self.num_nodes,
            "edges": len(self.neighbours),
            "features": self.num_features,
            "classes": self.num_classes,
        }

    def write(self, folder: Path, source: Source) -> None:
        """Write a graph folder that says where it came from."""
        folder.mkdir(parents=True)
        columns = {field.name: getattr(self, field.name) for field in fields(self)}
        arrays: dict[str, Any] = {
            name: value for name, value in columns.items() if isinstance(value, np.ndarray)
        }
        np.savez_compressed(folder / "graph.npz", **arrays)
        meta = {
            "format": FORMAT,
            "name": source.name,
            "licence": source.licence,
            "source": f"{source.title}, {source.home}",
            "notes": list(self.notes),
            "num_features": self.num_features,
            "num_classes": self.num_classes,
        }
        (folder / META).write_text(tomli_w.dumps(meta), encoding="utf-8")


def load_graph(folder: Path) -> LabelledGraph:
    """Read a graph folder.

    Raises:
        BundleError: it is none, a file is damaged, or a later version wrote it.
    """
    folder = Path(folder)
    try:
        meta = tomllib.loads((folder / META).read_text(encoding="utf-8"))
        # Opened here, since numpy leaves a file open that turns out not to be one of its own.
        with (
            (folder / "graph.npz").open("rb") as content,
            np.load(content, allow_pickle=False) as file,
        ):
            arrays = {name: file[name] for name in file.files}
        if meta["format"] != FORMAT:
            raise BundleError(
                f"{folder}: format {meta['format']}, this version reads format {FORMAT}",
                hint="fetch the graph again with this version of grapevine",
            )
        return LabelledGraph(
            **arrays,
            num_features=meta["num_features"],
            num_classes=meta["num_classes"],
            name=meta["name"],
            notes=tuple(meta["notes"]),
        )
    except FileNotFoundError as error:
        raise BundleError(
            f"`{folder}` is not a graph folder: it has no {Path(error.filename).name}",
            hint="make one with `grapevine data fetch cora`",
        ) from error
    except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile) as error:
        if isinstance(error, BundleError):
            raise
        raise BundleError(f"{folder}: damaged: {error}", hint="fetch the graph again") from error
