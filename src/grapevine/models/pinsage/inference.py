"""All vectors, layer by layer: nothing that two items share is computed twice (section 3.4)."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float32, Int64
from torch import Tensor

from grapevine.encoders.fusion import gather
from grapevine.models.pinsage.alike import CONTENT
from grapevine.models.pinsage.network import Network, hear
from grapevine.structs.features import Features
from grapevine.structs.neighbour_table import NeighbourTable

BLOCK = 4096
"""Items whose neighbours are gathered at once."""

# I = items, D = width, K = layers, M = hidden width


@dataclass(frozen=True, slots=True)
class Embedded:
    """What comes of all items.

    Attributes:
        items: `(I, D)` vectors.
        said: `(K, I, M)` what each item says to those who listen, in each layer.
        convolved: rows that went through a convolution, all layers together.
    """

    items: Float32[np.ndarray, "items width"]
    said: Float32[np.ndarray, "layers items hidden"]
    convolved: int


@torch.no_grad()
def embed(
    network: Network,
    features: Features,
    table: NeighbourTable,
    rows: Int64[np.ndarray, " items"],
    said_before: Float32[np.ndarray, "layers known hidden"] | None = None,
    *,
    block: int = BLOCK,
) -> Embedded:
    """The vectors of these items, each layer of all before the next of any.

    Args:
        network: what training left.
        features: of the items.
        table: whom they listen to: rows of those said before, then these items.
        rows: the item of training that each is; -1 for one that training did not meet.
        said_before: what other items say, in each layer; none if not given.
        block: items at once; memory is bounded by it, and the result does not depend on it.
    """
    network.eval()
    blocks = [slice(at, min(at + block, len(rows))) for at in range(0, len(rows), block)]
    known = torch.from_numpy(rows)
    nodes, weights = torch.from_numpy(table.nodes), torch.from_numpy(table.weights)
    h_ID = torch.empty(len(rows), network.config.width)
    for part in blocks:
        given = gather(features, np.arange(part.start, part.stop))
        h_ID[part] = network.start(given, known[part])
    start_ID = h_ID.clone() if network.skips else h_ID
    hidden = network.said_width
    if said_before is None:
        said_before = np.empty((len(network.layers), 0, hidden), np.float32)
    said: list[Tensor] = []
    convolved = 0
    for before, convolve in zip(said_before, network.layers):
        said_IM = torch.empty(len(before) + len(rows), hidden)
        said_IM[: len(before)] = torch.from_numpy(before)
        for part in blocks:
            said_IM[len(before) + part.start : len(before) + part.stop] = convolve.message(
                h_ID[part]
            )
        for part in blocks:
            heard = hear(convolve, said_IM, h_ID[part], nodes[part], weights[part])
            h_ID[part] = convolve.update(h_ID[part], heard)
            convolved += len(heard)
        said.append(said_IM[len(before) :])
    z_ID = torch.empty(len(rows), network.out_width)
    for part in blocks:
        told = gather(features, np.arange(part.start, part.stop), kinds=(f"vector.{CONTENT}",))
        content = network.content(told, part.stop - part.start)
        z_ID[part] = network.finish(h_ID[part], start_ID[part], content)
    empty = torch.empty(0, len(rows), hidden)
    return Embedded(
        items=z_ID.numpy(),
        said=(torch.stack(said) if said else empty).numpy(),
        convolved=convolved,
    )
