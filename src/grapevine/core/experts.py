"""Experts that several tasks share, and gates by which each task hears those that help it.

One expert for all tasks is the shared bottom, hard sharing. Towers, what each task makes of what it
hears, are the caller's.

B = rows of a batch, T = tasks, E = experts that a gate chooses among, D = width going in, O = width
of what an expert makes
"""

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

Make = Callable[[int, int], nn.Module]
"""Makes an expert from D and O: a module that takes `(B, D)` to `(B, O)`."""


def dense(width: int, out: int) -> nn.Module:
    """`ReLU(W x + w)`, the expert of the papers."""
    return nn.Sequential(nn.Linear(width, out), nn.ReLU())


class Gate(nn.Module):
    """`softmax(W x + w)`: how much each expert counts for each row (Ma et al., KDD 2018, 4.2).

    w starts at 0 and is not the paper's: by it a task can prefer an expert whatever the row is.

    Args:
        width: D.
        experts: E.
        dropout: chance that a row does without an expert in training. The others' shares then sum
            to one (Zhao et al., Recommending What Video to Watch Next, RecSys 2019), so that no
            task can come to rest on one expert alone. Where all would be left out, all count.
    """

    def __init__(self, width: int, experts: int, *, dropout: float = 0.0) -> None:
        super().__init__()
        if experts < 1:
            raise ValueError("a gate needs an expert to choose")
        if not 0 <= dropout < 1:
            raise ValueError(f"dropout is a chance below 1: got {dropout}")
        self.linear = nn.Linear(width, experts)
        nn.init.zeros_(self.linear.bias)
        self.dropout = dropout

    def forward(self, x_BD: Float[Tensor, "rows width"]) -> Float[Tensor, "rows experts"]:
        """Shares, which sum to one."""
        logits_BE = self.linear(x_BD)
        if self.training and self.dropout:
            out_BE = torch.rand_like(logits_BE) < self.dropout
            out_BE = out_BE & ~out_BE.all(1, keepdim=True)
            logits_BE = logits_BE.masked_fill(out_BE, float("-inf"))
        return logits_BE.softmax(1)


class MMoE(nn.Module):
    """The same experts for all tasks, and a gate for each (Ma et al., KDD 2018, section 4.2).

    With one gate for all tasks it is OMoE (4.1), and with one expert the shared bottom (3.1).

    Args:
        width: D.
        out: O.
        tasks: T.
        experts: E; 4 to 8 are usual.
        one_gate: whether all tasks hear the same.
        dropout: of the gates.
        make: an expert.
    """

    def __init__(
        self,
        width: int,
        out: int,
        tasks: int,
        *,
        experts: int = 4,
        one_gate: bool = False,
        dropout: float = 0.0,
        make: Make = dense,
    ) -> None:
        super().__init__()
        self.tasks = tasks
        self.experts = _made(make, width, out, experts)
        gates = 1 if one_gate else tasks
        self.gates = nn.ModuleList(Gate(width, experts, dropout=dropout) for _ in range(gates))

    def forward(self, x_BD: Float[Tensor, "rows width"]) -> Float[Tensor, "tasks rows out"]:
        """What each task hears of each row."""
        return torch.stack(self.heard(x_BD, range(self.tasks)))

    def heard(
        self, x_BD: Float[Tensor, "rows width"], wanted: Sequence[int]
    ) -> list[Float[Tensor, "rows out"]]:
        """What some tasks hear; the gates of the others have no gradient by it, not one of zeros.

        Args:
            x_BD: the rows.
            wanted: which tasks, by number.
        """
        said_BEO = torch.stack(_said(self.experts, x_BD), 1)
        if len(self.gates) == 1:
            return [mixed(self.gates[0](x_BD), said_BEO)] * len(wanted)
        return [mixed(self.gates[task](x_BD), said_BEO) for task in wanted]

    def shared(self) -> list[nn.Parameter]:
        """What more than one task hears: the experts, and a gate that all have."""
        of_all = list(self.gates.parameters()) if len(self.gates) == 1 else []
        return [*self.experts.parameters(), *of_all]

    def shares(self, x_BD: Float[Tensor, "rows width"]) -> Float[Tensor, "tasks rows experts"]:
        """How much each expert counts, for those who ask."""
        shares = torch.stack([gate(x_BD) for gate in self.gates])
        return shares.expand(self.tasks, -1, -1)


