"""Logs that say what was done and not when: each user's events in a drawn order, one drawn last.

Nothing follows anything there, so nothing can be learnt from what came next. But each event can be
asked for from all others of its user, as it will be when something is held out.
"""

from dataclasses import replace

import numpy as np
from jaxtyping import Int64

from grapevine.data.interactions import Interactions

OF_TARGET = 0.7
"""Share of the users who are asked for one of the target, where other behaviours are learnt too."""


def reordered(
    events: Interactions, target: int, share: float, draw: np.random.Generator
) -> tuple[Interactions, Int64[np.ndarray, " events"]]:
    """The same events in another order, and which each of them was.

    Args:
        events: those of all users.
        target: the behaviour that is asked for the most.
        share: of the users who have some of it, how many are asked for one of these.
        draw: of the order.
    """
    users = events.users
    turn = draw.random(len(events))
    asks = draw.random(events.num_users) < share
    # The last of each user is one of the target's, or any.
    late = np.where((events.behaviours == target) & asks[users], turn + 1, turn)
    order = np.lexsort((late, users))
    last = order[events.offsets[1:][np.diff(events.offsets) > 0] - 1]
    turn[last] = 2
    order = np.lexsort((turn, users))
    values = None if events.values is None else events.values[order]
    moved = replace(
        events,
        items=events.items[order],
        behaviours=events.behaviours[order],
        times=events.times[order],
        values=values,
    )
    return moved, order
