"""Classes of nodes and of whole graphs on public data, beside what the papers report.

    python benchmarks/nodes.py --mirror DIR [--seeds 10] [--only cora citeseer ...]

Node graphs: Cora and Citeseer with their public split; Amazon Photo and Coauthor CS as in Shchur et
al., 2018: the largest component, 20 nodes of each class to train and 30 to validate with, drawn
anew for each seed. Validation picks the epoch, and nothing else is looked at. Small graphs: ten
parts, the epoch with the best mean over the parts, as in the papers, and the last epoch beside it.
What is measured already is kept in `--folder`, so that a benchmark that was stopped goes on. The
result goes to results/nodes.md.
"""

import argparse
import json
import platform
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

import numpy as np
import torch

from grapevine.data.fetch import fetch
from grapevine.data.sources.graphs import LabelledGraph, load_graph
from grapevine.evaluation.pictures import flat
from grapevine.tasks import clusters, graphs, links, nodes
from grapevine.tasks.inputs import edges_of, largest_component, with_split

RESULTS = Path(__file__).parent / "results"


def of(config: nodes.Config, shape: dict | None = None, **options: object) -> nodes.Config:
    return replace(config, shape=replace(config.shape, **(shape or {})), **options)


WIDE = {"width": 64}
PLAIN = {"shares": False, "epochs": 300, "patience": 50}
# Of counts as they are a mean hears those who have many words or the longest reviews alone.
SHARES = {"epochs": 600, "patience": 100}
LARGER = {
    "gcn": of(nodes.GCN, WIDE, **PLAIN),
    "gcn, shares": of(nodes.GCN, WIDE, **SHARES),
    "mean": of(nodes.GCN, {**WIDE, "layer": "mean", "unit": True}, **SHARES, learning_rate=0.03),
    "gat": of(nodes.GAT, {"drop_edges": 0.3}, **PLAIN),
}


@dataclass(frozen=True)
class Row:
    """A network on a graph.

    Attributes:
        config: how it is trained.
        published: accuracy in percent, and whose.
    """

    config: nodes.Config
    published: str


NODES: dict[str, dict[str, Row]] = {
    "cora": {
        "gcn": Row(nodes.GCN, "81.5 (Kipf and Welling)"),
        "gat": Row(nodes.GAT, "83.0 ± 0.7 (Veličković et al.)"),
        "gatv2": Row(of(nodes.GAT, {"layer": "gatv2"}), ""),
        "grand": Row(nodes.GRAND, "85.4 ± 0.4 (Feng et al.)"),
    },
    "citeseer": {
        "gcn": Row(nodes.GCN, "70.3 (Kipf and Welling)"),
        "gat": Row(nodes.GAT, "72.5 ± 0.7 (Veličković et al.)"),
        "gatv2": Row(of(nodes.GAT, {"layer": "gatv2"}), ""),
        "grand": Row(
            of(
                nodes.GRAND,
                {"depth": 2, "drop": 0.2, "drop_inputs": 0.0},
                views=2,
                agreement=0.7,
                sharpness=0.3,
            ),
            "75.4 ± 0.4 (Feng et al.)",
        ),
    },
    "amazon-photo": {
        "gcn": Row(LARGER["gcn"], "91.2 ± 1.2 (Shchur et al.)"),
        "mean": Row(LARGER["mean"], "91.4 ± 1.3 (Shchur et al., GraphSAGE)"),
        "gat": Row(LARGER["gat"], "85.7 ± 20.3 (Shchur et al.)"),
    },
    "coauthor-cs": {
        "gcn": Row(LARGER["gcn, shares"], "91.1 ± 0.5 (Shchur et al.)"),
        "mean": Row(LARGER["mean"], "91.3 ± 2.8 (Shchur et al., GraphSAGE)"),
        "gat": Row(LARGER["gat"], "90.5 ± 0.6 (Shchur et al.)"),
    },
}
FEW = {"coauthor-cs": 3}
"""Graphs so large that fewer seeds must do."""
GRAPHS = {
    "mutag": (graphs.Config(epochs=100), "89.4 ± 5.6"),
    "proteins": (graphs.Config(epochs=60, batch=128, drop=0.5), "76.2 ± 2.8"),
}


def loaded(name: str, mirror: Path | None) -> LabelledGraph:
    with tempfile.TemporaryDirectory() as folder:
        return load_graph(fetch(name, Path(folder) / name, mirror))


def measure_nodes(row: Row, graph: LabelledGraph, seed: int) -> dict:
    if graph.train is None:
        graph = with_split(largest_component(graph), seed=seed)
    began = time.perf_counter()
    found = nodes.fit(row.config, graph, seed=seed)
    seconds = time.perf_counter() - began
    parts = {"test": graph.test, "validation": graph.validation}
    return {
        **{name: found.accuracy(graph, part) for name, part in parts.items()},
        "epochs": found.trace.epochs,
        "seconds": seconds,
    }


def measure_graphs(config: graphs.Config, graph: LabelledGraph) -> dict:
    began = time.perf_counter()
    curves = graphs.cross_validate(config, graph)
    best = int(curves.mean(0).argmax())
    return {
        "best": [float(curves[:, best].mean()), float(curves[:, best].std())],
        "last": [float(curves[:, -1].mean()), float(curves[:, -1].std())],
        "epoch": best + 1,
        "seconds": time.perf_counter() - began,
    }


def measure_links(graph: LabelledGraph, seed: int) -> dict:
    held = links.hold_out(graph, seed=seed)
    found = links.fit(links.Config(), graph, held, seed=seed)
    scores, truth = found.score(held.test), links.truth_of(held.test)
    return {"auc": links.auc(scores, truth), "ap": links.average_precision(scores, truth)}


