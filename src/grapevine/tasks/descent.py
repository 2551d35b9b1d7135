"""Training where the whole graph is one batch: steps of Adam, and the state that validated best."""

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from grapevine.errors import CheckFailed
from grapevine.random import stream

Worth = tuple[float, ...]
"""What a state is worth on validation: numbers of which more is better."""


@dataclass(frozen=True, slots=True)
class Trace:
    """How a training went.

    Attributes:
        best: epoch whose state was kept, from 0.
        epochs: how many there were.
        worth: of the state that was kept.
    """

    best: int
    epochs: int
    worth: Worth


def descend(
    network: nn.Module,
    loss: Callable[[], Tensor],
    worth: Callable[[], Worth],
    *,
    epochs: int,
    patience: int = 0,
    every: bool = True,
    learning_rate: float = 0.01,
    weight_decay: float = 0.0,
    seed: int = 0,
) -> Trace:
    """Train a network, and leave it in evaluation mode as it was in its best epoch.

    The best epoch is the last in which every number of the worth was as great as ever before (the
    authors of GAT: accuracy and loss, so that neither a lucky epoch nor a late one is kept), or the
    last number alone (the authors of GRAND: loss).

    Args:
        network: what is learnt.
        loss: of the network as it is, in training mode.
        worth: of the network as it is, in evaluation mode and without gradients.
        epochs: steps, at most.
        patience: so many epochs in which no number of the worth was the greatest yet end the
            training; 0 goes on to the end.
        every: whether every number must be as great as ever before; else the last one decides.
        learning_rate: of Adam.
        weight_decay: of Adam, added to the gradient.
        seed: names what each epoch draws.

    Raises:
        CheckFailed: the loss is not finite.
    """
    adam = torch.optim.Adam(network.parameters(), lr=learning_rate, weight_decay=weight_decay)
    kept, best, best_epoch, last, epoch = network.state_dict(), (), -1, 0, -1
    peaks: list[float] = []
    for epoch in range(epochs):
        torch.manual_seed(int(stream(seed, "descent", epoch).integers(2**63)))
        network.train()
        lost = loss()
        if not torch.isfinite(lost):
            raise CheckFailed(
                f"epoch {epoch + 1}: the loss is {lost.item()} at learning rate {learning_rate:g}",
                hint="set the learning rate lower",
            )
        adam.zero_grad()
        lost.backward()
        adam.step()
        network.eval()
        with torch.no_grad():
            now = worth()
        peaks = peaks or [-math.inf] * len(now)
        reached = [one >= peak for one, peak in zip(now, peaks)]
        peaks = [max(pair) for pair in zip(now, peaks)]
        if any(reached):
            last = epoch
        if all(reached) if every else reached[-1]:
            kept, best, best_epoch = copy.deepcopy(network.state_dict()), now, epoch
        if patience and epoch - last >= patience:
            break
    network.load_state_dict(kept)
    network.eval()
    return Trace(best_epoch, epoch + 1, best)
