"""Why a loss is not finite: the part, the weights, or what the batch and the features hold."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from grapevine.errors import CheckFailed

SHOWN = 5
"""Names listed in a message, at most."""

SLOWER = "set the learning rate of the model lower"


def check_weights(network: nn.Module, step: int, rate: float) -> None:
    """Refuse a network that has a parameter which is not finite.

    Raises:
        CheckFailed: with the parameters, the steps done and the last learning rate.
    """
    broken = [name for name, one in network.named_parameters() if not one.isfinite().all()]
    if broken:
        raise CheckFailed(
            f"after step {step}, at learning rate {rate:g}, these weights are not finite: "
            f"{_listed(broken)}",
            hint=SLOWER,
        )


def explained(
    network: nn.Module, parts: Mapping[str, float], step: int, rate: float, looked_at: Any
) -> CheckFailed:
    """What was not finite in a step, as near to the cause as can be told.

    Weights are looked at first, then what the step was given, then gradients: what comes earlier
    makes what comes later infinite, not the other way round.

    Args:
        network: as the step found it, with its gradients if it got so far.
        parts: of the loss, by name.
        step: steps done before this one.
        rate: the learning rate.
        looked_at: what went in: arrays, tensors and whatever holds them.
    """
    losses = ", ".join(f"{name} {value:g}" for name, value in parts.items())
    named = list(network.named_parameters())
    weights = [name for name, one in named if not one.isfinite().all()]
    given = [] if weights else list(_not_numbers(looked_at, ""))
    gradients = [
        name for name, one in named if one.grad is not None and not _values(one.grad).all()
    ]
    if weights:
        cause, hint = f"weights that are not finite: {_listed(weights)}", SLOWER
    elif given:
        cause = f"the weights are finite, but what they are given is not: {_listed(given)}"
        hint = "look at these features where they come from"
    elif gradients:
        cause = (
            f"the weights are finite, gradients that are not: {_listed(gradients)}; "
            "what they are given is finite"
        )
        hint = f"{SLOWER}, or clip the gradient"
    else:
        cause, hint = "the weights and what they are given are finite", SLOWER
    subject = "the gradient" if all(map(np.isfinite, parts.values())) else "the loss"
    return CheckFailed(
        f"step {step + 1}: {subject} is not finite ({losses}) at learning rate {rate:g}; {cause}",
        hint=hint,
    )


def _values(gradient: torch.Tensor) -> torch.Tensor:
    return (gradient.coalesce().values() if gradient.is_sparse else gradient).isfinite()


def _not_numbers(thing: Any, at: str, depth: int = 4) -> Iterator[str]:
    """Where NaN stands in arrays, tensors and what holds them; infinity too, outside of masks."""
    if isinstance(thing, torch.Tensor):
        thing = thing.detach().float().cpu().numpy() if thing.is_floating_point() else None
    if isinstance(thing, np.ndarray):
        if thing.dtype.kind == "f":
            # Masks hold -inf on purpose, features never do on purpose.
            broken = np.isnan(thing) | np.isposinf(thing)
            if broken.any():
                first = ", ".join(str(place) for place in np.argwhere(broken)[0])
                yield f"{at.removeprefix('.')} ({broken.sum():,} values, the first at [{first}])"
    elif depth:
        for name, part in _parts(thing):
            yield from _not_numbers(part, f"{at}{name}", depth - 1)


def _parts(thing: Any) -> Iterable[tuple[str, Any]]:
    if isinstance(thing, nn.Module):
        return [(f".{name}", one) for name, one in thing.named_buffers()]
    if is_dataclass(thing):
        return [(f".{one.name}", getattr(thing, one.name)) for one in fields(thing)]
    if isinstance(thing, Mapping):
        return [(f".{name}", part) for name, part in thing.items()]
    if isinstance(thing, list | tuple):
        return [(f"[{place}]", part) for place, part in enumerate(thing)]
    return []


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more
