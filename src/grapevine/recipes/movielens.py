"""MovieLens 1M as the papers on sequences take it: films with five ratings or more."""

import json
from typing import Any

from grapevine.models.blend import Blend
from grapevine.models.sequence import HSTU, BERT4Rec, GRU4Rec, GSASRec, SASRec
from grapevine.recipes.recipe import Recipe

DATA = "ml-1m-5core"
SPLIT = "leave-last-out-sampled"
"""As the authors' codes: what is not asked of a user is learnt from."""

QUICK: dict[str, Any] = {"batch": 64, "learning_rate": 0.003, "average": 0.998, "patience": 20}
"""Small batches and long steps learn in half the time; the mean of the steps makes up for their
noise."""
OF_SASREC: dict[str, Any] = {"scaled": True, "gap_input": True}
"""Items that are multiplied by the root of their width move in larger steps: a Transformer is where
it would be otherwise in half the epochs. And how long after the film before a film was rated tells
one evening from the next."""
OF_BERT4REC: dict[str, Any] = {
    "norm": "pre", "scaled": True, "head": False, "prior": True, "masked": 0.4,
    "gap_input": True, "weight_decay": 0.0, "decay": "constant", "clip": 1.0,
}  # fmt: skip
"""Its authors' code takes 400,000 steps, 4,000 epochs of so many: it is at popularity for long."""
BRIEF: dict[str, Any] = {"patience": 3}
"""All that a user will rate from a moment on is asked: who learns the next event alone is at its
best for that after an epoch."""

MOVIELENS = {
    "ml-1m-sasrec-paper": Recipe(
        about="SASRec as published: one item drawn for each answer, yes and no",
        data=DATA,
        split_by=SPLIT,
        config=SASRec.Config.paper(),
        minutes=48,
        score={"ndcg@10": 0.1326, "hr@10": 0.2482},
    ),
    "ml-1m-bert4rec": Recipe(
        about="BERT4Rec with what the field has learnt since, two fifths of the events masked",
        data=DATA,
        split_by=SPLIT,
        config=BERT4Rec.Config(**QUICK, **OF_BERT4REC),
        minutes=27,
        score={"ndcg@10": 0.1597, "hr@10": 0.2901},
    ),
    "ml-1m-gsasrec": Recipe(
        about="gSASRec: 256 items drawn, made up for how few they are, from popularity on",
        data=DATA,
        split_by=SPLIT,
        config=GSASRec.Config(**QUICK, **OF_SASREC),
        minutes=38,
        score={"ndcg@10": 0.1919, "hr@10": 0.3245},
    ),
    "ml-1m-gru4rec": Recipe(
        about="a GRU with the share among all items for a loss",
        data=DATA,
        split_by=SPLIT,
        config=GRU4Rec.Config(**QUICK),
        minutes=58,
        score={"ndcg@10": 0.1756, "hr@10": 0.3020},
    ),
    "ml-1m-hstu": Recipe(
        about="HSTU, small: who hears whom by order and by time",
        data=DATA,
        split_by=SPLIT,
        config=HSTU.Config(**QUICK),
        minutes=32,
        score={"ndcg@10": 0.1751, "hr@10": 0.3054},
    ),
    "ml-1m-sasrec": Recipe(
        about="SASRec with what the field has learnt since",
        data=DATA,
        split_by=SPLIT,
        config=SASRec.Config(**QUICK, **OF_SASREC),
        minutes=22,
        score={"ndcg@10": 0.1871, "hr@10": 0.3211},
    ),
    "ml-1m-esasrec": Recipe(
        about="eSASRec: gates of LiGR around each layer, and a softmax over items drawn",
        data=DATA,
        split_by=SPLIT,
        config=SASRec.Config(
            **QUICK,
            **OF_SASREC,
            gated=True,
            activation="swiglu",
            loss="sampled-softmax",
            drawn="mixed",
            negatives=1024,
        ),
        minutes=28,
        score={"ndcg@10": 0.1771, "hr@10": 0.3099},
    ),
    "ml-1m-best": Recipe(
        about="a Transformer and HSTU, and what counts pairs and steps, asked together",
        data=DATA,
        split_by=SPLIT,
        config=Blend.Config(
            parts=("sasrec", "hstu", "ease", "markov"),
            # Found on the validation questions; whose scores stand alone need little weight.
            weights=(1.0, 1.0, 0.2, 0.08),
            settings=tuple(
                f"{part}.{option}={json.dumps(value)}"
                for part, options in (("sasrec", QUICK | OF_SASREC), ("hstu", QUICK))
                for option, value in options.items()
            ),
        ),
        minutes=54,
        score={"ndcg@10": 0.1983, "hr@10": 0.3389},
    ),
    "ml-1m-sasrec-time": Recipe(
        about="the same where all is asked after a moment, and nothing after it is learnt from",
        data=DATA,
        split_by="time",
        config=SASRec.Config(**(QUICK | BRIEF)),
        minutes=5,
        score={"ndcg@10": 0.2491, "hr@10": 0.6647},
    ),
    "ml-1m-best-time": Recipe(
        about="a Transformer, EASE and what was popular last, asked together after a moment",
        data=DATA,
        split_by="time",
        config=Blend.Config(
            parts=("sasrec", "ease", "recent-popularity"),
            weights=(1.0, 1.0, 1.0),
            settings=tuple(f"sasrec.{option}={value}" for option, value in (QUICK | BRIEF).items()),
        ),
        minutes=5,
        score={"ndcg@10": 0.2795, "hr@10": 0.7209},
    ),
}
