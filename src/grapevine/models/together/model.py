"""What several tasks have learnt: an answer of each, by the weights with which it was best."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Self

import numpy as np
import torch
from jaxtyping import Float, Shaped
from torch import nn

from grapevine.models.base import refuse_other_arrays
from grapevine.models.together.config import Config
from grapevine.tasks.together import Part, Tasks

AT_ONCE = 4096
"""Examples that are asked at a time."""


@dataclass(frozen=True, kw_only=True)
class Together:
    """Tasks that were trained together.

    Attributes:
        config: how.
        tasks: what they are; those of weight 0 are not answered.
        weights: of the network, for each task that is.
        epochs: in which each was best, from 0; empty where nothing was validated.
        worths: what each was worth then, on validation.
        covariances: `(T, T)` of the tasks, by weight of the heads, where it was learnt.
        weighed: what each loss counts at the end.
    """

    config: Config
    tasks: Tasks
    weights: Mapping[str, Mapping[str, np.ndarray]]
    epochs: Mapping[str, int] = field(default_factory=dict)
    worths: Mapping[str, float] = field(default_factory=dict)
    covariances: Mapping[str, Float[np.ndarray, "tasks tasks"]] = field(default_factory=dict)
    weighed: Mapping[str, float] = field(default_factory=dict)

    @property
    def names(self) -> tuple[str, ...]:
        """The tasks that are answered, in order."""
        return tuple(self.tasks.trained)

    def says(self, inputs: Shaped[np.ndarray, "examples ..."]) -> dict[str, np.ndarray]:
        """What each task answers of examples: `(N,)` of one output, `(N, C)` of C.

        Args:
            inputs: of the same width as those learnt from.
        """
        return {name: self._says(name, inputs) for name in self.names}

    def worth(self, part: Part) -> dict[str, float]:
        """The metric of each task on a part of what it was made with."""
        said = {
            name: self._says(name, self.tasks.inputs[self.tasks.rows(name, part)])
            for name in self.names
        }
        return self.tasks.worth(said, part)

    def correlation(self, weight: str | None = None) -> Float[np.ndarray, "tasks tasks"]:
        """How alike tasks are by the learnt covariance, from -1 to 1.

        Args:
            weight: of the heads; the last, nearest to the answer, if not given.
        """
        covariance = self.covariances[weight or list(self.covariances)[-1]]
        spread = np.sqrt(covariance.diagonal())
        return covariance / np.outer(spread, spread)

    def state(self) -> dict[str, np.ndarray]:
        """The weights of each task, by its name and theirs; and the covariances."""
        found = {
            f"weights/{name}/{part}": array
            for name, weights in self.weights.items()
            for part, array in weights.items()
        }
        return {**found, **{f"covariances/{name}": one for name, one in self.covariances.items()}}

    @classmethod
    def restore(cls, config: Config, tasks: Tasks, state: Mapping[str, np.ndarray]) -> Self:
        """What answers as the one that had this state; when each task was best is not in it.

        Raises:
            BundleError: it is of another network.
        """
        parts = config.network(tasks).state_dict()
        wanted = {f"weights/{name}/{part}" for name in tasks.trained for part in parts}
        learnt = {name: one for name, one in state.items() if name.startswith("covariances/")}
        refuse_other_arrays(cls, wanted, state.keys() - learnt.keys())
        weights = {
            name: {part: state[f"weights/{name}/{part}"] for part in parts}
            for name in tasks.trained
        }
        covariances = {name.removeprefix("covariances/"): one for name, one in learnt.items()}
        return cls(config=config, tasks=tasks, weights=weights, covariances=covariances)

    def _says(self, name: str, inputs: np.ndarray) -> np.ndarray:
        network = self.config.network(self.tasks)
        network.load_state_dict({k: torch.from_numpy(v) for k, v in self.weights[name].items()})
        return says(network, self.names.index(name), inputs)


@torch.no_grad()
def says(
    network: nn.Module, task: int, inputs: Shaped[np.ndarray, "examples ..."]
) -> Float[np.ndarray, "examples ..."]:
    """What a network answers of one task, by number, in evaluation mode.

    Args:
        network: of `tasks.trunks`.
        task: which.
        inputs: of the examples.
    """
    network.eval()
    # At least one piece, which says how wide an answer is.
    starts: Sequence[int] = range(0, max(len(inputs), 1), AT_ONCE)
    pieces = [network(torch.from_numpy(inputs[at : at + AT_ONCE]), [task])[0] for at in starts]
    return torch.cat(pieces).numpy()
