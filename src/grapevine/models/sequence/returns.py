"""What is still to come of a history, told to the network beside what was (Decision Transformer).

The return-to-go of a place is the sum of the rewards of all events after it. In training it is
known; when asked, it is what is wished for. The reward of an event is one of two:

- "values": its rating, quantity or watch time less the mean of training, so that a long history
  does not look good for being long. What has no value has a reward of 0.
- "behaviours": from 0 for the first behaviour of the cascade to 1 for the last.

B = histories, L = places, E = events
"""

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor, nn

from grapevine.data.interactions import Interactions
from grapevine.models.sequence.config import Rewards

WISHED = 0.9
"""The return that is wished for: this quantile of those in training."""


class Returns(nn.Module):
    """Returns-to-go as what a place holds: one number, stretched over the width.

    What was learnt of the rewards stands in buffers, so that it is kept with the weights.

    Args:
        width: D.
    """

    wished: Tensor
    spread: Tensor
    worth: Tensor

    def __init__(self, width: int) -> None:
        super().__init__()
        self.stretch = nn.Linear(1, width)
        self.register_buffer("wished", torch.zeros(1))
        self.register_buffer("spread", torch.ones(1))
        # Of each behaviour by its row: as many as a row can name.
        self.register_buffer("worth", torch.zeros(256))

    def forward(self, returns: Float[Tensor, "batch places"]) -> Float[Tensor, "batch places D"]:
        """One token for each place."""
        return self.stretch((returns / self.spread)[:, :, None])

    def learn(
        self, events: Interactions, rewards: Rewards, behaviours: int
    ) -> Float32[np.ndarray, " events"]:
        """What events are worth and what may be wished for; the return-to-go after each event.

        Args:
            events: of training.
            rewards: which of the two.
            behaviours: how many there are.
        """
        values = events.values if rewards == "values" else None
        known = np.zeros(len(events), np.bool_) if values is None else ~np.isnan(values)
        if values is not None and known.any():
            gained = np.where(known, values - values[known].mean(dtype=np.float64), 0.0)
        else:
            steps = np.linspace(0.0, 1.0, behaviours) if behaviours > 1 else np.ones(1)
            self.worth[:behaviours] = torch.from_numpy(steps.astype(np.float32))
            gained = steps[events.behaviours]
        to_go = after_each(events, gained)
        asked = np.ones(len(events), np.bool_)
        asked[events.offsets[1:][np.diff(events.offsets) > 0] - 1] = False
        if asked.any():
            self.wished[0] = float(np.quantile(to_go[asked], WISHED))
            self.spread[0] = float(to_go[asked].std()) or 1.0
        return to_go

    def wish(self, events: Interactions) -> Float32[np.ndarray, " events"]:
        """The return-to-go after each event, if what follows the last shall be as wished.

        What was gained since is part of it: the less is left, the later the event.
        """
        gained = self.worth.numpy()[events.behaviours]
        return after_each(events, gained) + self.wished.numpy()


def after_each(
    events: Interactions, gained: Float[np.ndarray, " events"]
) -> Float32[np.ndarray, " events"]:
    """The sum of what all later events of the same history gain."""
    sums = np.concatenate([[0.0], np.cumsum(gained, dtype=np.float64)])
    ends = np.repeat(sums[events.offsets[1:]], np.diff(events.offsets))
    return (ends - sums[1:]).astype(np.float32)
