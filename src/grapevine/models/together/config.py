"""How tasks are trained together: what they share, what a step is of, how much each loss counts."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from torch import nn

from grapevine.config import check_bounds
from grapevine.core.experts import PLE, MMoE
from grapevine.errors import ConfigError
from grapevine.tasks.together import Task, Tasks
from grapevine.tasks.trunks import Apart, Bottom, Depth, Network, made, seeded
from grapevine.tasks.weighing import Kind, Uncertainty

if TYPE_CHECKING:
    from grapevine.models.together.learner import TogetherLearner

Share = Literal["bottom", "soft", "mmoe", "ple", "depth"]
Steps = Literal["one-task", "all-tasks"]
Weigh = Literal["constant", "uncertainty", "bounded"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    """Options of a training of several tasks; the tasks themselves are `tasks.together.Tasks`."""

    share: Share = "bottom"
    """One layer for all, a layer each held near the others, MMoE, PLE, or a layer above a layer."""
    width: int = 32
    """Of what a task hears."""
    tower: int = 0
    """Width of a dense layer that each task has before its head; 0 for none."""
    experts: int = 4
    """Of `mmoe`: all of them; of `ple`: those that are shared."""
    own: int = 1
    """Of `ple`: experts of each task."""
    levels: int = 1
    """Of `ple`."""
    gate_dropout: float = 0.0
    """Chance that a row does without an expert in training."""
    label: int = 8
    """Of `depth`: width of the embedding of an answer."""
    hold: float = 0.0
    """Of `soft`: how much the squared distance of every two tasks' layers counts. Of `depth`: that
    of what is below a task from what the task before left (successive regularization)."""
    relate: float = 0.0
    """How much the tensor-normal prior of the heads' weights counts: 1 as the density of weights
    whose variance is one in the mean of the tasks, 0 for none."""
    steps: Steps = "all-tasks"
    """Whether a step is of one task, or of examples with all labels that they have. `depth` goes
    through the tasks one after the other."""
    temper: float = 1.0
    """Of steps of one task: 1 in proportion to the tasks' sizes, 0 all alike."""
    weigh: Weigh = "constant"
    """By the tasks' own weights, or by a variance of each that is learnt."""
    weighing_rate: float = 0.01
    """Learning rate of the variances."""
    surgery: bool = False
    """Whether gradients by what is shared lose what pulls against another task (PCGrad)."""
    batch: int = 32
    """Examples of a step, where a task says nothing else."""
    epochs: int = 50
    """At most: times that every example comes."""
    patience: int = 0
    """Epochs in which no task was better than ever that end the training; 0 goes on to the end."""
    learning_rate: float = 0.003
    """Of Adam."""
    weight_decay: float = 0.0
    """Decoupled; the variances do not decay."""
    clip: float = 0.0
    """Longest gradient; 0 for any."""

    def __post_init__(self) -> None:
        counts = ("width", "levels", "label", "batch", "epochs")
        check_bounds(self, "together", *counts, least=1)
        check_bounds(self, "together", "experts", least=0 if self.share == "ple" else 1)
        rest = ("own", "tower", "hold", "relate", "patience", "weight_decay", "clip")
        check_bounds(self, "together", *rest, least=0)
        check_bounds(self, "together", "learning_rate", "weighing_rate", above=0)
        check_bounds(self, "together", "temper", least=0, most=1)
        if self.hold and self.share not in {"soft", "depth"}:
            raise ConfigError(
                f"together: `{self.share}` has nothing to hold", hint="set share to soft or depth"
            )
        if self.share == "depth" and self.steps == "all-tasks":
            raise ConfigError(
                "together: `depth` learns one task after the other", hint="set steps to one-task"
            )
        if self.surgery and (self.steps == "one-task" or self.share in {"soft", "depth"}):
            raise ConfigError(
                "together: PCGrad wants the gradients of all tasks in a step, by what they share",
                hint="set steps to all-tasks, and share to bottom, mmoe or ple",
            )

    def learner(self, train: Tasks, *, seed: int = 0) -> "TogetherLearner":
        """What training starts from."""
        from grapevine.models.together.learner import TogetherLearner

        return TogetherLearner(self, train, seed)

    def network(self, tasks: Tasks, *, seed: int = 0) -> nn.Module:
        """The network of the tasks that count, with those of its weights that weigh them.

        What is shared, and what is a task's own, each starts from a stream of its own name, so that
        a task trained alone starts where it starts among others.
        """
        trained = tasks.trained
        heads = [made(lambda t=task: self._head(t), seed, "head", n) for n, task in trained.items()]
        with seeded(seed, "trunk"):
            network = self._network(tasks, list(trained.values()), heads, seed)
        if self.weigh != "constant":
            kinds: dict[str, Kind] = {name: task.kind for name, task in trained.items()}
            network.weighing = Uncertainty(kinds, bounded=self.weigh == "bounded")
        return network

    def _head(self, task: Task) -> nn.Module:
        if not self.tower:
            return task.head(self.width, task.outputs)
        tower = nn.Linear(self.width, self.tower)
        return nn.Sequential(tower, nn.ReLU(), task.head(self.tower, task.outputs))

    def _network(
        self, tasks: Tasks, trained: Sequence[Task], heads: list[nn.Module], seed: int
    ) -> nn.Module:
        width, out, count, make = tasks.inputs.shape[-1], self.width, len(trained), tasks.make
        if self.share == "depth":
            outputs = [task.outputs for task in trained]
            kinds: list[Kind] = [task.kind for task in trained]
            return Depth(
                width, out, heads, outputs=outputs, kinds=kinds, label=self.label, make=make
            )
        if self.share == "bottom":
            return Network(Bottom(make(width, out)), heads)
        if self.share == "soft":
            layers = [made(lambda: make(width, out), seed, "layer", name) for name in tasks.trained]
            return Network(Apart(layers), heads)
        dropout = self.gate_dropout
        if self.share == "mmoe":
            trunk = MMoE(width, out, count, experts=self.experts, dropout=dropout, make=make)
            return Network(trunk, heads)
        outs = [out] * self.levels
        options = {"own": self.own, "shared": self.experts, "dropout": dropout}
        return Network(PLE(width, outs, count, make=make, **options), heads)
