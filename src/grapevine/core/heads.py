"""What the heads of attention do: their maps, a gate on each, what each is worth, and fewer.

All of it listens in on layers that are as they are (`TransformerLayer`, `Attention`, `HSTULayer`),
within a `with` and nowhere else: the ordinary route does not know of it.

What a head weighs is no explanation by itself (Jain and Wallace, NAACL 2019, arXiv:1902.10186);
beside its maps belongs what the loss says when it is gated (`head_importance`) or gone
(`without_each`).

B = sequences, H = heads, L = queries, S = keys, K = width of a head
"""

from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import contextmanager
from copy import deepcopy
from typing import Any, TypeVar, cast

import torch
from jaxtyping import Float
from torch import Tensor, nn

from grapevine.core.multihead import Attend, Attention
from grapevine.core.transformer import HSTULayer, TransformerLayer

Listener = Attention | HSTULayer
Maps = Float[Tensor, "batch heads queries keys"]
Gates = Float[Tensor, "*#batch heads"]
Layer = TypeVar("Layer", Attention, TransformerLayer)
Asked = TypeVar("Asked")


def listeners(module: nn.Module) -> dict[str, Listener]:
    """The layers of attention within a module, by name, in the order they stand in."""
    parts = cast("Iterable[tuple[str, nn.Module]]", module.named_modules())
    return {name: part for name, part in parts if isinstance(part, Attention | HSTULayer)}


@contextmanager
def attention_maps(module: nn.Module) -> Generator[list[Maps]]:
    """Keep who heard whom in every call of a layer within: `(B, H, L, S)`, in order of the calls.

    Rows sum to one, or to zero where nobody was heard; those of HSTU are `A` of its paper, SiLU
    by the length, and sum to anything. Weights are as they were before dropout, and gradients go
    through them. What the layers say is the same to the rounding of their precision, which the
    maps have too; memory grows with L times S.

    Args:
        module: that holds the layers.
    """
    kept: list[Maps] = []

    def listening(layer: Listener, attend: Attend) -> Attend:
        length = layer.length if isinstance(layer, HSTULayer) else 1

        def hear(*asked: Any, **options: Any) -> Tensor:
            heard, maps = attend(*asked, **options, weights=True)
            kept.append(maps / length)
            return heard

        return hear

    with _replaced(listeners(module).values(), listening):
        yield kept


@contextmanager
def gated_heads(module: nn.Module, gates: Mapping[str, Gates]) -> Generator[None]:
    """Multiply what each head says by a number, before the heads are put together.

    Args:
        module: that holds the layers.
        gates: of some layers by name: `(H,)`, or `(B, H)` where each sequence has its own.

    Raises:
        ValueError: there is no layer of such a name.
    """
    found = listeners(module)
    if not gates.keys() <= found.keys():
        wrong = ", ".join(f"`{name}`" for name in sorted(gates.keys() - found.keys()))
        known = ", ".join(f"`{name}`" for name in found)
        raise ValueError(f"no layer of attention is called {wrong}; there are {known}")
    by_layer = {found[name]: gate for name, gate in gates.items()}
    with _replaced(by_layer, lambda layer, attend: _gated(attend, lambda _: by_layer[layer])):
        yield


def head_importance(
    module: nn.Module,
    losses: Callable[[Asked], Float[Tensor, " batch"]],
    batches: Iterable[Asked],
    *,
    by_layer: bool = True,
) -> dict[str, Float[Tensor, " heads"]]:
    """How much the loss hangs on each head: the mean over sequences of `|d loss / d gate|` at 1.

    After Michel, Levy and Neubig, NeurIPS 2019 (arXiv:1905.10650), section 4.1. Heads go in rising
    order. The estimate is of the first order: it tells what a little less of a head would do, not
    what is left when others are gone, so that it is taken anew after each pruning.

    Args:
        module: that holds the layers; in evaluation, or dropout takes part.
        losses: what each sequence of a batch loses, by way of the module.
        batches: what to ask about.
        by_layer: to length one in each layer, as the paper does, so that layers compare; otherwise
            in units of the loss.

    Returns:
        The importance of each head of each layer that was called, by name.

    Raises:
        ValueError: the module holds no layer of attention.
    """
    names = {layer: name for name, layer in listeners(module).items()}
    if not names:
        raise ValueError(f"{type(module).__name__} has no heads: it holds no layer of attention")
    total: dict[str, Tensor] = {}
    sequences = 0
    for batch in batches:
        gates: dict[str, Tensor] = {}

        def gate(layer: Listener, q_BHLK: Tensor, gates: dict[str, Tensor] = gates) -> Tensor:
            # Of products in bfloat16 the gradients are summed more exactly than that.
            exact = torch.promote_types(q_BHLK.dtype, torch.float32)
            one = torch.ones(q_BHLK.shape[:2], dtype=exact, device=q_BHLK.device)
            return gates.setdefault(names[layer], one.requires_grad_())

        with _replaced(names, lambda layer, attend: _gated(attend, lambda q: gate(layer, q))):
            lost = losses(batch)
        pulled = torch.autograd.grad(
            lost.sum(), list(gates.values()), allow_unused=True, materialize_grads=True
        )
        for name, pull_BH in zip(gates, pulled):
            worth_H = pull_BH.abs().sum(0)
            total[name] = total[name] + worth_H if name in total else worth_H
        sequences += len(lost)
    mean = {name: worth_H / sequences for name, worth_H in total.items()}
    return {n: nn.functional.normalize(one, dim=0) for n, one in mean.items()} if by_layer else mean


