"""Full ranking and its metrics, beside RecTools on the same scores: users a second, peak memory.

Two problems: a dense item-item model of the size of ML-1M, and a dot product of 64-wide vectors
over a large catalogue. Each side scores, leaves out what was seen, takes the top k and computes
HR, NDCG, MRR, recall and MAP at 10; Grapevine also counts the exact rank of every target. Both run
in processes of their own, in turn, after a small warm-up; RecTools by whichever of its rankers
(`implicit` and PyTorch) is faster.

    .venv/bin/python benchmarks/evaluation.py --peer PYTHON_WITH_RECTOOLS --users 100000
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

K = 10
METRICS = ("hr", "ndcg", "mrr", "recall", "map")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--users", type=int, default=20_000, help="users of the dot product")
    parser.add_argument("--items", type=int, default=100_000, help="items of the dot product")
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--peer", type=Path, help="a Python that has RecTools")
    parser.add_argument("--problem", choices=["dense", "dot"], help="only one of the two")
    parser.add_argument("--blocks", action="store_true", help="try sizes of a block of scores")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--worker", nargs=2, metavar=("SIDE", "FOLDER"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.worker:
        side, folder = given.worker
        print(json.dumps(WORKERS[side](Path(folder))))
        return
    sizes = {
        "dense": (6_040, 3_706, 3_706),
        "dot": (given.users, given.items, given.width),
    }
    for problem, (users, items, width) in sizes.items():
        if given.problem in {None, problem}:
            with tempfile.TemporaryDirectory() as folder:
                make(Path(folder), problem, users, items, width, given.seed)
                print(f"\n{problem}: {users:,} users x {items:,} items, width {width}")
                compare(Path(folder), users, given)


def make(folder: Path, problem: str, users: int, items: int, width: int, seed: int) -> None:
    """Vectors, histories of 5 to 60 items and one target a user, as .npy files."""
    rng = np.random.default_rng(seed)
    lengths = rng.integers(5, 61, users)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    # Popular items first, by a power law; the target is outside the history.
    drawn = (items * rng.random(offsets[-1] + users) ** 3).astype(np.int32)
    history, targets = drawn[: offsets[-1]], drawn[offsets[-1] :]
    for user in range(users):
        mine = history[offsets[user] : offsets[user + 1]]
        while (mine == targets[user]).any():
            targets[user] = (targets[user] + 1) % items
    np.save(folder / "offsets.npy", offsets)
    np.save(folder / "history.npy", history)
    np.save(folder / "targets.npy", targets)
    scale = np.float32(width**-0.5)  # a 64-bit number would widen the whole array
    np.save(folder / "items.npy", rng.standard_normal((items, width), np.float32) * scale)
    if problem == "dot":
        vectors = rng.standard_normal((users, width), np.float32)
        # Users lean towards their target, so that some hits are there to be measured.
        vectors += 2 * np.load(folder / "items.npy")[targets]
        np.save(folder / "users.npy", vectors)


def compare(folder: Path, users: int, given: argparse.Namespace) -> None:
    """Run the sides in turn and print each one's best time."""
    runs = {"grapevine": sys.executable}
    if given.blocks:
        print(json.dumps(run("blocks", sys.executable, folder), indent=1))
        return
    if given.peer:
        runs |= {"rectools-implicit": str(given.peer), "rectools-torch": str(given.peer)}
        if not (folder / "users.npy").is_file():
            del runs["rectools-torch"]  # a sparse history needs the other ranker
    found = {side: [] for side in runs}
    for _ in range(given.rounds):
        for side, python in runs.items():
            found[side].append(run(side, python, folder))
    heads = ["seconds of each round", "users/s", "CPU s", "peak MiB", *METRICS]
    print("| side | " + " | ".join(heads) + " |")
    print("|---|" + "---|" * len(heads))
    best = {}
    for side, rounds in found.items():
        best[side] = min(one["seconds"] for one in rounds)
        each = ", ".join(f"{one['seconds']:.2f}" for one in rounds)
        busy = min(one["cpu_seconds"] for one in rounds)
        peak = max(one["peak_mib"] for one in rounds)
        cells = [each, f"{users / best[side]:,.0f}", f"{busy:.2f}", f"{peak:,.0f}"]
        cells += [f"{rounds[0]['metrics'][name]:.6f}" for name in METRICS]
        print(f"| {side} | " + " | ".join(cells) + " |")
    peers = [seconds for side, seconds in best.items() if side != "grapevine"]
    if peers:
        ratio = min(peers) / best["grapevine"]
        print(f"\nusers/s over the faster RecTools ranker (best rounds): {ratio:.2f}")


def run(side: str, python: str, folder: Path) -> dict:
    command = [python, __file__, "--worker", side, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stderr)
    return json.loads(done.stdout.splitlines()[-1])


def facts(started: float, busy: float, found: dict) -> dict:
    return {
        "seconds": time.perf_counter() - started,
        "cpu_seconds": time.process_time() - busy,
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "metrics": found,
    }


