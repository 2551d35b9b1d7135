"""Where the biases of items start, so that a network without a history answers with popularity.

A loss that says yes to one item and no to hundreds first has to learn that almost all is no. A
network without a bias learns it by all its places holding the same, and is stuck for long where
every history gets what is popular. Detectors of rare objects start where the rare is rare for that
reason (Lin et al., Focal loss for dense object detection, ICCV 2017, section 4.1).
"""

import numpy as np
from jaxtyping import Float32, Int64

from grapevine.core.over_all import gbce_power
from grapevine.models.sequence.config import Config

UNSEEN = 0.5
"""Events that are added to those of each item."""


def starting_bias(
    config: Config, counts: Int64[np.ndarray, " items"]
) -> Float32[np.ndarray, " items"]:
    """The scores that are best for a loss where nothing is known but how often items were met.

    With P an item's share of the events: log P, the best of a softmax and of "bpr"; and for those
    that draw a = k / (I - 1) of the items for each answer, log (b P) / (a (1 - P)) with b the power
    of "gbce" or 1 (Petrov and Macdonald, RecSys 2023, section 4.2). A sampled softmax has log P
    where it makes up for how items were drawn.

    Args:
        config: the options.
        counts: `(I,)` events of each item.
    """
    shares = (counts + UNSEEN) / (counts + UNSEEN).sum()
    if config.loss not in {"bce", "gbce"}:
        return np.log(shares).astype(np.float32)
    calibration = config.calibration if config.loss == "gbce" else 0.0
    power = gbce_power(config.negatives, len(counts), calibration)
    drawn = config.negatives / max(len(counts) - 1, 1)
    others = np.maximum(1 - shares, UNSEEN / max(len(counts), 1))
    return np.log(power * shares / (drawn * others)).astype(np.float32)
