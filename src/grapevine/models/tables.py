"""Models that are a vector for each user and one for each item, and how such tables are learnt."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float, Float32, Int64
from torch import Tensor

from grapevine.core.kernels.convolve import Convolution
from grapevine.core.kernels.rows import add_rows, slots_of
from grapevine.errors import CheckFailed
from grapevine.graph.cooccurrence import both_ways
from grapevine.models.base import Layout
from grapevine.models.finite import SLOWER
from grapevine.random import stream
from grapevine.structs.jagged import Jagged, offsets_of

# U = users, I = items, N = nodes: the users, then the items; D = width, E = pairs taken

STEPS = 32
"""An epoch of fewer steps than this has smaller batches, where they are not small already."""
SMALL = 256
"""Pairs, of which a batch is made however few steps there are."""


@dataclass(frozen=True, slots=True)
class Draw:
    """A batch: nodes in groups, by what they are to the loss.

    Attributes:
        groups: `(occurrences,)` node rows of each group: users, positives, negatives, and what
            else the loss asks for.
        left_out: pairs and negatives that must not meet, as `pair * negatives + negative`.
    """

    groups: tuple[Int64[np.ndarray, " _"], ...]
    left_out: Int64[np.ndarray, " left_out"]


@runtime_checkable
class Objective(Protocol):
    """What is lost on a batch."""

    def negatives(
        self, draw: np.random.Generator, positives: Int64[np.ndarray, " pairs"]
    ) -> Int64[np.ndarray, " negatives"]:
        """Item rows to compare the positive item rows with."""
        ...

    def others(self, positives: Int64[np.ndarray, " pairs"]) -> tuple[Int64[np.ndarray, " _"], ...]:
        """Item rows that are needed besides, group by group."""
        ...

    def lose(self, batch: Draw, vectors: list[Tensor]) -> tuple[Mapping[str, float], list[Tensor]]:
        """The parts of the loss by name, and its gradient by the vectors of each group."""
        ...

    def decay(self, batch: Draw, num_nodes: int) -> Float[np.ndarray, " nodes"]:
        """What each node's row of the table is drawn to zero by."""
        ...


