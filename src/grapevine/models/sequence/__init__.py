"""Models of what came in which order: one network, rows by their options."""

from grapevine.models.sequence.config import Config
from grapevine.models.sequence.model import Sequence
from grapevine.models.sequence.rows import (
    HSTU,
    BERT4Rec,
    DecisionTransformer,
    GRU4Rec,
    GSASRec,
    MLP4Rec,
    SASRec,
)

__all__ = [
    "HSTU", "BERT4Rec", "Config", "DecisionTransformer", "GRU4Rec", "GSASRec", "MLP4Rec",
    "SASRec", "Sequence",
]  # fmt: skip
