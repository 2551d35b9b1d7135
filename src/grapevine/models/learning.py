"""Learning by gradient: what the learners of all torch networks share."""

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from grapevine.errors import CheckFailed
from grapevine.random import stream


class GradientLearner:
    """Steps of Adam on a network; a subclass says what the batches are and what is lost.

    It must set `epochs` and `patience`, and define `batches(epoch)`, `loss(batch)` (the parts of
    the loss by name) and `model()`. Dropout draws from a generator that is seeded anew for each
    step, so that a step depends on nothing but its number and the state.

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
        clip: float = 0.0,
    ) -> None:
        self.network = network
        self.seed = seed
        self.learning_rate = learning_rate
        self.clip = clip
        self.steps_done = 0
        self.optimiser = torch.optim.AdamW(
            network.parameters(), lr=learning_rate, weight_decay=weight_decay
        )

    def loss(self, batch: Any) -> dict[str, Tensor]:
        """The parts of the loss by name; their sum is minimised."""
        raise NotImplementedError

    def rate(self, epoch: int, step: int, steps: int) -> float:
        """The learning rate of a step; constant unless a subclass knows better."""
        del epoch, step, steps
        return self.learning_rate

    def step(self, batch: Any, rate: float) -> dict[str, float]:
        """One update; raises `CheckFailed`, with nothing updated, where it is not finite."""
        torch.manual_seed(int(stream(self.seed, "step", self.steps_done).integers(2**63)))
        self.network.train()
        parts = self.loss(batch)
        self.optimiser.zero_grad(set_to_none=True)
        total = torch.stack(list(parts.values())).sum()
        found = {name: float(part.detach()) for name, part in parts.items()}
        if not torch.isfinite(total):
            raise self._not_finite(found, rate)
        total.backward()
        norm = torch.nn.utils.clip_grad_norm_(
            self.network.parameters(), self.clip or float("inf"), foreach=True
        )
        if not torch.isfinite(norm):
            raise self._not_finite(found, rate)
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        self.optimiser.step()
        self.steps_done += 1
        return found

    def state(self) -> dict[str, np.ndarray]:
        """Parameters, moments and the count of steps, as copies."""
        names = {id(one): name for name, one in self.network.named_parameters()}
        held = {f"network.{k}": v for k, v in self.network.state_dict().items()}
        for parameter, moments in self.optimiser.state.items():
            for kind, value in moments.items():
                held[f"optimiser.{names[id(parameter)]}.{kind}"] = torch.as_tensor(value)
        arrays = {name: one.detach().cpu().numpy().copy() for name, one in held.items()}
        return {**arrays, "steps": np.array([self.steps_done])}

    def load(self, state: dict[str, np.ndarray]) -> None:
        """Go on from a state."""
        tensors = {name: torch.from_numpy(one.copy()) for name, one in state.items()}
        self.steps_done = int(tensors.pop("steps")[0])
        networks = {n: t for n, t in tensors.items() if n.startswith("network.")}
        self.network.load_state_dict({n.removeprefix("network."): t for n, t in networks.items()})
        self.optimiser.state.clear()
        for name, parameter in self.network.named_parameters():
            prefix = f"optimiser.{name}."
            moments = {
                n.removeprefix(prefix): t for n, t in tensors.items() if n.startswith(prefix)
            }
            if moments:
                self.optimiser.state[parameter] = moments

    def _not_finite(self, parts: dict[str, float], rate: float) -> CheckFailed:
        """What was not finite, as near to the cause as can be told."""
        losses = ", ".join(f"{name} {value:g}" for name, value in parts.items())
        weights = [n for n, p in self.network.named_parameters() if not p.isfinite().all()]
        gradients = [
            n
            for n, p in self.network.named_parameters()
            if p.grad is not None and not p.grad.isfinite().all()
        ]
        where = (
            f"weights that are not finite: {', '.join(weights)}"
            if weights
            else f"gradients that are not finite: {', '.join(gradients)}"
            if gradients
            else "the weights are finite: look at the features of this batch"
        )
        return CheckFailed(
            f"step {self.steps_done}: the loss is not finite ({losses}) at learning rate "
            f"{rate:g}; {where}",
            hint="set model.learning_rate lower, or model.clip to 1",
        )