@dataclass(frozen=True, slots=True)
class Epoch:
    """All pairs, each in one batch, in an order of the epoch's own."""

    pairs: "Pairs"
    objective: Objective
    seed: int
    epoch: int
    order: Int64[np.ndarray, " pairs"]
    size: int

    @property
    def examples(self) -> int:
        """Pairs, all batches together."""
        return len(self.order)

    def __len__(self) -> int:
        return -(-self.examples // self.size)

    def __getitem__(self, step: int) -> Draw:
        here = self.order[step * self.size : (step + 1) * self.size]
        users, positives = self.pairs.users[here], self.pairs.items[here]
        draw = stream(self.seed, "negatives", self.epoch, step)
        negatives = self.objective.negatives(draw, positives)
        others = self.objective.others(positives)
        first = self.pairs.num_users
        groups = (users, *(first + one for one in (positives, negatives, *others)))
        return Draw(groups, own(positives, negatives))


@dataclass(frozen=True, slots=True)
class Pairs:
    """Who took what, each pair once.

    Attributes:
        users: `(E,)` user rows, rising.
        items: `(E,)` item rows.
        num_users: U.
        num_items: I.
    """

    users: Int64[np.ndarray, " pairs"]
    items: Int64[np.ndarray, " pairs"]
    num_users: int
    num_items: int

    @classmethod
    def of(cls, taken: Jagged, num_items: int) -> "Pairs":
        """The distinct items of each user, as pairs."""
        users = np.repeat(np.arange(len(taken)), taken.lengths)
        return cls(users, taken.values.astype(np.int64), len(taken), num_items)

    def neighbours(self) -> Jagged:
        """Of each node of the graph of users and items; a symmetric matrix, row by row."""
        lengths = np.bincount(self.users, minlength=self.num_users)
        return both_ways(Jagged(offsets_of(lengths), self.items.astype(np.int32)), self.num_items)


def own(
    positives: Int64[np.ndarray, " pairs"], negatives: Int64[np.ndarray, " negatives"]
) -> Int64[np.ndarray, " left_out"]:
    """Where a negative is the pair's own positive, as `pair * negatives + negative`, rising."""
    order = np.argsort(negatives, kind="stable")
    low, high = (np.searchsorted(negatives[order], positives, side=s) for s in ("left", "right"))
    times = high - low
    pair = np.repeat(np.arange(len(positives)), times)
    within = np.arange(len(pair)) - np.repeat(np.cumsum(times) - times, times)
    return pair * len(negatives) + order[low[pair] + within]


class TableLearner:
    """Adam on one table of users and items, K convolutions deep, with gradients made by hand.

    A subclass says what the model is.

    Attributes:
        convolution: the table and its moments.
        steps_done: how many updates there have been.
    """

    def __init__(
        self,
        pairs: Pairs,
        objective: Objective,
        *,
        seed: int,
        epochs: int,
        patience: int,
        batch: int,
        learning_rate: float,
        layers: int,
        width: int,
        spread: float,
        rounded: bool,
    ) -> None:
        """Draw where the table starts.

        Args:
            pairs: to learn from.
            objective: what is lost.
            seed: of the table, the order of pairs and the negatives.
            epochs: times each pair is seen.
            patience: epochs without a better validation that end the training.
            batch: pairs of a step; fewer where an epoch would have few steps.
            learning_rate: of Adam.
            layers: K.
            width: D.
            spread: standard deviation of the table.
            rounded: whether what passes between nodes is rounded to bfloat16.
        """
        self.pairs, self.objective, self.seed = pairs, objective, seed
        self.epochs, self.patience = epochs, patience
        self.batch = min(batch, max(SMALL, len(pairs.users) // STEPS))
        self.learning_rate, self.layers = learning_rate, layers
        self.neighbours = pairs.neighbours()
        self.num_nodes = pairs.num_users + pairs.num_items
        start = stream(seed, "table").standard_normal((self.num_nodes, width), np.float32)
        start *= np.float32(spread)
        self.convolution = Convolution(self.neighbours, start, layers, rounded=rounded)
        self.steps_done = 0

    def batches(self, epoch: int) -> Epoch:
        """The pairs in another order each epoch; see `models.base.Learner`."""
        order = stream(self.seed, "order", epoch).permutation(len(self.pairs.users))
        return Epoch(self.pairs, self.objective, self.seed, epoch, order, self.batch)

    def rate(self, epoch: int, step: int, steps: int) -> float:
        """The same for every step."""
        del epoch, step, steps
        return self.learning_rate

    def step(self, batch: Draw, rate: float) -> dict[str, float]:
        """One update; raises `CheckFailed`, with nothing updated, where it is not finite."""
        nodes = np.concatenate(batch.groups)
        rows, slots = slots_of(nodes, self.num_nodes)
        held_RD = torch.from_numpy(self.convolution.forward(rows))
        places = torch.from_numpy(slots[nodes])
        parted = places.split([len(group) for group in batch.groups])
        parts, gradients = self.objective.lose(batch, [held_RD[place] for place in parted])
        gradient_RD = np.zeros(held_RD.shape, self.convolution.table.dtype)
        for place, gradient in zip(parted, gradients, strict=True):
            add_rows(gradient_RD, place.numpy(), gradient.numpy())
        # A sum is not finite if a part of it is not.
        if not np.isfinite([*parts.values(), gradient_RD.sum()]).all():
            losses = ", ".join(f"{name} {value:g}" for name, value in parts.items())
            raise CheckFailed(
                f"step {self.steps_done + 1}: the loss or its gradient is not finite ({losses}) "
                f"at learning rate {rate:g}",
                hint=SLOWER,
            )
        self.steps_done += 1
        decay = self.objective.decay(batch, self.num_nodes)
        self.convolution.learn(slots, gradient_RD, decay, rate=rate, step=self.steps_done)
        return dict(parts)

    def state(self) -> dict[str, np.ndarray]:
        """The table, its moments and the count of steps, as copies."""
        held = self.convolution
        return {
            "table": held.table.copy(),
            "mean": held.mean.copy(),
            "square": held.square.copy(),
            "steps": np.array([self.steps_done]),
        }

    def load(self, state: dict[str, np.ndarray]) -> None:
        """Go on from a state."""
        self.convolution.load(state["table"], state["mean"], state["square"])
        self.steps_done = int(state["steps"][0])

    @property
    def layouts(self) -> dict[str, Layout]:
        """Users stand before items."""
        return {"table": ("users", "items")}

    def parameters(self, state: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """The table."""
        return {name: state[name] for name in self.layouts if name in state}

    def begin(self, parameters: Mapping[str, np.ndarray]) -> None:
        """Start from another table; nothing is known of its moments."""
        held = self.convolution
        held.load(parameters["table"], np.zeros_like(held.mean), np.zeros_like(held.square))

    def vectors(self) -> tuple[Float32[np.ndarray, "U D"], Float32[np.ndarray, "I D"]]:
        """What users and items hold now, without rounding; nothing where there is no pair of them.

        Of such a node the data tell nothing, but that it was drawn as a negative.
        """
        exact = Convolution(self.neighbours, self.convolution.table, self.layers)
        out = exact.forward(np.arange(self.num_nodes))
        out[self.neighbours.lengths == 0] = 0
        return out[: self.pairs.num_users], out[self.pairs.num_users :]

    def model(self) -> Any:
        """The model as it is now."""
        raise NotImplementedError


def by_occurrence(batch: Draw, num_nodes: int, share: float) -> Float32[np.ndarray, " nodes"]:
    """A share of each row for each time the batch holds it, per pair of the batch."""
    counts = np.bincount(np.concatenate(batch.groups), minlength=num_nodes)
    return counts.astype(np.float32) * np.float32(share / len(batch.groups[0]))
