"""SASRec and BERT4Rec beside RecTools: histories a second in training, users a second in ranking.

    python benchmarks/sequence_speed.py --peer-python PYTHON --mirror DIR [--batch 64]

PYTHON has rectools[torch]. Both get the same histories of ML-1M (items with 5 events or more, each
user's last two events left out), the same sizes (width 64, two blocks, two heads, 200 places, full
softmax) and the same number of threads, and take turns: first of a few steps each, then of the ten
best items for every user, those of the history left out, as a table. The peer is a process of its
own that waits for its turn; its allocator is tuned as GLIBC_TUNABLES in its environment say, see
--tuned. The result goes to results/sequence_speed.md.
"""

import argparse
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

RESULTS = Path(__file__).parent / "results"
WIDTH, LENGTH, BLOCKS, HEADS, DROPOUT = 64, 200, 2, 2, 0.2
TUNED = (
    "glibc.malloc.mmap_threshold=4294967296:glibc.malloc.trim_threshold=8589934592:"
    "glibc.malloc.top_pad=268435456:glibc.malloc.hugetlb=1"
)


def serve_peer(name: str, path: str, batch: int) -> None:
    """Be the peer: a line with a number of steps, or "rank", comes in, their seconds go out."""
    import pandas as pd
    import torch
    from pytorch_lightning import Callback, Trainer
    from rectools import Columns
    from rectools.dataset import Dataset
    from rectools.models import BERT4RecModel, SASRecModel

    held = np.load(path)
    frame = pd.DataFrame(
        {
            Columns.User: held["users"],
            Columns.Item: held["items"],
            Columns.Weight: 1.0,
            Columns.Datetime: pd.to_datetime(held["places"], unit="s"),
        }
    )
    torch.set_num_threads(int(held["threads"]))

    class InTurns(Callback):
        def __init__(self) -> None:
            self.left, self.began = 0, 0.0

        def wait(self) -> bool:
            asked = sys.stdin.readline().strip()
            if asked == "rank":
                return True
            self.left = int(asked or 0)
            if not self.left:
                sys.exit()
            self.began = time.perf_counter()
            return False

        def on_train_start(self, *_: Any) -> None:
            print("ready", flush=True)
            self.wait()

        def on_train_batch_end(self, trainer: Any, *_: Any) -> None:
            self.left -= 1
            if self.left:
                return
            print(time.perf_counter() - self.began, flush=True)
            if self.wait():  # the training is over
                trainer.should_stop, trainer.limit_train_batches = True, 0

    def trainer(**_: Any) -> Any:
        return Trainer(
            max_epochs=10**6, accelerator="cpu", devices=1, logger=False, callbacks=[InTurns()],
            enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False,
        )  # fmt: skip

    made = {"sasrec": SASRecModel, "bert4rec": BERT4RecModel}[name](
        n_blocks=BLOCKS, n_heads=HEADS, n_factors=WIDTH, session_max_len=LENGTH,
        dropout_rate=DROPOUT, batch_size=batch, loss="softmax", lr=1e-3,
        get_trainer_func=trainer, recommend_torch_device="cpu",
    )  # fmt: skip
    data = Dataset.construct(frame)
    made.fit(data)
    users = np.unique(held["users"])
    while True:
        began = time.perf_counter()
        made.recommend(users=users, dataset=data, k=10, filter_viewed=True)
        print(time.perf_counter() - began, flush=True)
        if not sys.stdin.readline():
            sys.exit()


class Ours:
    """Steps of our learner, batches made ahead as in training."""

    def __init__(self, name: str, train: Any, batch: int, **options: Any) -> None:
        from dataclasses import replace

        from grapevine.models import MODELS

        config = replace(
            MODELS[name].config, width=WIDTH, length=LENGTH, blocks=BLOCKS, heads=HEADS,
            dropout=DROPOUT, batch=batch, **options,
        )  # fmt: skip
        self.learner, self.epoch, self.steps = config.learner(train, seed=0), 0, iter(())
        self.name, self.train = name, train

    def __len__(self) -> int:
        return len(self.learner.batches(0))

    def take(self, steps: int) -> tuple[float, int]:
        """Seconds of so many steps, and the histories in them."""
        histories, began = 0, time.perf_counter()
        for _ in range(steps):
            batch = next(self.steps, None)
            if batch is None:
                self.steps = self._epoch()
                batch = next(self.steps)
            self.learner.step(batch, 1e-3)
            histories += len(batch.places.items)
        return time.perf_counter() - began, histories

    def rank(self) -> Callable[[], float]:
        """What ranks for every user once, and says in how many seconds."""
        from grapevine.models.run import Run

        run = Run.of(self.name, self.learner.model(), self.train, {"seed": 0}, None)
        users = self.train.users.ids

        def once() -> float:
            began = time.perf_counter()
            run.recommend(users=users, k=10)
            return time.perf_counter() - began

        return once

    def _epoch(self) -> Iterator[Any]:
        from grapevine.training.ahead import ahead

        self.epoch += 1
        with ahead(self.learner.batches(self.epoch)) as ready:
            yield from ready


