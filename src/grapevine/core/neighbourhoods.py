"""Who listens to whom."""

import torch
from jaxtyping import Int64
from torch import Tensor

from grapevine.structs.graph import Graph


def causal(length: int) -> Graph:
    """Each place of a sequence hears itself and all before it."""
    receivers, senders = torch.tril_indices(length, length)
    return Graph(senders, receivers, length)


def complete(length: int) -> Graph:
    """Everyone hears everyone."""
    receivers, senders = torch.ones(length, length).nonzero().unbind(1)
    return Graph(senders, receivers, length)


def bipartite(
    users: Int64[Tensor, " events"], items: Int64[Tensor, " events"], num_users: int, num_items: int
) -> Graph:
    """Users hear their items and items their users; item i is node `num_users + i`."""
    places = items + num_users
    return Graph(torch.cat([places, users]), torch.cat([users, places]), num_users + num_items)
