"""Models of what came in which order: one network, rows by their options."""

from grapevine.models.sequence.config import Config
from grapevine.models.sequence.model import Sequence
from grapevine.models.sequence.rows import HSTU, BERT4Rec, GRU4Rec, GSASRec, SASRec

__all__ = ["HSTU", "BERT4Rec", "Config", "GRU4Rec", "GSASRec", "SASRec", "Sequence"]
