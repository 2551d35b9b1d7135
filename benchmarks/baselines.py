"""Baselines beside RecTools and implicit: the same events, options, questions and metric.

The peers live in an environment of their own and are run as a subprocess of this very file: they
read the training matrix from `.npz`, write their lists as `.npy`, and the lists of both sides go
through the same metric. The two sides take turns; times are of `fit` alone, the median of the
turns; every turn has its own seed.

python benchmarks/baselines.py --peer-python PEERS/bin/python --mirror DATA \
    --out benchmarks/results/baselines.md
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import tempfile
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp

K = {"ml-1m": 10, "gowalla": 20}
METRICS = {"ml-1m": ("ndcg", "hr"), "gowalla": ("recall", "ndcg")}
TUNED = {"regularization": 10.0, "alpha": 10.0, "iterations": 15}


@dataclass(frozen=True)
class Case:
    """One line of the comparison; more turns, and so seeds, where the start is drawn."""

    data: str
    model: str
    options: dict[str, Any]
    peer: str
    turns: int


CASES = {
    "ml-1m-popularity": Case("ml-1m", "popularity", {}, "RecTools PopularModel", 3),
    "ml-1m-item-knn": Case("ml-1m", "item-knn", {"neighbours": 100}, "implicit Cosine", 3),
    "ml-1m-ease": Case("ml-1m", "ease", {"regularization": 500.0}, "RecTools EASE, B as is", 3),
    "ml-1m-ease-as-shipped": Case("ml-1m", "ease", {"regularization": 500.0}, "RecTools EASE", 3),
    "ml-1m-als-64": Case("ml-1m", "als", {"factors": 64, **TUNED}, "implicit ALS", 5),
    "ml-1m-als-64-plain": Case("ml-1m", "als", {"factors": 64}, "implicit ALS", 5),
    "ml-1m-bpr-64": Case("ml-1m", "bpr", {"factors": 64}, "implicit BPR", 5),
    "gowalla-item-knn": Case("gowalla", "item-knn", {"neighbours": 100}, "implicit Cosine", 3),
    "gowalla-als-64": Case("gowalla", "als", {"factors": 64, **TUNED}, "implicit ALS", 3),
    "gowalla-als-256": Case("gowalla", "als", {"factors": 256, **TUNED}, "implicit ALS", 3),
}
DEFAULTS = {
    "als": {"regularization": 0.01, "alpha": 1.0, "iterations": 15},
    "bpr": {"learning_rate": 0.01, "regularization": 0.01, "iterations": 100},
}


def loaded(name: str, mirror: Path | None) -> tuple[Any, Any]:
    """Training set and test; for ml-1m everything but each user's last event is training."""
    from grapevine import pipeline
    from grapevine.data import split
    from grapevine.data.dataset import TRAIN, VALIDATION

    data = pipeline.load(name, mirror=mirror)
    if name == "gowalla":
        parts = split.published(data)
    else:
        labels = split.leave_last_out(data).labels.copy()
        labels[labels == VALIDATION] = TRAIN
        parts = split.apply(data, labels, {"by": "leave-last-out"})
    return parts.train, parts.test


def ours(case: Case, train: Any, test: Any, seed: int) -> tuple[float, np.ndarray]:
    """Seconds of `fit`, and the lists."""
    from dataclasses import replace

    from grapevine.evaluation.rank import rank_model
    from grapevine.models import MODELS

    config = replace(MODELS[case.model].config, **case.options)
    started = time.perf_counter()
    model = config.fit(train, seed=seed)
    seconds = time.perf_counter() - started
    return seconds, rank_model(model, test, k=K[case.data]).best.items


def peer(case: Case, matrix: sp.csr_matrix, users: np.ndarray, seed: int) -> Any:
    """The same from the peer; runs in the peers' environment, which has no grapevine."""
    k = K[case.data]
    if case.peer.startswith("RecTools"):
        return rectools(case, matrix, users, k)
    from implicit.cpu.als import AlternatingLeastSquares
    from implicit.cpu.bpr import BayesianPersonalizedRanking
    from implicit.nearest_neighbours import CosineRecommender
    from threadpoolctl import threadpool_limits

    options = {**DEFAULTS.get(case.model, {}), **case.options}
    if case.model == "item-knn":
        model = CosineRecommender(K=options["neighbours"])
    elif case.model == "als":
        model = AlternatingLeastSquares(**options, random_state=seed)
    else:
        model = BayesianPersonalizedRanking(**options, random_state=seed)
    with threadpool_limits(1, "blas"):  # as implicit itself asks for
        started = time.perf_counter()
        model.fit(matrix, show_progress=False)
        seconds = time.perf_counter() - started
        items, _ = model.recommend(users, matrix[users], N=k, filter_already_liked_items=True)
    return seconds, items.astype(np.int32)


