"""Learning by gradient: what the learners of all torch networks share."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from grapevine.models import finite
from grapevine.models.base import Layout
from grapevine.models.rowwise import RowAdam, sparse_tables
from grapevine.random import stream

Precision = Literal["float32", "bfloat16"]


class GradientLearner:
    """Steps of Adam on a network; a subclass says what the batches are and what is lost.

    It must set `epochs` and `patience`, and define `batches(epoch)`, `loss(batch)` (the parts of
    the loss by name) and `model()`. Dropout draws from a generator that is seeded anew for each
    step, so that a step depends on nothing but its number and the state.

    Tables made by `nn.Embedding(..., sparse=True)` are learnt row by row (`RowAdam`): of a table of
    a million rows a step then touches those of its batch alone.

    Attributes:
        network: whose parameters are learnt.
        steps_done: how many updates there have been.
    """

    epochs: int = 1
    patience: int = 0

    def __init__(
        self,
        network: nn.Module,
        *,
        seed: int,
        learning_rate: float = 1e-3,
        weight_decay: float = 0.0,
        beta2: float = 0.999,
        clip: float = 0.0,
        schedule: Callable[[int, int, int], float] | None = None,
        precision: Precision = "float32",
        groups: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        """Start from the network as it is.

        Args:
            network: the parameters to learn.
            seed: for dropout.
            learning_rate: of every step, where no schedule says otherwise.
            weight_decay: decoupled (Loshchilov and Hutter, arXiv:1711.05101).
            beta2: how much of the mean of squared gradients stays at each step of Adam.
            clip: longest gradient, as a norm over all parameters; 0 for any length.
            schedule: the rate by epoch, step and steps in the epoch: see `models.schedules`.
            precision: of the products within `loss`; weights and updates are float32 in any case.
            groups: parameters with options of their own, as an optimiser takes them: `params`, `lr`
                and `weight_decay`. A schedule moves their rate by the same factor as the others'.
        """
        self.network = network
        self.seed = seed
        self.learning_rate = learning_rate
        self.clip = clip
        self.schedule = schedule
        self.precision = precision
        self.steps_done = 0
        self._rate = learning_rate
        tables = sparse_tables(network)
        apart = [parameter for group in groups for parameter in group["params"]]
        taken = {id(one) for one in (*tables, *apart)}
        rest = [p for p in network.parameters() if id(p) not in taken]
        self._optimisers: list[torch.optim.Optimizer] = []
        if rest or groups:
            # Fused: quicker than the default at every size of benchmarks/results/training.md.
            self._optimisers.append(
                torch.optim.AdamW(
                    [*([{"params": rest}] if rest else []), *map(dict, groups)],
                    lr=learning_rate,
                    weight_decay=weight_decay,
                    betas=(0.9, beta2),
                    fused=True,
                )
            )
        if tables:
            self._optimisers.append(
                RowAdam(tables, lr=learning_rate, weight_decay=weight_decay, betas=(0.9, beta2))
            )
        for group in (group for one in self._optimisers for group in one.param_groups):
            group["factor"] = group["lr"] / learning_rate if group["lr"] != learning_rate else 1.0

    def loss(self, batch: Any) -> dict[str, Tensor]:
        """The parts of the loss by name; their sum is minimised."""
        raise NotImplementedError

    def backward(self, parts: Mapping[str, Tensor], total: Tensor) -> None:
        """Set the gradients, where there are none: those of the sum.

        Args:
            parts: of the loss, by name, for whoever treats them one by one.
            total: their sum.
        """
        del parts
        total.backward()

    def rate(self, epoch: int, step: int, steps: int) -> float:
        """The learning rate of a step, as the schedule has it; constant without one."""
        return self.schedule(epoch, step, steps) if self.schedule else self.learning_rate

    def step(self, batch: Any, rate: float) -> dict[str, float]:
        """One update; raises `CheckFailed`, with nothing updated, where it is not finite."""
        # Not by `torch.manual_seed`, which looks for other devices each time, for a millisecond.
        seed = int(stream(self.seed, "step", self.steps_done).integers(2**63))
        torch.default_generator.manual_seed(seed)
        self.network.train()
        self._rate = rate
        with torch.autocast("cpu", torch.bfloat16, enabled=self.precision == "bfloat16"):
            parts = self.loss(batch)
        total = torch.stack([part.float() for part in parts.values()]).sum()
        found = {name: float(part.detach()) for name, part in parts.items()}
        for optimiser in self._optimisers:
            optimiser.zero_grad(set_to_none=True)
        if not torch.isfinite(total):
            raise self._not_finite(found, batch)
        self.backward(parts, total)
        if not torch.isfinite(self._clipped()):
            raise self._not_finite(found, batch)
        for optimiser in self._optimisers:
            for group in optimiser.param_groups:
                group["lr"] = rate * group["factor"]
            optimiser.step()
        self.steps_done += 1
        return found

    def state(self) -> dict[str, np.ndarray]:
        """Parameters, moments and the count of steps, as copies.

        Raises:
            CheckFailed: a parameter is not finite; no such state is ever kept.
        """
        finite.check_weights(self.network, self.steps_done, self._rate)
        names = {id(one): name for name, one in self.network.named_parameters()}
        held = {f"network.{k}": v for k, v in self.network.state_dict().items()}
        for optimiser in self._optimisers:
            for parameter, moments in optimiser.state.items():
                for kind, value in moments.items():
                    held[f"optimiser.{names[id(parameter)]}.{kind}"] = value
        arrays = {name: one.detach().cpu().numpy().copy() for name, one in held.items()}
        return {**arrays, "steps": np.array([self.steps_done])}

    def load(self, state: dict[str, np.ndarray]) -> None:
        """Go on from a state."""
        # Cloned, so that torch and not numpy chooses where each array stands in memory: sums over
        # other alignments may round otherwise.
        tensors = {name: torch.from_numpy(one).clone() for name, one in state.items()}
        self.steps_done = int(tensors.pop("steps")[0])
        networks = {n: t for n, t in tensors.items() if n.startswith("network.")}
        self.network.load_state_dict({n.removeprefix("network."): t for n, t in networks.items()})
        parameters = dict(self.network.named_parameters())
        names = {id(one): name for name, one in parameters.items()}
        for optimiser in self._optimisers:
            optimiser.state.clear()
            for parameter in (p for group in optimiser.param_groups for p in group["params"]):
                prefix = f"optimiser.{names[id(parameter)]}."
                moments = {
                    name.removeprefix(prefix): one
                    for name, one in tensors.items()
                    if name.startswith(prefix)
                }
                if moments:
                    optimiser.state[parameter] = moments

    @property
    def rows_of(self) -> Mapping[str, Layout]:
        """Whose rows the parameters of the network have that are not of all data alike."""
        return {}

    @property
    def layouts(self) -> dict[str, Layout]:
        """See `models.base.Carries`."""
        names = [name for name, _ in self.network.named_parameters()]
        return {f"network.{name}": self.rows_of.get(name, ()) for name in names}

    def parameters(self, state: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """The parameters in a state of such a learner."""
        return {name: state[name] for name in self.layouts if name in state}

    @torch.no_grad()
    def begin(self, parameters: Mapping[str, np.ndarray]) -> None:
        """Start from these."""
        for name, one in self.network.named_parameters():
            one.copy_(torch.from_numpy(parameters[f"network.{name}"]))

    def _clipped(self) -> Tensor:
        """Length of the gradient, which is then cut to `clip` where that is shorter."""
        values = [_values(p) for p in self.network.parameters() if p.grad is not None]
        norm = nn.utils.get_total_norm(values, foreach=True)
        if self.clip:
            share = (self.clip / (norm + 1e-6)).clamp(max=1.0)
            for one in values:
                one.mul_(share)
        return norm

    def _not_finite(self, parts: dict[str, float], batch: Any) -> Exception:
        given = {"batch": batch, **vars(self)}
        return finite.explained(self.network, parts, self.steps_done, self._rate, given)


def _values(parameter: nn.Parameter) -> Tensor:
    """The gradient itself, to be changed in place; of a sparse one what it holds."""
    gradient = parameter.grad
    assert gradient is not None
    if not gradient.is_sparse:
        return gradient
    # A row that a batch has twice counts by its sum.
    parameter.grad = gradient.coalesce()
    return parameter.grad.values()
