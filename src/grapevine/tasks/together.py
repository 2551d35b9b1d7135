"""Several things that are asked of examples: of the same ones, or each of some of its own.

All examples are rows of one array. A task has labels for some of them, so that tasks with examples
of their own and examples with several labels, some missing, are told in one way.

N = examples
"""

import hashlib
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
from jaxtyping import Bool, Int64, Shaped
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy, mse_loss

from grapevine.core.experts import Make, dense
from grapevine.errors import ConfigError, DataError, unknown
from grapevine.tasks.labels import Loss
from grapevine.tasks.weighing import Kind

Part = Literal["train", "validation", "test"]
Metric = Callable[[np.ndarray, np.ndarray], float]
"""From what was said and what is true, how good it is: more is better."""


def squared(said_B: Tensor, labels_B: Tensor) -> Tensor:
    """`(said - label)^2` of each example."""
    return mse_loss(said_B, labels_B.to(said_B), reduction="none")


def yes_or_no(said_B: Tensor, labels_B: Tensor) -> Tensor:
    """`-log p` of each example, from the logit of yes and labels of 0 and 1."""
    return binary_cross_entropy_with_logits(said_B, labels_B.to(said_B), reduction="none")


def one_of(said_BC: Tensor, labels_B: Tensor) -> Tensor:
    """`-log p` of each example, from a logit for each class and the number of the right one."""
    return cross_entropy(said_BC, labels_B.long(), reduction="none")


def explained(said: np.ndarray, labels: np.ndarray) -> float:
    """The share of the labels' variance that is explained, at most 1; NaN where they have none."""
    spread = float(np.square(labels - labels.mean(0)).mean())
    return 1 - float(np.square(said - labels).mean()) / spread if spread else math.nan


def accuracy(said: np.ndarray, labels: np.ndarray) -> float:
    """The share that is right; one logit says yes where it is positive."""
    found = said > 0 if said.ndim == 1 else said.argmax(1)
    return float((found == labels).mean())


@dataclass(frozen=True, kw_only=True)
class Task:
    """One thing that is asked.

    Attributes:
        targets: `(N, ...)` a label for each example; NaN where there is none, which becomes 0.
        loss: what each example loses.
        metric: how good it is on examples not learnt from.
        head: makes, from the width of what the task hears and `outputs`, what says the answer.
        outputs: how many numbers an answer has; one comes as `(B,)`.
        kind: of the loss, for those weights that are learnt; and of the answer, where tasks above
            hear it.
        weight: how much its loss counts; at 0 the task is left out.
        batch: examples of a step of this task; 0 takes what the training says.
        valid: whether each example has a label; where it is not given, those that are NaN have
            none.
    """

    targets: Shaped[np.ndarray, "examples ..."]
    loss: Loss = squared
    metric: Metric = explained
    head: Make = nn.Linear
    outputs: int = 1
    kind: Kind = "regression"
    weight: float = 1.0
    batch: int = 0
    valid: Bool[np.ndarray, " examples"] | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.weight < math.inf:
            raise ConfigError(f"the weight of a task is {self.weight}: it must not be negative")
        if self.outputs < 1 or self.batch < 0:
            raise ConfigError("a task has an output and no negative batch")
        targets, valid = self.targets, self.valid
        if valid is None:
            valid = np.ones(len(targets), bool)
            if targets.dtype.kind == "f":
                valid &= ~np.any(np.isnan(targets.reshape(len(targets), -1)), axis=1)
        if valid.shape != targets.shape[:1]:
            raise DataError(f"{len(targets):,} labels, and {len(valid):,} say if there is one")
        targets = targets.copy()
        targets[~valid] = 0
        object.__setattr__(self, "targets", targets)
        object.__setattr__(self, "valid", valid)

    @property
    def known(self) -> Bool[np.ndarray, " examples"]:
        """Whether each example has a label."""
        assert self.valid is not None
        return self.valid

    @classmethod
    def choice(cls, targets: Shaped[np.ndarray, " examples"], classes: int) -> "Task":
        """Which of some classes it is; labels are their numbers, and two classes have one logit.

        What else there is to say is said by `dataclasses.replace`.
        """
        two = classes == 2
        return cls(
            targets=targets,
            loss=yes_or_no if two else one_of,
            metric=accuracy,
            outputs=1 if two else classes,
            kind="classification",
        )


