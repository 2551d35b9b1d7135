"""A validation out of the training part of a split that has none."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import UInt8

from grapevine.data.dataset import TRAIN, VALIDATION, Dataset
from grapevine.data.split.materialise import owners_of, per_user
from grapevine.errors import ConfigError
from grapevine.random import stream


def validated(
    data: Dataset, labels: UInt8[np.ndarray, " events"], settings: Mapping[str, Any]
) -> UInt8[np.ndarray, " events"]:
    """The same labels, with one training target of some users for validation.

    Users are drawn of those with two training targets or more. Of such a user the last item that
    was taken for the first time is asked for, or with "keep" the last, and what came after it is
    known when the test is asked; where the order of events says nothing, one is drawn. With "unmet"
    all that the user did with that item goes with it.

    Args:
        data: all events.
        labels: of each.
        settings: `validation_users`, `seed` of the draw, and `repeats`.

    Raises:
        ConfigError: there is a validation already, or nobody is left to ask.
    """
    events, target = data.interactions, data.schema.target_row
    if (labels == VALIDATION).any():
        raise ConfigError(
            f"{data.name}: its split has a validation already", hint="leave validation_users out"
        )
    candidates = (labels == TRAIN) & (events.behaviours == target)
    if settings["repeats"] != "keep":
        place = np.flatnonzero(candidates)
        pair = events.users[place] * np.int64(max(events.num_items, 1)) + events.items[place]
        candidates[:] = False
        candidates[place[np.unique(pair, return_index=True)[1]]] = True
    able = np.flatnonzero(per_user(events.offsets, candidates) > 1)
    if not len(able) or settings["validation_users"] < 1:
        raise ConfigError(
            f"{data.name}: {len(able):,} users have two training events of `{data.schema.target}`",
            hint="leave validation_users out, or ask for 1 user or more",
        )
    draw = stream(settings["seed"], "validation of the published")
    wanted = np.zeros(events.num_users, np.bool_)
    wanted[draw.permutation(able)[: settings["validation_users"]]] = True
    place = np.flatnonzero(candidates)
    place = place[wanted[owners_of(events, place)]]
    owner = owners_of(events, place)
    ordered = data.schema.clock != "none"
    turn = np.arange(len(place)) if ordered else draw.random(len(place))
    order = np.lexsort((turn, owner))
    chosen = place[order[np.flatnonzero(np.diff(owner[order], append=-1))]]
    found, train = labels.copy(), labels == TRAIN
    found[chosen] = VALIDATION
    asked_of = np.full(events.num_users, -1, np.int64)
    asked_of[owners_of(events, chosen)] = chosen
    mine = asked_of[events.users]
    if ordered:
        found[train & (mine >= 0) & (np.arange(len(events)) > mine)] = VALIDATION
    # What else the user did with it; where nothing is before or after, to have it again as well.
    alike = np.full(len(events), settings["repeats"] == "unmet")
    if not ordered:
        alike |= events.behaviours == target
    same = alike & (events.items == events.items[np.maximum(mine, 0)])
    found[train & (mine >= 0) & same] = VALIDATION
    return found