class Peer:
    """The peer's process."""

    def __init__(self, python: Path, name: str, path: Path, batch: int, tuned: bool) -> None:
        self.batch = batch
        self.process = subprocess.Popen(
            [python, __file__, "--as-peer", name, "--data", path, "--batch", str(batch)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env=os.environ | ({"GLIBC_TUNABLES": TUNED} if tuned else {}),
        )  # fmt: skip
        while "ready" not in self._line():
            pass

    def take(self, steps: int) -> tuple[float, int]:
        """Seconds of so many steps, and the histories in them."""
        assert self.process.stdin
        print(steps, file=self.process.stdin, flush=True)
        while True:
            try:
                return float(self._line()), steps * self.batch
            except ValueError:
                continue

    def rank(self) -> float:
        """Seconds of ranking for every user; no steps are taken after the first."""
        assert self.process.stdin
        print("rank", file=self.process.stdin, flush=True)
        while True:
            try:
                return float(self._line())
            except ValueError:
                continue

    def close(self) -> None:
        """Let it end."""
        assert self.process.stdin
        self.process.stdin.close()
        self.process.wait()

    def _line(self) -> str:
        assert self.process.stdout
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError("the peer stopped")
        return line


def measured(name: str, options: argparse.Namespace, train: Any, path: Path) -> list[str]:
    """Two lines of the table: both in turns, the first turn of each to warm up."""
    ours = Ours(name, train, options.batch)
    peer = Peer(options.peer_python, name, path, options.batch, options.tuned)
    steps, ranks = Rates(name, "histories/s"), Rates(name, "users/s ranked")
    for turn in range(options.turns + 1):
        # Lengths differ much from batch to batch of ours: an epoch has all of them.
        for side, one, many in (("ours", ours, len(ours)), ("peer", peer, options.steps)):
            seconds, histories = one.take(many)
            steps.add(turn, side, histories / seconds)
    rank = ours.rank()
    for turn in range(options.turns + 1):
        for side, one in (("ours", rank), ("peer", peer.rank)):
            ranks.add(turn, side, len(train.users) / one())
    peer.close()
    return [steps.line(len(train.users)), ranks.line(len(train.users))]


class Rates:
    """What both sides came to, turn by turn."""

    def __init__(self, name: str, unit: str) -> None:
        self.name, self.unit = name, unit
        self.of: dict[str, list[float]] = {"ours": [], "peer": []}

    def add(self, turn: int, side: str, rate: float) -> None:
        """Write down a turn, but for the first."""
        if turn:
            self.of[side].append(rate)
            print(f"{self.name} {side}: {rate:.1f} {self.unit}", flush=True)

    def line(self, total: int) -> str:
        """Of the table: medians, the seconds that all of it takes, and the ratio."""
        middle = {side: statistics.median(values) for side, values in self.of.items()}
        cells = [f"{middle[side]:,.0f} ({total / middle[side]:.1f} s)" for side in self.of]
        ratio = middle["ours"] / middle["peer"]
        return f"| {self.name}, {self.unit} | {' | '.join(cells)} | {ratio:.1f} |"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--peer-python", type=Path)
    parser.add_argument("--mirror", type=Path)
    parser.add_argument("--models", nargs="+", default=["sasrec", "bert4rec"])
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument(
        "--steps", type=int, default=8, help="of the peer's turns; ours are an epoch"
    )
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--tuned", action="store_true", help="give the peer's allocator huge pages")
    parser.add_argument("--as-peer", help=argparse.SUPPRESS)
    parser.add_argument("--data", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.as_peer:
        serve_peer(options.as_peer, options.data, options.batch)
        return
    if options.mirror:
        os.environ["GRAPEVINE_MIRROR"] = str(options.mirror)
    import torch

    import grapevine as gv
    from grapevine.data.core import core

    train = gv.pipeline.prepare(core(gv.load("ml-1m"), items=5), "leave-last-out").train
    events = train.interactions
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "histories.npz"
        places = np.arange(len(events)) - np.repeat(events.offsets[:-1], np.diff(events.offsets))
        np.savez(
            path, users=events.users, items=events.items, places=places,
            threads=torch.get_num_threads(),
        )  # fmt: skip
        lines = [line for name in options.models for line in measured(name, options, train, path)]
    text = "\n".join(
        [
            "# Sequence models beside RecTools",
            "",
            f"{date.today()}, `python benchmarks/sequence_speed.py --batch {options.batch}"
            f"{' --tuned' if options.tuned else ''}`, {os.cpu_count()} cores, {platform.system()}. "
            f"ML-1M, {len(train.users):,} histories of up to {LENGTH} of {len(train.items):,} "
            "items; in turns, medians. In brackets the seconds of an epoch, or of all users.",
            "",
            "| model | ours | RecTools | ratio |",
            "|---|---:|---:|---:|",
            *lines,
        ]
    )
    print(text)
    (RESULTS / "sequence_speed.md").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