@dataclass(frozen=True, kw_only=True)
class Tasks:
    """Examples, and all that is asked of them: what a training learns from.

    Attributes:
        inputs: `(N, ...)` what is known of each example.
        tasks: by name, in the order of depth where that counts.
        validation: `(N,)` examples that are not learnt from, by which each task keeps its best
            epoch.
        test: `(N,)` examples that are not looked at before the end.
        make: a layer of what is shared, from the width of the inputs and how much it is to say.
    """

    inputs: Shaped[np.ndarray, "examples ..."]
    tasks: Mapping[str, Task]
    validation: Bool[np.ndarray, " examples"] | None = None
    test: Bool[np.ndarray, " examples"] | None = None
    make: Make = field(default=dense)

    def __post_init__(self) -> None:
        size = len(self.inputs)
        if not self.tasks:
            raise ConfigError("there is no task")
        if self.inputs.ndim < 2:
            raise DataError("inputs have a row for each example: got numbers alone")
        for name, task in self.tasks.items():
            if len(task.targets) != size:
                raise DataError(f"`{name}` has {len(task.targets):,} labels for {size:,} examples")
        for part in (self.validation, self.test):
            if part is not None and part.shape != (size,):
                raise DataError(
                    f"a part of {size:,} examples is told by as many: got {len(part):,}"
                )
        if self.validation is not None and self.test is not None:
            both = int((self.validation & self.test).sum())
            if both:
                raise DataError(f"{both:,} examples are in validation and in test")

    @property
    def trained(self) -> dict[str, Task]:
        """The tasks that count.

        Raises:
            ConfigError: there is none.
        """
        found = {name: task for name, task in self.tasks.items() if task.weight}
        if not found:
            raise ConfigError("every task has weight 0: there is nothing to learn")
        return found

    @property
    def fingerprint(self) -> str:
        """A name for these examples, labels and parts, and for how they are asked."""
        digest = hashlib.blake2b(digest_size=16)
        digest.update(_code(self.make).encode())
        for array in (self.inputs, self.validation, self.test):
            digest.update(_bytes(array))
        for name, task in self.tasks.items():
            called = [_code(one) for one in (task.loss, task.metric, task.head)]
            told = (name, *called, task.outputs, task.kind, task.weight, task.batch)
            digest.update(repr(told).encode())
            digest.update(_bytes(task.targets) + _bytes(task.known))
        return digest.hexdigest()

    def rows(self, name: str, part: Part) -> Int64[np.ndarray, " rows"]:
        """The examples of a part that have a label of a task, in order."""
        return np.flatnonzero(self.tasks[name].known & self._of(part))

    def only(self, *names: str) -> "Tasks":
        """These tasks and no others, each with weight 1."""
        return self.weighed({name: 1.0 if name in names else 0.0 for name in self._known(names)})

    def weighed(self, weights: Mapping[str, float]) -> "Tasks":
        """The same with other weights; a task that is not named keeps its own."""
        self._known(weights)
        tasks = {
            name: replace(task, weight=weights.get(name, task.weight))
            for name, task in self.tasks.items()
        }
        return replace(self, tasks=tasks)

    def worth(self, said: Mapping[str, np.ndarray], part: Part) -> dict[str, float]:
        """The metric of each task that something was said of; NaN where a part has no label of it.

        Args:
            said: by task, of the examples that `rows` gives.
            part: which.
        """
        out: dict[str, float] = {}
        for name, told in said.items():
            labels = self.tasks[name].targets[self.rows(name, part)]
            out[name] = float(self.tasks[name].metric(told, labels)) if len(labels) else math.nan
        return out

    def _known(self, names: "Mapping[str, float] | tuple[str, ...]") -> list[str]:
        for name in names:
            if name not in self.tasks:
                raise unknown("task", name, self.tasks)
        return list(self.tasks)

    def _of(self, part: Part) -> Bool[np.ndarray, " examples"]:
        none = np.zeros(len(self.inputs), bool)
        held = {
            "validation": none if self.validation is None else self.validation,
            "test": none if self.test is None else self.test,
        }
        return ~(held["validation"] | held["test"]) if part == "train" else held[part]


def _code(made: object) -> str:
    """What a function is called; what it does cannot be told."""
    return f"{getattr(made, '__module__', '')}.{getattr(made, '__qualname__', type(made).__name__)}"


def _bytes(array: np.ndarray | None) -> bytes:
    return b"none" if array is None else f"{array.dtype}{array.shape}".encode() + array.tobytes()
