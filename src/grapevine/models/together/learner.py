"""Steps on several tasks: what is lost, what is held, and each task's own best epoch."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from grapevine.core import surgery
from grapevine.core.relationships import TensorNormal
from grapevine.core.sharing import apart, moved, snapshot, stacked
from grapevine.errors import ConfigError, DataError
from grapevine.models.learning import GradientLearner
from grapevine.models.together.batches import Batch, Epoch
from grapevine.models.together.config import Config
from grapevine.models.together.model import Together, says
from grapevine.random import stream
from grapevine.tasks import labels
from grapevine.tasks.together import Tasks
from grapevine.tasks.trunks import Apart, Depth, Network
from grapevine.tasks.weighing import Uncertainty, constant, parameter_groups

SHARING, RELATIONS = "sharing", "relations"
"""Parts of the loss that are of no task."""


@dataclass(frozen=True, slots=True)
class Best:
    """A task at its best on validation.

    Attributes:
        epoch: counted from 0.
        worth: its metric.
        weights: of the whole network.
    """

    epoch: int
    worth: float
    weights: dict[str, np.ndarray]


class TogetherLearner(GradientLearner):
    """Several tasks on one network.

    After the last step of an epoch every task is asked its validation examples, and keeps the
    weights with which it was best; the model answers each task with its own. So nothing need be
    validated outside, and no sum of losses decides when to stop: the training ends when no task has
    been better for `patience` epochs. All of it is part of the state.

    Attributes:
        tasks: what is learnt from.
        config: how.
        names: of the tasks that count, in order.
        best: each task's best epoch so far.
        relations: the prior of the heads' weights, by the name of the weight.
        before: of `depth`: the weights as the task before left them.
        validated: epochs after which there was a validation.
    """

    def __init__(self, config: Config, tasks: Tasks, seed: int) -> None:
        _check(tasks, config)
        self.config, self.tasks, self.names = config, tasks, tuple(tasks.trained)
        network = config.network(tasks, seed=seed)
        self.weighing = getattr(network, "weighing", None)
        super().__init__(
            network,
            seed=seed,
            learning_rate=config.learning_rate,
            weight_decay=config.weight_decay,
            clip=config.clip,
            groups=self._groups(network),
        )
        self.epochs = config.epochs
        self.best: dict[str, Best] = {}
        self.before: list[Tensor] = []
        self.validated = 0
        self.count = sum(len(tasks.rows(name, "train")) for name in self.names)
        self.relations = (
            {name: TensorNormal.of_tasks(one.shape) for name, one in self._related().items()}
            if config.relate
            else {}
        )

    def batches(self, epoch: int) -> Epoch:
        """The steps of an epoch."""
        return Epoch(self.tasks, self.config, self.seed, epoch)

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """What each task loses, weighed; and what is held costs."""
        asked = [self.names.index(name) for name in batch.labels]
        said = dict(zip(batch.labels, self.network(batch.x, asked)))
        ways = {name: self.tasks.tasks[name].loss for name in batch.labels}
        lost = labels.losses(said, batch.labels, batch.valid, ways)
        return {**self._weighed(lost, batch), **self._held(asked)}

    def backward(self, parts: Mapping[str, Tensor], total: Tensor) -> None:
        """Gradients by what is shared without what pulls against another task, where asked for."""
        if not self.config.surgery:
            super().backward(parts, total)
            return
        of_tasks = [part for name, part in parts.items() if name in self.names]
        shared = self._network.shared()
        taken = {id(one) for one in shared}
        rest = [one for one in self.network.parameters() if id(one) not in taken]
        surgery.backward(of_tasks, shared, rest, stream(self.seed, "surgery", self.steps_done))
        # What is held is of no task, and is left as it is.
        for name, part in parts.items():
            if name not in self.names:
                part.backward()

    def step(self, batch: Batch, rate: float) -> dict[str, float]:
        """One update, with what is due before the first and after the last of an epoch."""
        if batch.turns and isinstance(self.network, Depth):
            self.before = snapshot(self.network.parameters())
        if batch.opens and batch.epoch:
            self.relations = self.related()
        found = super().step(batch, rate)
        if batch.closes:
            self._validate(batch.epoch)
        return found

    def related(self) -> dict[str, TensorNormal]:
        """The priors of the heads' weights as the weights now are, in closed form."""
        stacks = self._related() if self.relations else {}
        return {name: self.relations[name].updated(one).scaled() for name, one in stacks.items()}

    def state(self) -> dict[str, np.ndarray]:
        """What every learner has, each task's best weights, what is held, and the priors."""
        more: dict[str, np.ndarray] = {"validated": np.array([self.validated])}
        for task, name in enumerate(self.names):
            if kept := self.best.get(name):
                more[f"best.{task}.at"] = np.array([kept.epoch, kept.worth])
                more |= {f"best.{task}.of.{part}": one for part, one in kept.weights.items()}
        more |= {f"before.{n}": one.numpy().copy() for n, one in enumerate(self.before)}
        more |= {f"relations.{name}": p.tasks.numpy().copy() for name, p in self.relations.items()}
        return {**super().state(), **more}

    def load(self, state: dict[str, np.ndarray]) -> None:
        """Go on from a state."""
        super().load(state)
        self.validated = int(state["validated"][0])
        self.best = {}
        for task, name in enumerate(self.names):
            if (at := state.get(f"best.{task}.at")) is not None:
                weights = _within(state, f"best.{task}.of.")
                self.best[name] = Best(int(at[0]), float(at[1]), weights)
        held = _within(state, "before.")
        # Cloned, as the weights are: torch is to choose where they stand.
        self.before = [torch.from_numpy(held[str(n)]).clone() for n in range(len(held))]
        for name, covariance in _within(state, "relations.").items():
            axes = self.relations[name].factors[:-1]
            self.relations[name] = TensorNormal((*axes, torch.from_numpy(covariance).clone()))
        self._end()

    def model(self) -> Together:
        """Each task with the weights of its best epoch; of the last, if nothing was validated."""
        now = _arrays(self.network)
        kept = {name: self.best[name] for name in self.names if name in self.best}
        return Together(
            config=self.config,
            tasks=self.tasks,
            weights={name: kept[name].weights if name in kept else now for name in self.names},
            epochs={name: one.epoch for name, one in kept.items()},
            worths={name: one.worth for name, one in kept.items()},
            covariances={name: one.tasks.numpy() for name, one in self.related().items()},
            weighed=self._weights(),
        )

    @property
    def _network(self) -> Network:
        assert isinstance(self.network, Network)
        return self.network

    def _groups(self, network: nn.Module) -> list[dict[str, Any]]:
        if self.weighing is None:
            return []
        config = self.config
        rates = {"learning_rate": config.learning_rate, "weighing_rate": config.weighing_rate}
        decay = config.weight_decay
        return parameter_groups(network.parameters(), self.weighing, weight_decay=decay, **rates)

    def _weighed(self, lost: Mapping[str, Tensor], batch: Batch) -> dict[str, Tensor]:
        # A task without a label in a batch learns nothing, its variance neither.
        there = {name: one for name, one in lost.items() if bool(batch.valid[name].any())}
        if isinstance(self.weighing, Uncertainty):
            return self.weighing(there)
        return constant(there, {name: self.tasks.tasks[name].weight for name in there})

    def _weights(self) -> dict[str, float]:
        if isinstance(self.weighing, Uncertainty):
            return self.weighing.weights()
        return {name: self.tasks.tasks[name].weight for name in self.names}

    def _held(self, asked: list[int]) -> dict[str, Tensor]:
        found: dict[str, Tensor] = {}
        if self.config.hold and isinstance(self.network, Depth):
            found |= self._successive(self.network, asked[0])
        elif self.config.hold and len(self.names) > 1:
            assert isinstance(self._network.trunk, Apart)
            near = apart(stacked(list(self._network.trunk.layers)).values())
            found[SHARING] = self.config.hold * near
        if self.relations:
            cost = [self.relations[name].penalty(one) for name, one in self._related().items()]
            found[RELATIONS] = self.config.relate / self.count * torch.stack(cost).sum()
        return found

    def _successive(self, network: Depth, task: int) -> dict[str, Tensor]:
        below = {id(one) for one in network.below(task)}
        pairs = [
            (now, old) for now, old in zip(network.parameters(), self.before) if id(now) in below
        ]
        if not pairs:
            return {}
        now, old = zip(*pairs)
        return {SHARING: self.config.hold * moved(now, old)}

    def _related(self) -> dict[str, Tensor]:
        """The heads' weights, the tasks along the last axis; biases are of no direction."""
        stacks = stacked(list(self.network.heads))  # pyright: ignore[reportArgumentType]
        return {name: one.movedim(0, -1) for name, one in stacks.items() if one.dim() > 2}

    def _validate(self, epoch: int) -> None:
        held = {name: self.tasks.rows(name, "validation") for name in self.names}
        rows = {name: one for name, one in held.items() if len(one)}
        said = {
            name: says(self.network, self.names.index(name), self.tasks.inputs[one])
            for name, one in rows.items()
        }
        for name, worth in self.tasks.worth(said, "validation").items():
            if worth > (self.best[name].worth if name in self.best else -math.inf):
                self.best[name] = Best(epoch, worth, _arrays(self.network))
        self.validated = epoch + 1
        self._end()

    def _end(self) -> None:
        """Let this epoch be the last, where no task has been better for too long."""
        last = max((one.epoch for one in self.best.values()), default=self.validated)
        waited = self.validated - 1 - last
        over = bool(self.config.patience) and waited > self.config.patience
        self.epochs = self.validated if over else self.config.epochs


def _check(tasks: Tasks, config: Config) -> None:
    for name in tasks.trained:
        weight = tasks.tasks[name].weight
        if config.weigh != "constant" and weight != 1:
            raise ConfigError(
                f'`{name}` has a weight of {weight:g}, and weigh="{config.weigh}" learns weights',
                hint='leave the weight out, or set weigh="constant"',
            )
        if name in {SHARING, RELATIONS}:
            raise ConfigError(f"no task can be called `{name}`: it is a part of the loss")
        if not len(tasks.rows(name, "train")):
            raise DataError(f"`{name}` has no label to learn from")


def _arrays(network: nn.Module) -> dict[str, np.ndarray]:
    return {name: one.detach().numpy().copy() for name, one in network.state_dict().items()}


def _within(state: Mapping[str, np.ndarray], prefix: str) -> dict[str, np.ndarray]:
    return {k.removeprefix(prefix): one for k, one in state.items() if k.startswith(prefix)}
