"""Gradients of several tasks that pull against each other: PCGrad, on what the tasks share.

Yu et al., Gradient Surgery for Multi-Task Learning, NeurIPS 2020, arXiv:2001.06782, algorithm 1.
What a projected gradient is a sum of follows from the products of the gradients alone, so that none
is ever flattened or copied: T x T products are projected, and the gradients are summed once.

T = tasks
"""

from collections.abc import Iterable, Sequence

import numpy as np
import torch
from jaxtyping import Float64
from torch import Tensor, nn

Gradients = Sequence[Tensor | None]
"""Of one task, by each shared parameter; None where the task does not depend on it."""


def backward(
    losses: Sequence[Tensor],
    shared: Iterable[nn.Parameter],
    rest: Iterable[nn.Parameter],
    rng: np.random.Generator,
) -> None:
    """Sets the gradients: of what is shared by PCGrad, of the rest as the sum of losses has them.

    What was there of gradients is replaced; None stands where no task depends on a parameter. What
    is frozen is left alone.

    Args:
        losses: one a task, weighed; one without a gradient, for want of labels, pulls at nothing.
        shared: parameters that tasks share.
        rest: those of heads and the like; surgery would take from a task what is its own.
        rng: for the order in which each task meets the others.
    """
    shared = [one for one in shared if one.requires_grad]
    rest = [one for one in rest if one.requires_grad]
    both, cut = [*shared, *rest], len(shared)
    found: list[Gradients] = []
    for at, loss in enumerate(losses):
        if not loss.requires_grad:
            found.append([None] * len(both))
            continue
        # What tasks share of the graph is needed again until the last of them.
        more = at < len(losses) - 1
        found.append(torch.autograd.grad(loss, both, retain_graph=more, allow_unused=True))
    projected = pcgrad([one[:cut] for one in found], rng)
    plain = summed([one[cut:] for one in found], np.ones(len(found)))
    for parameter, gradient in zip(both, [*projected, *plain]):
        parameter.grad = gradient


def pcgrad(found_T: Sequence[Gradients], rng: np.random.Generator) -> list[Tensor | None]:
    """The sum of the tasks' gradients, each without what pulls against another task.

    `(1, 0)` and `(-1, 1)` give `(0.5, 1.5)`. Where no two tasks conflict it is the plain sum.

    Args:
        found_T: gradients of each task by the same parameters, dense or sparse.
        rng: for the order in which each task meets the others.
    """
    return summed(found_T, factors(products(found_T), rng).sum(0))


def factors(
    products_TT: Float64[np.ndarray, "tasks tasks"], rng: np.random.Generator
) -> Float64[np.ndarray, "tasks tasks"]:
    """How much of each task's gradient there is in each projected one.

    For task i, g starts as g_i; for every other j in an order drawn for i, `g -= (g . g_j /
    |g_j|^2) g_j` where `g . g_j` is below zero. g_j is as it was found, not as it was projected.

    Args:
        products_TT: of the gradients with each other.
        rng: for the orders.

    Returns:
        `(T, T)`: row i is the projected gradient of task i, in terms of those found.
    """
    out_TT = np.eye(len(products_TT))
    for i, of_g_T in enumerate(out_TT):
        for j in rng.permutation(np.delete(np.arange(len(products_TT)), i)):
            along = of_g_T @ products_TT[j]
            if along < 0:
                of_g_T[j] -= along / products_TT[j, j]
    return out_TT


def products(found_T: Sequence[Gradients]) -> Float64[np.ndarray, "tasks tasks"]:
    """Dot products of the gradients of every two tasks, over all parameters."""
    out_TT = np.zeros((len(found_T), len(found_T)))
    for i, one in enumerate(found_T):
        for j, other in enumerate(found_T[: i + 1]):
            pairs = [(a, b) for a, b in zip(one, other) if a is not None and b is not None]
            out_TT[i, j] = out_TT[j, i] = sum(_product(a, b) for a, b in pairs)
    return out_TT


def summed(
    found_T: Sequence[Gradients], times_T: Float64[np.ndarray, " tasks"]
) -> list[Tensor | None]:
    """The sum of the tasks' gradients by each parameter, each times its factor."""
    out: list[Tensor | None] = []
    for of_tasks in zip(*found_T):
        there = [one * float(t) for one, t in zip(of_tasks, times_T) if one is not None]
        total = there[0] if there else None
        for one in there[1:]:
            # Of a table that one task reads by rows and another as a whole, dense comes first.
            total = one + total if total is not None and total.is_sparse else total + one
        out.append(total)
    return out


def _product(a: Tensor, b: Tensor) -> float:
    if a.is_sparse and not b.is_sparse:
        a, b = b, a
    if b.is_sparse:
        b = b.coalesce()
        rows = b.indices()[0]
        a = a.coalesce().index_select(0, rows).to_dense() if a.is_sparse else a[rows]
        b = b.values()
    return float((a.double() * b.double()).sum())
