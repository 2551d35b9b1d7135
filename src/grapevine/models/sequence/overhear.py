"""Who heard whom in a history, layer by layer and head by head.

L = places: events, and what stands between or after them
"""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float32, Int64

from grapevine.core.heads import attention_maps, listeners
from grapevine.data.interactions import Interactions
from grapevine.models.sequence.network import Network
from grapevine.models.sequence.reading import seen_by


@dataclass(frozen=True, slots=True)
class Overheard:
    """The maps of attention of one history.

    Attributes:
        items: row of the item at each place, the first event first; -1 where there is none: at a
            mask that asks, or a return.
        maps: `[layer, head, i, j]` is how much of place j place i heard; a row sums to one, but
            with "hstu", whose numbers may be below 0 and sum to anything.
    """

    items: Int64[np.ndarray, " places"]
    maps: Float32[np.ndarray, "layers heads places places"]

    def last(self) -> dict[int, float]:
        """Of all that the last state heard of items, the share of each item.

        Through all layers, by attention rollout (Abnar and Zuidema, ACL 2020, arXiv:2005.00928):
        heads count alike, and half of what a place holds is its own from before. It tells where
        the state came from, not what spoke for an answer: that is `models.evidence`.
        """
        heard = np.abs(self.maps).mean(1)
        heard /= np.maximum(heard.sum(-1, keepdims=True), 1e-12)
        share = np.zeros(len(self.items))
        share[-1] = 1
        for layer in heard[::-1]:
            share = (share + share @ layer) / 2
        known = self.items >= 0
        whole = float(share[known].sum())
        found = dict.fromkeys(self.items[known].tolist(), 0.0)
        for item, part in zip(self.items[known].tolist(), share[known].tolist()):
            found[item] += part / whole if whole else 0.0
        return found


def overhear(
    network: Network, events: Interactions, asked_at: Int64[np.ndarray, " one"]
) -> Overheard | None:
    """Read one history with all maps kept; None where no layer attends.

    Args:
        network: what training left.
        events: of the history alone, which is not empty.
        asked_at: when it is asked, in milliseconds.
    """
    if not listeners(network):
        return None
    seen, _ = seen_by(network, events, np.zeros(1, np.int64), asked_at)
    with torch.no_grad(), attention_maps(network) as maps:
        network(seen)
    items = seen.items.masked_fill(seen.items >= network.num_items, -1)[0].numpy()
    if network.returns is not None:
        items = np.column_stack([items, np.full(len(items), -1)]).ravel()
    return Overheard(items, torch.cat(maps).float().numpy())
