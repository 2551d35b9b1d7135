"""Adam for large tables: a step costs what its rows cost, whatever the length of the table."""

from typing import Any

import torch
from torch import Tensor, nn

# R = rows of a step, D = width


class RowAdam(torch.optim.Optimizer):
    """Adam for parameters with sparse gradients, such as `nn.Embedding(..., sparse=True)`.

    The moments of a row wait while no batch has it, and so does its decay: that is the lazy Adam of
    `torch.optim.SparseAdam`, with a decay, and with epsilon where Adam has it
    (benchmarks/training.py times both). Adam proper goes on moving rows that no batch has; at few
    rows a step the two differ.
    """

    def __init__(
        self,
        parameters: list[Tensor],
        *,
        lr: float,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
    ) -> None:
        options = {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay}
        super().__init__(parameters, options)

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """One update of every row that has a gradient."""
        del closure
        for group in self.param_groups:
            for table in group["params"]:
                if table.grad is not None:
                    self._update(table, table.grad.coalesce(), group)

    def _update(self, table: Tensor, gradient: Tensor, group: dict[str, Any]) -> None:
        state = self.state[table]
        if not state:
            state["step"] = torch.zeros(())
            state["exp_avg"] = torch.zeros_like(table)
            state["exp_avg_sq"] = torch.zeros_like(table)
        state["step"] += 1
        steps = int(state["step"])
        (beta, gamma), rate = group["betas"], group["lr"]
        rows, values_RD = gradient.indices()[0], gradient.values()
        mean_RD = state["exp_avg"][rows].lerp_(values_RD, 1 - beta)
        square_RD = state["exp_avg_sq"][rows].mul_(gamma)
        square_RD.addcmul_(values_RD, values_RD, value=1 - gamma)
        # Rows are unique once a gradient is coalesced, so that writing is copying.
        state["exp_avg"].index_copy_(0, rows, mean_RD)
        state["exp_avg_sq"].index_copy_(0, rows, square_RD)
        length_RD = square_RD.div_(1 - gamma**steps).sqrt_().add_(group["eps"])
        held_RD = table[rows].mul_(1 - rate * group["weight_decay"])
        held_RD.addcdiv_(mean_RD, length_RD, value=-rate / (1 - beta**steps))
        table.index_copy_(0, rows, held_RD)


def sparse_tables(network: nn.Module) -> list[Tensor]:
    """The tables whose gradients are sparse, each once."""
    found = {
        id(module.weight): module.weight
        for module in network.modules()
        if isinstance(module, nn.Embedding | nn.EmbeddingBag) and module.sparse
    }
    return list(found.values())