def without_each(
    module: nn.Module, loss: Callable[[], Float[Tensor, ""]]
) -> dict[str, Float[Tensor, " heads"]]:
    """The loss with one head silent, for each head of each layer: the ablation beside the gates.

    Args:
        module: that holds the layers.
        loss: asks the module, and tells one number.
    """
    found: dict[str, Tensor] = {}
    with torch.no_grad():
        for name, layer in listeners(module).items():
            told: list[Tensor] = []
            for gates_H in 1 - torch.eye(layer.heads, device=layer.out.weight.device):
                with gated_heads(module, {name: gates_H}):
                    told.append(loss())
            found[name] = torch.stack(told)
    return found


def prune_heads(layer: Layer, heads: Iterable[int]) -> Layer:
    """The layer without some of its heads: what it says with their gates at 0, for less work.

    A bias that differs from head to head is given for those that are left. Layers of HSTU have
    none of it: their norm goes over all heads, so that without one the others say something else.

    Args:
        layer: stays as it is.
        heads: which to leave out, counted from 0.

    Raises:
        ValueError: there is no such head, or none would be left.
    """
    if isinstance(layer, TransformerLayer):
        smaller = deepcopy(layer)
        smaller.attention = prune_heads(layer.attention, heads)
        return smaller
    if isinstance(layer, HSTULayer):
        raise ValueError("a layer of HSTU norms all heads together: none goes without the others")
    gone = {*heads}
    if not gone < {*range(layer.heads)}:
        raise ValueError(f"of {layer.heads} heads, {sorted(gone)} cannot go")
    left = torch.tensor([head for head in range(layer.heads) if head not in gone])
    inner = layer.out.in_features
    key = inner // layer.heads
    rows = (left[:, None] * key + torch.arange(key)).flatten().to(layer.out.weight.device)
    smaller = deepcopy(layer)
    smaller.heads = len(left)
    smaller.query = _part(layer.query, rows)
    smaller.keys_values = _part(layer.keys_values, torch.cat([rows, rows + inner]))
    smaller.out = _part(layer.out, slice(None), rows)
    return smaller


def _part(
    linear: nn.Linear, rows: Tensor | slice, columns: Tensor | slice = slice(None)
) -> nn.Linear:
    """Some of what it says, of some of what it hears."""
    weight = linear.weight.detach()[rows][:, columns].clone()
    bias = cast("Tensor | None", linear.bias)
    part = nn.Linear(weight.shape[1], len(weight), bias is not None)
    part.weight = nn.Parameter(weight, linear.weight.requires_grad)
    if bias is not None:
        part.bias = nn.Parameter(bias.detach()[rows].clone(), bias.requires_grad)
    return part


def _gated(attend: Attend, gate: Callable[[Tensor], Gates]) -> Attend:
    """What is heard, times a gate that is told the queries."""

    def hear(q_BHLK: Tensor, *asked: Any, **options: Any) -> Any:
        heard, by = attend(q_BHLK, *asked, **options), gate(q_BHLK)[..., None, None]
        # Somebody else may want the maps as well.
        return (heard[0] * by, heard[1]) if isinstance(heard, tuple) else heard * by

    return hear


@contextmanager
def _replaced(
    layers: Iterable[Listener], by: Callable[[Listener, Attend], Attend]
) -> Generator[None]:
    """What layers hear by, replaced by something made of it; put back whatever happens."""
    before = {layer: layer.attend for layer in layers}
    try:
        for layer, attend in before.items():
            layer.attend = by(layer, attend)
        yield
    finally:
        for layer, attend in before.items():
            layer.attend = attend