def measure_clusters(graph: LabelledGraph, seed: int) -> dict:
    """Parts from what a network without a label makes of a graph, against the classes."""
    held = links.hold_out(graph, seed=seed)
    states = links.fit(links.Config(), graph, held, seed=seed).vectors
    edges, known = edges_of(graph), graph.labels >= 0
    rows = clusters.states_of(torch.from_numpy(states))
    told = {}
    for name, part in (
        ("states", clusters.k_means(rows, graph.num_classes, seed=seed)),
        ("spectral", clusters.spectral(edges, graph.num_classes, seed=seed)),
    ):
        same = clusters.agreement(part[known], graph.labels[known])
        told |= {f"{name} {measure}": value for measure, value in same.items()}
        told[f"{name} modularity"] = clusters.modularity(edges, part)
    spread = np.square(flat(rows.astype(np.float32))).sum() / np.square(rows - rows.mean(0)).sum()
    return {**told, "map": float(spread)}


class Kept:
    """What is measured already, one JSON file a case."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def get(self, name: str, measure: Callable[..., dict], *given: object) -> dict:
        """What was measured under this name; measured now if nothing was."""
        path = self.folder / f"{name}.json"
        if not path.exists():
            found = measure(*given)
            path.write_text(json.dumps(found))
            print(name, found, flush=True)
        return json.loads(path.read_text())


def interval(values: Sequence[float]) -> str:
    """Mean, and half the width of its 95 percent interval (normal), in percent."""
    half = 1.96 * np.std(values, ddof=1) / len(values) ** 0.5 if len(values) > 1 else 0.0
    spread = np.std(values, ddof=1) if len(values) > 1 else 0.0
    return f"{100 * np.mean(values):.1f} ± {100 * half:.1f} | {100 * spread:.1f}"


def node_table(kept: Kept, only: Sequence[str], seeds: int, mirror: Path | None) -> list[str]:
    lines = [
        "| data | network | seeds | test, mean ± 95 % | s.d. | validation | published | seconds "
        "| most |",
        "|---|---|---:|---:|---:|---:|---|---:|---:|",
    ]
    for data, rows in NODES.items():
        if data not in only:
            continue
        graph = loaded(data, mirror)
        for name, row in rows.items():
            runs = [
                kept.get(f"{data}-{name}-{seed}", measure_nodes, row, graph, seed)
                for seed in range(min(seeds, FEW.get(data, seeds)))
            ]
            seconds = [run["seconds"] for run in runs]
            lines.append(
                f"| {data} | {name} | {len(runs)} | {interval([run['test'] for run in runs])} "
                f"| {100 * np.mean([run['validation'] for run in runs]):.1f} | {row.published} "
                f"| {np.mean(seconds):.0f} | {max(seconds):.0f} |"
            )
    return lines


def graph_table(kept: Kept, only: Sequence[str], mirror: Path | None) -> list[str]:
    lines = [
        "| data | best epoch | mean ± s.d. of ten parts | last epoch | published | seconds |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for data, (config, published) in GRAPHS.items():
        if data not in only:
            continue
        found = kept.get(data, measure_graphs, config, loaded(data, mirror))
        best, last = (
            f"{100 * mean:.1f} ± {100 * spread:.1f}"
            for mean, spread in (found["best"], found["last"])
        )
        lines.append(
            f"| {data} | {found['epoch']} | {best} | {last} | {published} "
            f"| {found['seconds']:.0f} |"
        )
    return lines


def further_table(kept: Kept, only: Sequence[str], seeds: int, mirror: Path | None) -> list[str]:
    lines = []
    for data in ("cora", "citeseer"):
        if data not in only:
            continue
        graph = loaded(data, mirror)
        pairs = [
            kept.get(f"{data}-links-{seed}", measure_links, graph, seed) for seed in range(seeds)
        ]
        parts = [
            kept.get(f"{data}-clusters-{seed}", measure_clusters, graph, seed)
            for seed in range(min(seeds, 3))
        ]
        area, precision = (
            interval([one[name] for one in pairs]).split(" |")[0] for name in ("auc", "ap")
        )
        mean = {name: np.mean([one[name] for one in parts]) for name in parts[0]}
        told = ", ".join(f"{name} {value:.2f}" for name, value in mean.items())
        lines += [
            f"- {data}, links: AUC {area}, average precision {precision} (VGAE reports "
            "91.4 / 92.6 on Cora, 90.8 / 92.0 on Citeseer).",
            f"- {data}, parts: {told}.",
        ]
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mirror", type=Path)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--only", nargs="*", default=[*NODES, *GRAPHS])
    parser.add_argument("--folder", type=Path, default=Path("runs/nodes"))
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    kept = Kept(options.folder)
    only, mirror = options.only, options.mirror
    text = [
        "# Classes of nodes and of graphs",
        "",
        f"{date.today()}, `python benchmarks/nodes.py --seeds {options.seeds}`, {options.threads} "
        f"cores, {platform.system()}, torch {torch.__version__}.",
        "",
        *node_table(kept, only, options.seeds, mirror),
        "",
        "## Classes of small graphs",
        "",
        *graph_table(kept, only, mirror),
        "",
        "## Links, parts and a map",
        "",
        *further_table(kept, only, options.seeds, mirror),
        "",
    ]
    if set(only) == {*NODES, *GRAPHS}:
        (RESULTS / "nodes.md").write_text("\n".join(text), encoding="utf-8")
    sys.stdout.write("\n".join(text))


if __name__ == "__main__":
    main()
