"""MovieLens 1M as the papers on sequences take it: films with five ratings or more."""

from grapevine.models.sequence import HSTU, BERT4Rec, GRU4Rec, GSASRec, SASRec
from grapevine.recipes.recipe import Recipe

DATA = "ml-1m-5core"

MOVIELENS = {
    "ml-1m-sasrec-paper": Recipe(
        about="SASRec as published: one item drawn for each answer, yes and no",
        data=DATA,
        config=SASRec.Config.paper(),
    ),
    "ml-1m-bert4rec": Recipe(
        about="BERT4Rec as its authors' code has it",
        data=DATA,
        config=BERT4Rec.Config(),
    ),
    "ml-1m-gsasrec": Recipe(
        about="gSASRec as its authors' code has it: 256 items drawn, made up for how few they are",
        data=DATA,
        config=GSASRec.Config(),
    ),
    "ml-1m-gru4rec": Recipe(
        about="a GRU with the share among all items for a loss",
        data=DATA,
        config=GRU4Rec.Config(),
    ),
    "ml-1m-hstu": Recipe(
        about="HSTU, small: who hears whom by order and by time",
        data=DATA,
        config=HSTU.Config(),
    ),
    "ml-1m-sasrec": Recipe(
        about="SASRec with what the field has learnt since",
        data=DATA,
        config=SASRec.Config(),
    ),
}
