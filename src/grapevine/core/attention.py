"""Attention: each place takes a weighted sum of what the places hold that it hears.

`attend` picks the route, and nothing else does:

| asked for | route |
| --- | --- |
| the maps of attention | `matrix` |
| several sequences end to end | `packed` |
| a reach that is short beside the length | `band` |
| a sparse pattern of which few pairs are edges | `edges`, compiled; `table` on another device |
| more pairs than memory should hold, where the fused kernel would write them out | `chunked` |
| a merge without softmax, in float32 on a processor | `bent`, compiled |
| dropout on a processor, but in bfloat16 of 32 to 512 keys, or a merge without softmax | `matrix` |
| all else | `fused`: torch's own, or ours for short histories in bfloat16 |

The first line that holds decides. Each route equals `core.propagate` with `dot_product` weights
over the edges of the pattern, and so do its gradients. `routes` tells how each works.

B = sequences, H = heads, L = queries, S = keys
"""

from collections.abc import Callable
from typing import Literal, overload

from jaxtyping import Bool
from torch import Tensor

from grapevine.core.patterns import Packed, Pattern
from grapevine.core.routes.along import along_edges, edges_of, gathered
from grapevine.core.routes.ask import Ask, Bias, Keys, Merge, Places, Queries, Values
from grapevine.core.routes.band import band, block_of
from grapevine.core.routes.chunked import chunked
from grapevine.core.routes.dense import (
    bent,
    fused,
    is_plainly_bent,
    is_plainly_causal,
    matrix,
    weighed_serves,
)
from grapevine.core.routes.flex import flex
from grapevine.core.routes.packed import packed

Route = Literal["fused", "matrix", "bent", "band", "edges", "table", "chunked", "flex", "packed"]
PAIRS = 2**26
"""Weights that are written out before memory is spared."""
EDGES = 8
"""An edge taken alone costs as much as so many pairs of a product of matrices."""
SHORT = 128
"""Up to so many queries or keys the product is done before anything cleverer has begun."""


@overload
def attend(
    q_BHLK: Queries,
    k_BHSK: Keys,
    v_BHSV: Values,
    pattern: Pattern,
    *,
    there: Bool[Tensor, "batch keys"] | None = None,
    bias: Bias | Places | None = None,
    dropout: float = 0.0,
    scale: float | None = None,
    merge: Merge = "softmax",
    weights: Literal[False] = False,
    route: Route | None = None,
) -> Tensor: ...
@overload
def attend(
    q_BHLK: Queries,
    k_BHSK: Keys,
    v_BHSV: Values,
    pattern: Pattern,
    *,
    there: Bool[Tensor, "batch keys"] | None = None,
    bias: Bias | Places | None = None,
    dropout: float = 0.0,
    scale: float | None = None,
    merge: Merge = "softmax",
    weights: Literal[True],
    route: Route | None = None,
) -> tuple[Tensor, Tensor]: ...
def attend(
    q_BHLK: Queries,
    k_BHSK: Keys,
    v_BHSV: Values,
    pattern: Pattern,
    *,
    there: Bool[Tensor, "batch keys"] | None = None,
    bias: Bias | Places | None = None,
    dropout: float = 0.0,
    scale: float | None = None,
    merge: Merge = "softmax",
    weights: bool = False,
    route: Route | None = None,
) -> Tensor | tuple[Tensor, Tensor]:
    """What each query hears; 0 where it hears nobody.

    Args:
        q_BHLK: what the receivers ask. With fewer queries than keys they stand at the last places.
        k_BHSK: what the senders are asked for.
        v_BHSV: what the senders say.
        pattern: who listens to whom.
        there: which keys exist; padding is heard by nobody.
        bias: added to the products, as numbers or as a rule about places.
        dropout: share of the weights that are left out at random; the rest makes up for it.
        scale: what products are multiplied by, 1 / sqrt(K) if None.
        merge: what becomes of the products of a receiver; "silu" adds up, and the caller divides.
        weights: return the attention maps `(B, H, L, S)` too, as they were before dropout.
        route: one by name, for tests and measurements; None takes the fastest that serves.
    """
    factor: float = q_BHLK.shape[-1] ** -0.5 if scale is None else scale
    ask = Ask(q_BHLK, k_BHSK, v_BHSV, pattern, there, bias, dropout, factor, merge)
    if weights:
        return matrix(ask)
    return ROUTES[route or _fastest(ask)](ask)


ROUTES: dict[Route, Callable[[Ask], Tensor]] = {
    "fused": fused,
    "matrix": lambda ask: matrix(ask)[0],
    "bent": bent,
    "band": band,
    "edges": along_edges,
    "table": gathered,
    "chunked": chunked,
    "flex": flex,
    "packed": lambda ask: packed(ask, attend),
}


def _fastest(ask: Ask) -> Route:
    pattern, square = ask.pattern, ask.queries == ask.keys
    if is_plainly_causal(ask) and not ask.dropout:
        return "fused"
    if isinstance(pattern, Packed) and square and len(ask.q) == 1:
        return "packed"
    if min(ask.queries, ask.keys) > SHORT:
        if square and _reaches_little(pattern, ask.keys):
            return "band"
        if pattern.sparse() and _has_few_edges(ask):
            return "edges" if ask.q.device.type == "cpu" else "table"
    if is_plainly_bent(ask):
        return "bent"
    # With dropout torch's own writes all weights out as well, and draws on one thread.
    drawn = ask.dropout > 0 and not (ask.merge == "softmax" and weighed_serves(ask))
    written_out = drawn or not isinstance(ask.bias, Tensor | None) or ask.merge == "silu"
    if written_out and ask.pairs > PAIRS:
        return "chunked"
    by_hand = ask.merge == "silu" or (drawn and ask.q.device.type == "cpu")
    return "matrix" if by_hand else "fused"


def _reaches_little(pattern: Pattern, length: int) -> bool:
    reach = pattern.reach()
    return reach is not None and 2 * (block_of(reach) + sum(reach)) <= length


def _has_few_edges(ask: Ask) -> bool:
    edges = edges_of(ask.pattern, ask.queries, ask.keys)
    return EDGES * len(edges.senders) <= ask.queries * ask.keys