class CGC(nn.Module):
    """Customized gate control: experts that all share, and a task's own, which no other task hears.

    Tang et al., RecSys 2020, section 4.1. The gate of a task chooses among its own experts
    and the shared ones; where another level follows, the gate of the shared ones chooses among all.

    Args:
        width: D.
        out: O.
        tasks: T.
        own: experts of each task.
        shared: experts of all tasks.
        last: whether no level follows, so that no shared gate is wanted.
        dropout: of the gates.
        make: an expert.
    """

    def __init__(
        self,
        width: int,
        out: int,
        tasks: int,
        *,
        own: int = 1,
        shared: int = 1,
        last: bool = True,
        dropout: float = 0.0,
        make: Make = dense,
    ) -> None:
        super().__init__()
        if not last and not shared:
            raise ValueError("a level before the last needs a shared expert, to hand on its own")
        self.shared = _made(make, width, out, shared)
        self.own = nn.ModuleList(_made(make, width, out, own) for _ in range(tasks))
        choices = [own + shared] * tasks + ([] if last else [own * tasks + shared])
        self.gates = nn.ModuleList(Gate(width, count, dropout=dropout) for count in choices)

    def forward(
        self, states: Sequence[Float[Tensor, "rows width"]]
    ) -> list[Float[Tensor, "rows out"]]:
        """What each task hears, and before the last level what the shared experts do.

        Args:
            states: what each task holds, and after them what the shared experts hear.

        Raises:
            ValueError: there are more or fewer of them than tasks and one.
        """
        if len(states) != len(self.own) + 1:
            raise ValueError(f"made for {len(self.own)} tasks: got {len(states) - 1}")
        shared = _said(self.shared, states[-1])
        own = [_said(experts, state) for experts, state in zip(self.own.children(), states)]
        choices = [[*mine, *shared] for mine in own]
        if len(self.gates) > len(self.own):
            choices.append([*(one for mine in own for one in mine), *shared])
        gated = zip(self.gates, states, choices)
        return [mixed(gate(state), torch.stack(said, 1)) for gate, state, said in gated]


class PLE(nn.Module):
    """Levels of CGC, each from what the one before it left (Tang et al., RecSys 2020, section 4.2).

    With no experts of their own the tasks have MMoE in one level.

    Args:
        width: D.
        outs: O of each level.
        tasks: T.
        own: experts of each task, in each level.
        shared: experts of all tasks, in each level.
        dropout: of the gates.
        make: an expert.
    """

    def __init__(
        self,
        width: int,
        outs: Sequence[int],
        tasks: int,
        *,
        own: int = 1,
        shared: int = 1,
        dropout: float = 0.0,
        make: Make = dense,
    ) -> None:
        super().__init__()
        if not outs:
            raise ValueError("at least one level")
        self.tasks = tasks
        widths = [width, *outs[:-1]]
        self.levels = nn.ModuleList(
            CGC(
                before, after, tasks,
                own=own, shared=shared, last=level == len(outs), dropout=dropout, make=make,
            )
            for level, (before, after) in enumerate(zip(widths, outs), start=1)
        )  # fmt: skip

    def forward(self, x_BD: Float[Tensor, "rows width"]) -> Float[Tensor, "tasks rows out"]:
        """What each task hears of each row, after the last level."""
        return torch.stack(self.heard(x_BD, range(self.tasks)))

    def heard(
        self, x_BD: Float[Tensor, "rows width"], wanted: Sequence[int]
    ) -> list[Float[Tensor, "rows out"]]:
        """What some tasks hear; what only the others hear has no gradient by it.

        Args:
            x_BD: the rows.
            wanted: which tasks, by number.
        """
        states: list[Tensor] = [x_BD] * (self.tasks + 1)
        for level in self.levels:
            states = level(states)
        return [states[task] for task in wanted]

    def shared(self) -> list[nn.Parameter]:
        """What more than one task hears.

        Before the last level the gate of the shared experts hears all experts, a task's own too,
        and so hands on what they say; and with it what the gates of the tasks let into them.
        """
        found: list[nn.Parameter] = []
        before_last = len(self.levels) - 1
        for number, level in enumerate(self.levels.children()):
            assert isinstance(level, CGC)
            found += level.shared.parameters()
            if number < before_last:
                found += [*level.own.parameters(), *level.gates[-1].parameters()]
            if number < before_last - 1:
                found += level.gates[:-1].parameters()
        return found


def mixed(
    shares_BE: Float[Tensor, "rows experts"], said_BEO: Float[Tensor, "rows experts out"]
) -> Float[Tensor, "rows out"]:
    """What is heard where each expert counts by its share."""
    return torch.einsum("be,beo->bo", shares_BE, said_BEO)


def _made(make: Make, width: int, out: int, count: int) -> nn.ModuleList:
    return nn.ModuleList(make(width, out) for _ in range(count))


def _said(experts: nn.Module, x_BD: Tensor) -> list[Tensor]:
    return [expert(x_BD) for expert in experts.children()]
