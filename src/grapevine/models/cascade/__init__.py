"""Models of several behaviours, each of which leads to the next: one network, rows by options."""

from grapevine.models.cascade.config import Config
from grapevine.models.cascade.model import CascadePairs, CascadeVectors
from grapevine.models.cascade.rows import CRGCN, EHCF, ESMM, GHCF, HGT, MBCGCN, NMTR, RGCN

__all__ = [
    "CRGCN", "EHCF", "ESMM", "GHCF", "HGT", "MBCGCN", "NMTR", "RGCN", "CascadePairs",
    "CascadeVectors", "Config",
]  # fmt: skip