def rectools(case: Case, matrix: sp.csr_matrix, users: np.ndarray, k: int) -> Any:
    import pandas as pd
    from rectools.dataset import Dataset
    from rectools.models import EASEModel, PopularModel

    rows, columns = matrix.nonzero()
    table = pd.DataFrame({"user_id": rows, "item_id": columns, "weight": 1.0})
    data = Dataset.construct(table.assign(datetime=pd.Timestamp(0)))
    model = EASEModel(**case.options) if case.model == "ease" else PopularModel()
    started = time.perf_counter()
    model.fit(data)
    seconds = time.perf_counter() - started
    if case.model == "popularity":
        # Its order among items of equal count is that of an unstable sort: by row, as ours.
        items, counts = model.popularity_list
        order = np.lexsort((data.item_id_map.convert_to_external(items), -counts))
        model.popularity_list = items[order], counts[order]
    if case.peer == "RecTools EASE, B as is":
        # RecTools multiplies the history by the transpose of the B that it fitted: the paper's
        # equation 1 is `X B`.
        model.weight = model.weight.T
    shown = model.recommend(users, data, k=k, filter_viewed=True)
    lists = np.full((matrix.shape[0], k), -1, np.int32)
    lists[shown["user_id"], shown["rank"] - 1] = shown["item_id"]
    return seconds, lists[users]


def measured(case: Case, lists: np.ndarray, test: Any) -> dict[str, float]:
    """The metrics of lists: a target's rank is its place, infinity if it is not there."""
    from grapevine.evaluation import metrics
    from grapevine.structs.jagged import Jagged

    ranks = []
    for shown, targets in zip(lists, test.targets):
        place = {item: rank + 1.0 for rank, item in enumerate(shown.tolist())}
        ranks.append(sorted(place.get(item, np.inf) for item in targets.tolist()))
    ranked = Jagged.from_lists(ranks, np.float64)
    k = K[case.data]
    return {
        f"{name}@{k}": float(np.nanmean(metrics.CUT[name](ranked, k)))
        for name in METRICS[case.data]
    }


def ease_rounding(train: Any, test: Any) -> str:
    """How far EASE in float32 is from EASE in float64, and what of it a list shows."""
    from dataclasses import replace

    from grapevine.evaluation.rank import rank_model
    from grapevine.graph.cooccurrence import distinct, gram
    from grapevine.models.ease import EASE

    model = EASE.Config().fit(train)
    events = train.target_interactions
    exact = gram(distinct(events.histories, events.num_items), events.num_items).astype(float)
    exact[np.diag_indices_from(exact)] += model.config.regularization
    exact = np.linalg.inv(exact)
    exact /= -np.diag(exact)
    np.fill_diagonal(exact, 0)
    wide = replace(model, weights=exact.astype(np.float32))
    lists = [rank_model(one, test, k=10).best.items for one in (model, wide)]
    same = (lists[0] == lists[1]).all(axis=1).mean()
    return (
        f"EASE in float32 on ml-1m differs from float64 by at most "
        f"{np.abs(model.weights - exact).max():.1e} in a weight (the largest weight is "
        f"{exact.max():.2f}), and {same:.2%} of the lists of 10 agree item for item "
        "(`--ease-rounding`)."
    )


