"""What a step of training costs: optimisers, precision, a softmax, batches ahead, two models.

python benchmarks/training.py --mirror DIR --out benchmarks/results/training.md

Ways are taken in turns, so that a busy moment meets them all; the figure is the median.
"""

import argparse
import gc
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.profiler import profile
from torch.utils.flop_counter import FlopCounterMode

import grapevine as gv
from grapevine.core.kernels.fused import Precision
from grapevine.core.over_all import softmax_over_all
from grapevine.models.learning import GradientLearner
from grapevine.models.pinsage import PinSage
from grapevine.models.rowwise import RowAdam
from grapevine.models.sequence import SASRec
from grapevine.random import stream
from grapevine.training import Session, loop
from grapevine.training.ahead import ahead as ahead_of
from grapevine.training.profiling import SKIPPED
from grapevine.training.profiling import table as profile_table

WIDTH, BATCH = 64, 8192

OPTIMISERS: dict[str, tuple[bool, Callable]] = {
    "AdamW": (False, lambda p: torch.optim.AdamW([p], lr=1e-3)),
    "AdamW, fused": (False, lambda p: torch.optim.AdamW([p], lr=1e-3, fused=True)),
    "SparseAdam": (True, lambda p: torch.optim.SparseAdam([p], lr=1e-3)),
    "RowAdam": (True, lambda p: RowAdam([p], lr=1e-3)),
}


def optimiser_step(rows: int, sparse: bool, make: Callable) -> Callable[[], object]:
    """Look up a batch of rows, go back, update."""
    table = nn.Embedding(rows, WIDTH, sparse=sparse)
    optimiser, draw = make(table.weight), torch.Generator().manual_seed(0)

    def step() -> None:
        chosen = torch.randint(rows, (BATCH,), generator=draw)
        optimiser.zero_grad(set_to_none=True)
        table(chosen).square().sum().backward()
        optimiser.step()

    return step


def forward_and_back(precision: torch.dtype, width: int) -> Callable[[], object]:
    """Three layers of a width on 2,048 rows."""
    layers = [nn.Linear(width, width) for _ in range(3)]
    network = nn.Sequential(layers[0], nn.ReLU(), layers[1], nn.ReLU(), layers[2])
    rows = torch.randn(2048, width)

    def step() -> None:
        half = precision == torch.bfloat16
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            loss = network(rows).float().square().mean()
        loss.backward()

    return step


def softmax_ways() -> dict[str, Callable[[], object]]:
    """Forward and back of the loss of a batch of 128 histories of ML-1M, both gradients taken."""
    positions, items = 25_600, 3_417
    x = torch.randn(positions, WIDTH, requires_grad=True)
    table = (torch.randn(items, WIDTH) / 8).requires_grad_()
    answers = torch.randint(items, (positions,))

    def plain() -> None:
        loss = nn.functional.cross_entropy(x @ table.T, answers)
        torch.autograd.grad(loss, (x, table))

    def ours(precision: Precision) -> Callable[[], object]:
        def step() -> None:
            loss = softmax_over_all(x, table, answers, precision=precision)
            torch.autograd.grad(loss, (x, table))

        return step

    return {"plain": plain, "float32": ours("float32"), "bfloat16": ours("bfloat16")}


class Twin(GradientLearner):
    """Two layers on features that a batch gathers: about as long to make as to learn from."""

    epochs = 1

    def __init__(self, steps: int) -> None:
        super().__init__(nn.Sequential(nn.Linear(128, 256), nn.ReLU(), nn.Linear(256, 64)), seed=0)
        self.steps = steps
        self.features = stream(0, "features").standard_normal((200_000, 128), np.float32)

    def batches(self, epoch: int) -> "Twin":
        """Itself."""
        return self

    def __len__(self) -> int:
        return self.steps

    def __getitem__(self, step: int) -> torch.Tensor:
        rows = stream(0, "rows", step).integers(len(self.features), size=16_384)
        return torch.from_numpy(self.features[rows])

    def loss(self, batch: torch.Tensor) -> dict[str, torch.Tensor]:
        """Of some size."""
        return {"square": self.network(batch).square().mean()}

    def model(self) -> None:
        """Nobody asks."""


def in_turn() -> None:
    """The loop without its other thread."""
    learner = Twin(20)
    for step in range(len(learner)):
        learner.step(learner[step], 1e-3)


def ahead() -> None:
    loop.run(Twin(20), Session())


def with_checkpoints() -> None:
    """A checkpoint each step, which nobody would: what one costs is the difference by 20."""
    with tempfile.TemporaryDirectory() as folder:
        loop.run(Twin(20), Session(folder=Path(folder), checkpoint_every=0))