def problem_of(folder: Path):
    """The holdout and the model of Grapevine's side."""
    from dataclasses import dataclass

    from grapevine.data.holdout import Holdout
    from grapevine.data.interactions import Interactions
    from grapevine.models.ease import EASE
    from grapevine.structs import Jagged, Products

    items = np.load(folder / "items.npy")
    offsets, history = np.load(folder / "offsets.npy"), np.load(folder / "history.npy")
    targets = np.load(folder / "targets.npy")
    users = len(targets)

    @dataclass
    class Dot:
        config: str
        users: np.ndarray

        def score(self, batch):
            return np.asarray(self.products(batch))

        def products(self, batch):
            return Products(self.users[batch.users], items)

    if (folder / "users.npy").is_file():
        model = Dot("dot", np.load(folder / "users.npy"))
    else:
        model = EASE(config=EASE.Config(), weights=items, behaviour=np.array([-1]))
    events = Interactions(
        offsets=offsets,
        items=history,
        behaviours=np.zeros(len(history), np.uint8),
        times=np.arange(len(history)),
        num_items=len(items),
    )
    wanted = Jagged(np.arange(users + 1), targets)
    return model, Holdout("test", np.arange(users), wanted, events, np.full(users, len(history)))


def grapevine(folder: Path) -> dict:
    from grapevine.evaluation import metrics, rank_model

    model, holdout = problem_of(folder)
    rank_model(model, first(holdout, 64), k=K)
    started, busy = time.perf_counter(), time.process_time()
    ranked = rank_model(model, holdout, k=K)
    cut = {**metrics.CUT, "mrr": lambda ranks, k: metrics.mrr(ranks, k)}
    found = {name: float(cut[name](ranked.ranks, K).mean()) for name in METRICS}
    return facts(started, busy, found)


def first(holdout, size: int):
    from dataclasses import replace

    rows = np.arange(min(size, len(holdout)))
    return replace(
        holdout,
        users=holdout.users[rows],
        targets=holdout.targets.take(rows),
        asked_at=holdout.asked_at[rows],
    )


def blocks(folder: Path) -> dict:
    """Seconds by size of a block of scores in MiB."""
    from grapevine.evaluation import rank_model

    model, holdout = problem_of(folder)
    rank_model(model, first(holdout, 64), k=K)
    found = {}
    for mib in (8, 16, 32, 64, 128, 256, 512):
        queries = max(1, mib * 2**20 // (4 * holdout.history.num_items))
        seconds = []
        for _ in range(3):
            started = time.perf_counter()
            rank_model(model, holdout, k=K, block_queries=queries)
            seconds.append(round(time.perf_counter() - started, 3))
        found[mib] = min(seconds)
    return found


def rectools_implicit(folder: Path) -> dict:
    from rectools.models.rank import Distance, ImplicitRanker

    users, items, seen = peer_arrays(folder)
    return peer(folder, seen, ImplicitRanker(Distance.DOT, users, items))


def rectools_torch(folder: Path) -> dict:
    from rectools.models.rank import Distance, TorchRanker

    users, items, seen = peer_arrays(folder)
    return peer(folder, seen, TorchRanker(Distance.DOT, "cpu", users, items))


def peer_arrays(folder: Path):
    from scipy import sparse

    items = np.load(folder / "items.npy")
    offsets, history = np.load(folder / "offsets.npy"), np.load(folder / "history.npy")
    seen = sparse.csr_matrix(
        (np.ones(len(history), np.float32), history, offsets), (len(offsets) - 1, len(items))
    )
    seen.sum_duplicates()
    seen.data[:] = 1
    if (folder / "users.npy").is_file():
        return np.load(folder / "users.npy"), items, seen
    return seen, np.ascontiguousarray(items.T), seen  # this side multiplies by the transpose


def peer(folder: Path, seen, ranker) -> dict:
    import pandas as pd
    from rectools import Columns
    from rectools.metrics import MAP, MRR, NDCG, HitRate, Recall, calc_metrics

    targets = np.load(folder / "targets.npy")
    asked = np.arange(len(targets))
    truth = pd.DataFrame({Columns.User: asked, Columns.Item: targets, Columns.Weight: 1.0})
    measured = {
        "hr": HitRate(K),
        "ndcg": NDCG(K, divide_by_achievable=True),
        "mrr": MRR(K),
        "recall": Recall(K),
        "map": MAP(K),
    }

    def all_of(rows: np.ndarray) -> dict:
        users, items, _ = ranker.rank(rows, k=K, filter_pairs_csr=seen[rows])
        listed = pd.DataFrame({Columns.User: users, Columns.Item: items})
        listed[Columns.Rank] = listed.groupby(Columns.User, sort=False).cumcount() + 1
        return calc_metrics(
            measured, reco=listed, interactions=truth[truth[Columns.User].isin(rows)]
        )

    all_of(asked[:64])
    started, busy = time.perf_counter(), time.process_time()
    found = {name: float(value) for name, value in all_of(asked).items()}
    return facts(started, busy, found)


WORKERS = {
    "grapevine": grapevine,
    "blocks": blocks,
    "rectools-implicit": rectools_implicit,
    "rectools-torch": rectools_torch,
}

if __name__ == "__main__":
    main()