def run_peer(python: Path, name: str, folder: Path, seed: int) -> tuple[float, np.ndarray]:
    command = [python, __file__, "--as-peer", name, "--folder", folder, "--seed", str(seed)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    return json.loads(done.stdout.splitlines()[-1]), np.load(folder / "lists.npy")


def compared(name: str, args: argparse.Namespace) -> list[str]:
    """The lines of the table for one case."""
    from grapevine.graph.cooccurrence import distinct

    case = CASES[name]
    train, test = loaded(case.data, args.mirror)
    lists = distinct(train.target_interactions.histories, len(train.items))
    shape = (len(train.users), len(train.items))
    ones = np.ones(len(lists.values), np.float32)
    seconds: dict[str, list[float]] = {"ours": [], "peer": []}
    values: dict[str, list[dict[str, float]]] = {"ours": [], "peer": []}
    same: list[float] = []
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        sp.save_npz(folder / "train.npz", sp.csr_matrix((ones, lists.values, lists.offsets), shape))
        np.save(folder / "users.npy", test.users)
        ours(case, train, test, 0)  # compiles, so that this is not timed
        for turn in range(case.turns):
            shown = {}
            for side in ("ours", "peer"):
                took, shown[side] = (
                    ours(case, train, test, turn)
                    if side == "ours"
                    else run_peer(args.peer_python, name, folder, turn)
                )
                seconds[side].append(took)
                values[side].append(measured(case, shown[side], test))
            same.append(float((shown["ours"] == shown["peer"]).all(axis=1).mean()))
    took = {side: statistics.median(seconds[side]) for side in seconds}
    told = ", ".join(f"{key} {value:g}" for key, value in case.options.items()) or "-"
    lines = []
    for metric in values["ours"][0]:
        mean, spread = {}, {}
        for side in values:
            of_side = [one[metric] for one in values[side]]
            mean[side] = statistics.mean(of_side)
            spread[side] = statistics.stdev(of_side)
        # Whole digits where nothing is drawn, so that "equal" can be seen.
        cells = [
            f"{mean[side]:.6f}" + (f" ± {spread[side]:.4f}" if spread[side] else "")
            for side in ("ours", "peer")
        ]
        lines.append(
            f"| {case.data} | {case.model} | {told} | {case.peer} | {metric} | {cells[0]} | "
            f"{cells[1]} | {mean['ours'] / mean['peer']:.4f} | {statistics.mean(same):.1%} | "
            f"{took['ours']:.3f} | {took['peer']:.3f} | {took['peer'] / took['ours']:.1f} |"
        )
        print(lines[-1], flush=True)
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peer-python", type=Path, help="of an environment with the peers")
    parser.add_argument("--mirror", type=Path, help="where the public files lie")
    parser.add_argument("--case", choices=CASES, nargs="+", default=list(CASES))
    parser.add_argument("--out", type=Path)
    parser.add_argument("--ease-rounding", action="store_true", help="measure that alone")
    parser.add_argument("--as-peer", choices=CASES, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--seed", type=int, default=0, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.as_peer:
        matrix = sp.load_npz(args.folder / "train.npz")
        users = np.load(args.folder / "users.npy")
        seconds, lists = peer(CASES[args.as_peer], matrix, users, args.seed)
        np.save(args.folder / "lists.npy", lists)
        print(json.dumps(seconds))
        return
    if args.ease_rounding:
        print(ease_rounding(*loaded("ml-1m", args.mirror)))
        return
    lines = [line for name in args.case for line in compared(name, args)]
    if args.out:
        args.out.write_text("\n".join([*header(args), *lines]) + "\n", encoding="utf-8")


def header(args: argparse.Namespace) -> list[str]:
    versions = subprocess.run(
        [
            args.peer_python,
            "-c",
            "from importlib.metadata import version as v; "
            'print(f\'RecTools {v("rectools")}, implicit {v("implicit")}\')',
        ],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    return [
        "# Baselines beside their peers",
        "",
        f"{datetime.now(UTC):%Y-%m-%d}, `python benchmarks/baselines.py` beside {versions}; "
        f"{os.cpu_count()} cores, {platform.system()}, Python {platform.python_version()}.",
        "",
        "Full ranking, seen items removed. ml-1m: each user's last event is the question, all "
        "others are training. gowalla: the published split. Seeds are 0, 1, ...: one a turn; the "
        "figures after ± are standard deviations over seeds. `same lists` is the share of users "
        "whose lists agree item for item (for drawn starts it says nothing). Times are medians of "
        "`fit` alone, in seconds, of turns that alternate.",
        "",
        "RecTools' PopularModel leaves the order among equal counts to an unstable sort; here it "
        "is put by row, as ours is. RecTools' EASE fits the B of the paper and then multiplies the "
        "history by its transpose; `B as is` lets it multiply by B, the paper's equation 1, which "
        "is what ours does. implicit's ALS scores with the users of the last sweep but a half, "
        "ours solves for them once more.",
        "",
        "| data | model | options | peer | metric | ours | peer | ours / peer | same lists | "
        "fit, ours | fit, peer | times faster |",
        "|---|---|---|---|---|---:|---:|---:|---:|---:|---:|---:|",
    ]


if __name__ == "__main__":
    main()
