"""Along the edges of a sparse pattern: time and memory go with the number of edges.

Compiled lists on the processor, which hold one number an edge and head; a table of senders
anywhere, which holds one key and one value an edge and head.

B = sequences, H = heads, L = queries, S = keys, E = edges, T = most senders of one query
"""

from functools import lru_cache

import torch
from torch import Tensor
from torch.nn.functional import silu

from grapevine.core.edges import Edges
from grapevine.core.edgewise import dot_products, softmax, weighted_sum
from grapevine.core.patterns import Pattern
from grapevine.core.patterns.base import tabled
from grapevine.core.routes.ask import Ask
from grapevine.core.routes.dense import left_out, softmax_or_nothing
from grapevine.structs.jagged import Jagged


def lists_of(pattern: Pattern, queries: int, keys: int) -> Jagged:
    """The senders of each query."""
    first = int(pattern.places(queries, keys)[0]) if queries else 0
    lists = pattern.senders(max(first + queries, keys)).slice(first, first + queries)
    return lists.where(lists.values < keys)


@lru_cache(maxsize=16)
def edges_of(pattern: Pattern, queries: int, keys: int) -> Edges:
    """The same as edges both ways; kept, since every layer and step asks for them."""
    return Edges.from_lists(lists_of(pattern, queries, keys), keys)


def along_edges(ask: Ask) -> Tensor:
    """What is heard, by compiled loops over the edges."""
    edges = edges_of(ask.pattern, ask.queries, ask.keys)
    q, k, v = (_places_first(x) for x in (ask.q, ask.k, ask.v))
    logits_EG = dot_products(edges, q, k) * ask.scale
    receivers = ask.grids()[0][:, 0][torch.as_tensor(edges.receivers)]
    senders = torch.as_tensor(edges.senders).long()
    bias = ask.added(receivers, senders)
    if bias is not None:
        logits_EG = logits_EG + _edges_first(ask, bias)
    there = None if ask.there is None else _edges_first(ask, ask.there[:, None, senders])
    if ask.merge == "silu":
        weights_EG = silu(logits_EG)
    else:
        # Of a receiver none of whose senders is there all are alike, and then they weigh nothing.
        least = torch.finfo(logits_EG.dtype).min
        logits_EG = logits_EG if there is None else logits_EG.masked_fill(~there, least)
        weights_EG = softmax(edges, logits_EG.clamp_min(least))
    weights_EG = weights_EG if there is None else weights_EG.masked_fill(~there, 0.0)
    out_LGV = weighted_sum(edges, left_out(weights_EG, ask.dropout), v)
    return (
        out_LGV.view(ask.queries, *ask.q.shape[:2], ask.v.shape[-1]).movedim(0, 2).to(ask.q.dtype)
    )


def _places_first(x_BHLK: Tensor) -> Tensor:
    """`(L, B H, K)`, of a kind that compiled loops know."""
    x = x_BHLK.flatten(0, 1).transpose(0, 1)
    return x if x.dtype == torch.float64 else x.float()


def _edges_first(ask: Ask, numbers: Tensor) -> Tensor:
    """`(E, B H)` of numbers that broadcast to `(B, H, E)`."""
    return numbers.expand(*ask.q.shape[:2], numbers.shape[-1]).flatten(0, 1).T


@lru_cache(maxsize=16)
def table_of(pattern: Pattern, queries: int, keys: int) -> Tensor:
    """The senders of each query, `(L, T)`; -1 where there are fewer."""
    return tabled(lists_of(pattern, queries, keys))


def gathered(ask: Ask) -> Tensor:
    """What is heard, each query beside copies of its senders."""
    table_LT = table_of(ask.pattern, ask.queries, ask.keys).to(ask.q.device)
    known, senders = table_LT >= 0, table_LT.clamp_min(0)
    logits = torch.einsum("bhlk,bhltk->bhlt", ask.q, ask.k[:, :, senders]) * ask.scale
    receivers = ask.grids()[0]
    bias = ask.added(receivers, senders)
    logits = logits if bias is None else logits + bias
    mask = known if ask.there is None else known & ask.there[:, None, senders]
    if ask.merge == "silu":
        weights = silu(logits).masked_fill(~mask, 0.0)
    else:
        weights = softmax_or_nothing(logits, mask.expand_as(logits))
    return torch.einsum("bhlt,bhltv->bhlv", left_out(weights, ask.dropout), ask.v[:, :, senders])
