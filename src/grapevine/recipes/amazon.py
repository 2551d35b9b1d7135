"""Reviews at Amazon as the papers on sequences take them: short histories, many items."""

from typing import Any

from grapevine.models.blend import Blend
from grapevine.models.sequence import SASRec
from grapevine.recipes.recipe import Recipe

QUICK: dict[str, Any] = {
    "length": 50, "width": 128, "blocks": 1, "cosine": True, "dropout": 0.3, "batch": 64,
    "learning_rate": 0.002, "average": 0.998, "patience": 4,
}  # fmt: skip
"""Most of these items have been met five times. Vectors of length one keep popular ones from
standing above all others, and one layer hears what there is to hear; found on the validation
questions of `s3rec-beauty`."""

DATA = {
    "beauty": "bert4rec-beauty",
    "s3rec-beauty": "s3rec-beauty",
    "s3rec-toys": "s3rec-toys",
    "s3rec-sports": "s3rec-sports",
}

BESIDE = {"beauty": ("item-knn", 0.1)}
"""What counts pairs of items, and how much it says: `ease`, but where its matrix of all pairs would
not fit."""


def _together(name: str) -> Blend.Config:
    """SASRec with what counts steps and what counts pairs."""
    settings = [f"sasrec.{option}={str(value).lower()}" for option, value in QUICK.items()]
    beside, weight = BESIDE.get(name, ("ease", 0.2))
    return Blend.Config(
        parts=("sasrec", "markov", beside),
        weights=(1.0, 0.05, weight),
        settings=tuple(settings),
    )


AMAZON = {
    f"{name}-sasrec": Recipe(
        about="SASRec with what the field has learnt since, on short histories",
        data=data,
        config=SASRec.Config(**QUICK),
    )
    for name, data in DATA.items()
} | {
    f"{name}-best": Recipe(
        about="the same, and what counts steps and pairs of items, asked together",
        data=data,
        config=_together(name),
    )
    for name, data in DATA.items()
}
