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

SPLITS = {"beauty": "leave-last-out-sampled"}
"""Of which the authors' codes learn from all but the last event of nearly all users."""

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


MEASURED: dict[str, tuple[float, dict[str, float]]] = {
    "beauty-sasrec": (34, {"ndcg@10": 0.0362, "hr@10": 0.0582}),
    "beauty-best": (34, {"ndcg@10": 0.0404, "hr@10": 0.0630}),
    "s3rec-beauty-sasrec": (4, {"ndcg@10": 0.0503, "hr@10": 0.0826}),
    "s3rec-beauty-best": (5, {"ndcg@10": 0.0569, "hr@10": 0.0944}),
    "s3rec-toys-sasrec": (4, {"ndcg@10": 0.0529, "hr@10": 0.0857}),
    "s3rec-toys-best": (4, {"ndcg@10": 0.0662, "hr@10": 0.1048}),
    "s3rec-sports-sasrec": (6, {"ndcg@10": 0.0250, "hr@10": 0.0446}),
    "s3rec-sports-best": (8, {"ndcg@10": 0.0338, "hr@10": 0.0594}),
}
"""Minutes of one training and scores of three seeds: benchmarks/results/sequences.md."""


def _measured(name: str) -> dict[str, Any]:
    if name not in MEASURED:
        return {}
    minutes, score = MEASURED[name]
    return {"minutes": minutes, "score": score}


AMAZON = {
    f"{name}-sasrec": Recipe(
        about="SASRec with what the field has learnt since, on short histories",
        data=data,
        split_by=SPLITS.get(name, "leave-last-out"),
        config=SASRec.Config(**QUICK),
        **_measured(f"{name}-sasrec"),
    )
    for name, data in DATA.items()
} | {
    f"{name}-best": Recipe(
        about="the same, and what counts steps and pairs of items, asked together",
        data=data,
        split_by=SPLITS.get(name, "leave-last-out"),
        config=_together(name),
        **_measured(f"{name}-best"),
    )
    for name, data in DATA.items()
}
