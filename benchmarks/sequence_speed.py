"""SASRec and BERT4Rec beside RecTools and RecBole: an epoch of training, and ranking for all users.

    python benchmarks/sequence_speed.py --rectools PYTHON [--recbole PYTHON] --mirror DIR

Each PYTHON has that library (`rectools[torch]`, `recbole`). All get the same histories of ML-1M
(items with 5 events or more, each user's last two events left out), the same sizes (width 64, two
blocks, two heads, 200 places, full softmax) and the same number of threads, and take turns: first
of an epoch or a few steps each, then of the ten best items for every user. Ours and RecTools leave
out those of the history, and RecBole does not. What is compared is how many histories a second go
through a step of training, and how many users are ranked. Every beginning of a history is a sample
of RecBole's, so that an epoch of it has 160 times as many; its SASRec learns one answer of each,
its BERT4Rec those that it masks. Ours multiplies in bfloat16, which is its default, and the others
in float32, which is theirs. The peer is a process of its own that waits for its turn; its allocator
is tuned as GLIBC_TUNABLES in its environment say, see --tuned. The result goes to
results/sequence_speed.md.
"""

import argparse
import os
import platform
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from sequence_peers import BLOCKS, DROPOUT, HEADS, LENGTH, WIDTH

RESULTS = Path(__file__).parent / "results"
LIBRARIES = ("rectools", "recbole")
TUNED = (
    "glibc.malloc.mmap_threshold=4294967296:glibc.malloc.trim_threshold=8589934592:"
    "glibc.malloc.top_pad=268435456:glibc.malloc.hugetlb=1"
)


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
    """The peer's process.

    Attributes:
        size: samples of an epoch: histories, or answers where each is a sample of its own.
    """

    def __init__(self, library: str, name: str, path: Path, options: argparse.Namespace) -> None:
        self.library, self.batch, self.size = library, options.batch, 0
        script = Path(__file__).with_name("sequence_peers.py")
        self.process = subprocess.Popen(
            [getattr(options, library), script, library, name, path, str(options.batch)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env=os.environ | ({"GLIBC_TUNABLES": TUNED} if options.tuned else {}),
        )  # fmt: skip
        while "ready" not in (line := self._line()):
            pass
        self.size = int(line.split()[-1]) if line.split()[1:] else 0

    def take(self, steps: int) -> tuple[float, int]:
        """Seconds of so many steps, and the samples in them."""
        return self._told(str(steps)), steps * self.batch

    def rank(self) -> float:
        """Seconds of ranking for every user; no steps are taken after the first."""
        return self._told("rank")

    def close(self) -> None:
        """Let it end."""
        assert self.process.stdin
        self.process.stdin.close()
        self.process.wait()

    def _told(self, asked: str) -> float:
        assert self.process.stdin
        print(asked, file=self.process.stdin, flush=True)
        while True:
            try:
                return float(self._line())
            except ValueError:
                continue

    def _line(self) -> str:
        assert self.process.stdout
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self.library} stopped")
        return line


def measured(
    library: str, name: str, options: argparse.Namespace, train: Any, path: Path
) -> list[str]:
    """Two lines of the table: both in turns, the first turn of each to warm up."""
    ours, users = Ours(name, train, options.batch), len(train.users)
    peer = Peer(library, name, path, options)
    label = f"{name} beside {library}"
    epochs = Turns(f"{label}, trained", {"ours": users, "peer": peer.size or users})
    for turn in range(options.turns + 1):
        # Lengths differ much from batch to batch of ours: an epoch has all of them.
        for side, one, many in (("ours", ours, len(ours)), ("peer", peer, options.steps)):
            seconds, samples = one.take(many)
            epochs.add(turn, side, seconds * epochs.sizes[side] / samples)
    ranks = Turns(f"{label}, users ranked", {"ours": users, "peer": users})
    rank = ours.rank()
    for turn in range(options.turns + 1):
        for side, one in (("ours", rank), ("peer", peer.rank)):
            ranks.add(turn, side, one())
    peer.close()
    return [epochs.line, ranks.line]


class Turns:
    """What both sides took for an epoch or for all users, turn by turn.

    Args:
        what: the work.
        sizes: of it, as each side counts it.
    """

    def __init__(self, what: str, sizes: dict[str, int]) -> None:
        self.what, self.sizes = what, sizes
        self.seconds: dict[str, list[float]] = {side: [] for side in sizes}

    def add(self, turn: int, side: str, seconds: float) -> None:
        """Write down a turn, but for the first."""
        if turn:
            self.seconds[side].append(seconds)
            print(f"{self.what}, {side}: {seconds:.1f} s", flush=True)

    @property
    def line(self) -> str:
        """Of the table: medians, how many a second, and the ratio."""
        middle = {side: statistics.median(values) for side, values in self.seconds.items()}
        rates = {side: self.sizes[side] / seconds for side, seconds in middle.items()}
        cells = [
            f"{rates[side]:,.0f} a second ({seconds:,.1f} s)" for side, seconds in middle.items()
        ]
        ratio = rates["ours"] / rates["peer"]
        return f"| {self.what} | {' | '.join(cells)} | {ratio:,.1f} |"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    for library in LIBRARIES:
        parser.add_argument(f"--{library}", type=Path, help="Python that has it")
    parser.add_argument("--mirror", type=Path)
    parser.add_argument("--models", nargs="+", default=["sasrec", "bert4rec"])
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument(
        "--steps", type=int, default=8, help="of the peer's turns; ours are an epoch"
    )
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--tuned", action="store_true", help="give the peer's allocator huge pages")
    options = parser.parse_args()
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
        lines = [
            line
            for library in LIBRARIES
            if getattr(options, library)
            for name in options.models
            for line in measured(library, name, options, train, path)
        ]
    text = "\n".join(
        [
            "# Sequence models beside RecTools and RecBole",
            "",
            f"{date.today()}, `python benchmarks/sequence_speed.py --batch {options.batch}"
            f"{' --tuned' if options.tuned else ''}`, {os.cpu_count()} cores, {platform.system()}. "
            f"ML-1M, {len(train.users):,} histories of up to {LENGTH} of {len(train.items):,} "
            "items; in turns, medians.",
            "",
            "| | ours | theirs | ratio |",
            "|---|---:|---:|---:|",
            *lines,
        ]
    )
    print(text)
    (RESULTS / "sequence_speed.md").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
