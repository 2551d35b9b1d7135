"""Reviews at Amazon as the papers on sequences take them: short histories, many items."""

from typing import Any

from grapevine.models.sequence import SASRec
from grapevine.recipes.recipe import Recipe

QUICK: dict[str, Any] = {"batch": 64, "learning_rate": 0.002, "average": 0.998}
"""As on MovieLens: a position costs the same in any batch, and more steps learn more."""

AMAZON = {
    f"{name}-sasrec": Recipe(
        about="SASRec with what the field has learnt since, on short histories",
        data=data,
        config=SASRec.Config(length=50, dropout=0.5, **QUICK),
    )
    for name, data in {
        "beauty": "bert4rec-beauty",
        "s3rec-beauty": "s3rec-beauty",
        "s3rec-toys": "s3rec-toys",
        "s3rec-sports": "s3rec-sports",
    }.items()
}
