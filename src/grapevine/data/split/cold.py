"""Hold whole items out: what a system makes of items that nobody has met."""

from typing import Any

import numpy as np

from grapevine.data.dataset import TEST, TRAIN, UNUSED, VALIDATION, Dataset
from grapevine.data.split.materialise import COLD_ITEMS, Split, apply
from grapevine.errors import ConfigError, DataError
from grapevine.random import stream


def cold_items(
    data: Dataset,
    *,
    share: float = 0.1,
    validation_share: float = 0.1,
    seed: int = 0,
    repeats: str = "drop",
) -> Split:
    """Some items are held out whole: training has no event of theirs, of any behaviour.

    Of the items with a target event a share is drawn for the test and another for the validation,
    each item as likely as any other. Their target events are the questions of their part, asked
    with what the user did with the items that are left; their other events are in no part. The
    catalogue still lists them, so that models know what they are and that nobody met them; their
    counts and degrees are zero.

    The question is "which of these new items?" and not "what next?": it is asked after all of the
    user's training events, of whatever time. Figures are not to be compared with those of a split
    by time. Who only ever took items that are held out is asked with an empty history.

    Args:
        data: all events, and a catalogue that tells items apart by more than their events.
        share: of the items with a target event, for the test; at least one item.
        validation_share: likewise; 0 leaves the validation out.
        seed: of the draw.
        repeats: "drop" asks for an item once, as everywhere; "keep" makes no difference here, for
            nobody has an item that is held out.

    Raises:
        DataError: the items were only gathered from the events, or there are too few.
        ConfigError: the shares leave nothing to learn from.
    """
    if not data.schema.catalogue:
        raise DataError(
            f"{data.name}: its items are known from the events alone, so that nothing would be "
            "known of those without one",
            hint="import it with --items; where events carry texts, "
            "`grapevine.data.reviews.with_reviews_as_text` describes items by some of them",
        )
    if not (0 < share < 1 and 0 <= validation_share < 1 and share + validation_share < 1):
        raise ConfigError(
            f"shares of items of {share:g} and {validation_share:g} leave nothing to learn from",
            hint="leave them out for a tenth each",
        )
    events = data.interactions
    asked = np.unique(events.items[events.behaviours == data.schema.target_row])
    if len(asked) < 2:
        raise DataError(
            f"{data.name}: {len(asked)} items have a `{data.schema.target}`, and one must be held "
            "out and one learnt from"
        )
    drawn = stream(seed, "cold-items").permutation(asked)
    tests = min(max(round(share * len(asked)), 1), len(asked) - 1)
    both = min(tests + round(validation_share * len(asked)), len(asked) - 1)
    part = np.full(events.num_items, TRAIN, np.uint8)
    part[drawn[:tests]] = TEST
    part[drawn[tests:both]] = VALIDATION
    labels = part[events.items]
    labels[(labels != TRAIN) & (events.behaviours != data.schema.target_row)] = UNUSED
    settings: dict[str, Any] = {
        "by": COLD_ITEMS,
        "share": share,
        "validation_share": validation_share,
        "seed": seed,
        "repeats": repeats,
    }
    return apply(data, labels, settings)