def medians(ways: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Milliseconds of each, taken in turns after one round to warm up."""
    took: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(rounds + 1):
        for name, way in ways.items():
            began = time.perf_counter()
            way()
            if number:
                took[name].append(1e3 * (time.perf_counter() - began))
    return {name: statistics.median(values) for name, values in took.items()}


def pinsage(steps: int) -> Iterator[str]:
    """Pairs a second on ML-1M, and the products of matrices in them beside what they could be."""
    learner = PinSage.Config().learner(gv.pipeline.prepare(gv.load("ml-1m")).train)
    batches, size = learner.batches(1), 2048
    with FlopCounterMode(display=False) as counter:
        learner.step(batches[0], 1e-3)
    square = torch.randn(size, size)
    rates, shares = list[float](), list[float]()
    for start in range(0, steps, 4):
        part = range(1 + start, 5 + start)
        began = time.perf_counter()
        with ahead_of(Part(batches, part)) as ready:
            made = [learner.step(batch, 1e-3) for batch in ready]
        learns = (time.perf_counter() - began) / len(made)
        began = time.perf_counter()
        square @ square
        limits = 2 * size**3 / (time.perf_counter() - began)
        rates.append(batches.size / learns)
        shares.append(counter.get_total_flops() / learns / limits)
    per_pair = counter.get_total_flops() / batches.size / 1e6
    yield (
        f"{statistics.median(rates):,.0f} pairs a second; {per_pair:.2f} MFLOP each in products "
        f"of matrices: {statistics.median(shares):.0%} of what a product of two "
        f"{size:,} x {size:,} matrices reaches in the same minutes on all threads."
    )


def sasrec(steps: int) -> Iterator[str]:
    """Where the time of SASRec goes on ML-1M, batches of 64."""
    learner = SASRec.Config(batch=64).learner(gv.pipeline.prepare(gv.load("ml-1m")).train, seed=0)
    batches = learner.batches(0)
    for step in range(SKIPPED):
        learner.step(batches[step], 1e-3)
    with ahead_of(Part(batches, range(SKIPPED, SKIPPED + steps))) as ready, profile() as seen:
        for batch in ready:
            learner.step(batch, 1e-3)
    yield "```"
    yield profile_table(seen.key_averages(), steps)
    yield "```"


@dataclass(frozen=True)
class Part:
    """Some of the batches of an epoch."""

    batches: Any
    steps: range

    def __len__(self) -> int:
        return len(self.steps)

    def __getitem__(self, step: int) -> Any:
        return self.batches[self.steps[step]]


def lines(rounds: int, mirror: Path | None) -> Iterator[str]:
    yield f"Rounds: {rounds}, taken in turns; medians, in milliseconds."
    yield f"\n## A step on a table of width {WIDTH}, {BATCH:,} rows a batch\n"
    yield "| rows | " + " | ".join(OPTIMISERS) + " |"
    yield "|---:|" + "---:|" * len(OPTIMISERS)
    for rows in (10_000, 100_000, 1_000_000):
        ways = {name: optimiser_step(rows, *how) for name, how in OPTIMISERS.items()}
        found = medians(ways, rounds)
        yield f"| {rows:,} | " + " | ".join(f"{value:.1f}" for value in found.values()) + " |"
        del ways
        gc.collect()
    yield "\n## Forward and back, three layers, 2,048 rows\n"
    yield "| width | float32 | bfloat16 |"
    yield "|---:|---:|---:|"
    for width in (64, 256, 1024):
        kinds = (torch.float32, torch.bfloat16)
        found = medians({str(one): forward_and_back(one, width) for one in kinds}, rounds)
        yield f"| {width} | " + " | ".join(f"{value:.1f}" for value in found.values()) + " |"
    yield "\n## A softmax over 3,417 items for 25,600 positions, forward and back\n"
    found = medians(softmax_ways(), rounds)
    yield f"| plain, in torch | {' | '.join(list(found)[1:])} |"
    yield "|---:|---:|---:|"
    yield f"| {' | '.join(f'{value:.0f}' for value in found.values())} |"
    yield "\n## Twenty steps of a two-layer network on gathered features\n"
    yield "| | ms |"
    yield "|---|---:|"
    ways: dict[str, Callable[[], object]] = {
        "batches made in turn": in_turn,
        "batches made ahead": ahead,
        "and a checkpoint after each step": with_checkpoints,
    }
    for name, value in medians(ways, max(rounds // 2, 3)).items():
        yield f"| {name} | {value:.0f} |"
    if mirror:
        os.environ["GRAPEVINE_MIRROR"] = str(mirror)
        yield "\n## PinSage on ML-1M\n"
        yield from pinsage(4 * rounds)
        yield "\n## A step of SASRec on ML-1M, by what takes longest\n"
        yield from sasrec(2 * rounds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--mirror", type=Path, help="where the public data is, for ML-1M")
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    command = f"python benchmarks/training.py --rounds {given.rounds}"
    text = (
        f"# What a step of training costs\n\n{datetime.now(UTC):%Y-%m-%d}, `{command}`, "
        f"{os.cpu_count()} cores, {platform.system()}, torch {torch.__version__}. "
    )
    text += "\n".join(lines(given.rounds, given.mirror)) + "\n"
    print(text)
    if given.out:
        given.out.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
