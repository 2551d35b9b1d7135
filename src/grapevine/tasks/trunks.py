"""What tasks share: one layer, experts, layers held near each other, or one above the other.

Every network here says, of a batch, what some of its tasks are asked for; what only the others
depend on has no gradient by it.

B = rows of a batch, D = width going in, O = width of what a task hears, T = tasks
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

import torch
from jaxtyping import Float
from torch import Tensor, nn

from grapevine.core.experts import Make
from grapevine.random import stream
from grapevine.tasks.weighing import Kind

Heard = list[Float[Tensor, "rows out"]]


class Trunk(Protocol):
    """What comes before the heads."""

    def heard(self, x_BD: Tensor, wanted: Sequence[int]) -> Heard:
        """What some tasks hear, by number."""
        ...

    def shared(self) -> list[nn.Parameter]:
        """What more than one task hears."""
        ...


class Bottom(nn.Module):
    """One layer for all: hard sharing (Caruana, 1997)."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def heard(self, x_BD: Tensor, wanted: Sequence[int]) -> Heard:
        """The same for each."""
        return [self.layer(x_BD)] * len(wanted)

    def shared(self) -> list[nn.Parameter]:
        """All of it."""
        return list(self.parameters())


class Apart(nn.Module):
    """A layer for each; what holds them near each other, if anything does, is `core.sharing`."""

    def __init__(self, layers: Sequence[nn.Module]) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)

    def heard(self, x_BD: Tensor, wanted: Sequence[int]) -> Heard:
        """What each task's own layer makes of it."""
        return [self.layers[task](x_BD) for task in wanted]

    def shared(self) -> list[nn.Parameter]:
        """Nothing."""
        return []


class Network(nn.Module):
    """A trunk, and a head for each task.

    Args:
        trunk: comes before the heads.
        heads: in the order of the tasks.
    """

    def __init__(self, trunk: Trunk, heads: Sequence[nn.Module]) -> None:
        super().__init__()
        self.trunk = trunk
        self.heads = nn.ModuleList(heads)

    def forward(self, x_BD: Tensor, wanted: Sequence[int]) -> list[Tensor]:
        """What some tasks say of each row, by number: `(B,)` of one output, `(B, C)` of C."""
        heard = self.trunk.heard(x_BD, wanted)
        return [flat(self.heads[task](h)) for task, h in zip(wanted, heard)]

    def shared(self) -> list[nn.Parameter]:
        """What more than one task depends on; never a head."""
        return self.trunk.shared()


class Depth(nn.Module):
    """A layer above a layer, a task for each: the joint many-task model (Hashimoto et al., 2017).

    EMNLP, arXiv:1611.01587. What a layer hears is the row itself, what the layer below it holds,
    and of every task below an embedding of its answer, `sum_j p(j) l(j)`; of a regression, which
    has no chances, a linear map of the answer. Gradients go all the way down.

    Args:
        width: D.
        out: O of every layer.
        heads: one a task, the lowest first.
        outputs: of each head.
        kinds: of each task.
        label: width of the embedding of an answer.
        make: a layer.
    """

    def __init__(
        self,
        width: int,
        out: int,
        heads: Sequence[nn.Module],
        *,
        outputs: Sequence[int],
        kinds: Sequence[Kind],
        label: int,
        make: Make,
    ) -> None:
        super().__init__()
        self.kinds = tuple(kinds)
        self.heads = nn.ModuleList(heads)
        self.layers = nn.ModuleList(
            make(width + (out + label * depth if depth else 0), out) for depth in range(len(heads))
        )
        answers = [
            2 if kind == "classification" and count == 1 else count
            for kind, count in zip(kinds, outputs)
        ]
        self.labels = nn.ModuleList(nn.Linear(count, label, bias=False) for count in answers[:-1])

    def forward(self, x_BD: Tensor, wanted: Sequence[int]) -> list[Tensor]:
        """What some tasks say of each row, by number; those above them are not asked."""
        said: list[Tensor] = []
        answers: list[Tensor] = []
        state = x_BD[:, :0]
        for depth in range(max(wanted) + 1):
            state = self.layers[depth](torch.cat([x_BD, state, *answers], 1))
            said.append(self.heads[depth](state))
            if depth < max(wanted):
                answers.append(self.labels[depth](_chances(said[depth], self.kinds[depth])))
        return [flat(said[depth]) for depth in wanted]

    def below(self, depth: int) -> list[nn.Parameter]:
        """What a task has from those below it: their layers, heads and embeddings."""
        parts = (*self.layers[:depth], *self.heads[:depth], *self.labels[:depth])
        return [parameter for part in parts for parameter in part.parameters()]


def flat(said_BC: Tensor) -> Tensor:
    """Of one output `(B,)`; of several as it is."""
    return said_BC.squeeze(-1) if said_BC.shape[-1] == 1 else said_BC


@contextmanager
def seeded(seed: int, *labels: str | int) -> Iterator[None]:
    """Layers made in here draw from a stream of their own, and leave torch's as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(stream(seed, *labels).integers(2**63)))
        yield


def made(make: Callable[[], nn.Module], seed: int, *labels: str | int) -> nn.Module:
    """A layer whose start depends on its name alone, whatever was made before it."""
    with seeded(seed, *labels):
        return make()


def _chances(said_BC: Tensor, kind: Kind) -> Tensor:
    if kind == "regression":
        return said_BC
    if said_BC.shape[-1] == 1:
        yes_B1 = said_BC.sigmoid()
        return torch.cat([1 - yes_B1, yes_B1], 1)
    return said_BC.softmax(-1)
