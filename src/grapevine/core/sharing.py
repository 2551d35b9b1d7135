"""Soft sharing: every task has weights of its own, and they are held near each other.

A layer that T tasks have each for itself is one tensor `(T, ...)`, its weights stacked. What is
here is added to the loss, times how much it is to count: at 0 the tasks are apart, and the greater
it is, the nearer they come to hard sharing.

T = tasks
"""

from collections.abc import Iterable, Sequence
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

# Its functions have no types.
LINALG: Any = torch.linalg

Stack = Float[Tensor, "tasks ..."]
Unfold = Literal["tasks", "all"]
"""Along which axes a stack is unfolded: that of the tasks, or each in turn."""


def stacked(networks: Sequence[nn.Module]) -> dict[str, Stack]:
    """The parameters of each name, one network above the other.

    Args:
        networks: one a task, of the same make.

    Raises:
        ValueError: a name or a shape differs.
    """
    by_task = [dict(network.named_parameters()) for network in networks]
    shapes = [{name: one.shape for name, one in named.items()} for named in by_task]
    for task, found in enumerate(shapes):
        if found != shapes[0]:
            odd = sorted(n for n in {**found, **shapes[0]} if found.get(n) != shapes[0].get(n))
            raise ValueError(
                f"networks 0 and {task} differ in `{odd[0]}`: "
                f"{shapes[0].get(odd[0])} and {found.get(odd[0])}"
            )
    return {name: torch.stack([named[name] for named in by_task]) for name in by_task[0]}


def apart(stacks: Iterable[Stack]) -> Float[Tensor, ""]:
    """`sum_(t < u) |theta_t - theta_u|^2`, over every two tasks (Duong et al., ACL 2015).

    It is T times `from_mean`, and computed so: T differences instead of T (T - 1) / 2.
    """
    return _total(len(stack) * from_mean([stack]) for stack in stacks)


def from_mean(stacks: Iterable[Stack]) -> Float[Tensor, ""]:
    """`sum_t |theta_t - mean|^2` (Evgeniou and Pontil, KDD 2004)."""
    return _total((stack - stack.mean(0)).square().sum() for stack in stacks)


def trace_norm(stacks: Iterable[Stack], unfold: Unfold = "tasks") -> Float[Tensor, ""]:
    """The sum of singular values, which is small where the tasks' weights span few directions.

    Yang and Hospedales, ICLR workshop 2017, arXiv:1606.04038: by the axis of the tasks alone (their
    last-axis flattening), or summed over the unfoldings along every axis (Tucker).
    Unlike the distances it lets tasks differ in sign and size, and shrinks what they have in common
    too.
    """
    norms: list[Tensor] = [
        LINALG.matrix_norm(stack.movedim(axis, 0).flatten(1), ord="nuc")
        for stack in (one if one.dim() > 1 else one[:, None] for one in stacks)
        for axis in (range(stack.dim()) if unfold == "all" else [0])
    ]
    return _total(norms)


def snapshot(parameters: Iterable[nn.Parameter]) -> list[Tensor]:
    """The parameters as they are now, as copies that no step changes."""
    return [one.detach().clone() for one in parameters]


def moved(parameters: Iterable[nn.Parameter], before: Sequence[Tensor]) -> Float[Tensor, ""]:
    """`|theta - theta'|^2`: how far parameters are from a snapshot of them.

    Successive regularization of the joint many-task model (Hashimoto et al., EMNLP 2017,
    arXiv:1611.01587, section 3): while one task is learnt, what it shares with the task before is
    held near what that task's epoch left, so that the lower is not forgotten.

    Args:
        parameters: theta.
        before: their `snapshot`, in the same order.

    Raises:
        ValueError: they are not as many.
    """
    return _total((now - old).square().sum() for now, old in zip(parameters, before, strict=True))


def _total(parts: Iterable[Tensor]) -> Tensor:
    parts = list(parts)
    if not parts:
        raise ValueError("nothing is shared: there are no parameters")
    return torch.stack(parts).sum()
