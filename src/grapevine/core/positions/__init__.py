"""Where a place stands: said in what it holds, in queries and keys, or beside their products.

A learnt table of places is `torch.nn.Embedding`, and needs nothing of its own.
"""

from grapevine.core.positions.absolute import rotated, sinusoid
from grapevine.core.positions.nodes import flipped, laplacian, walk_returns
from grapevine.core.positions.relative import (
    EdgeTypes,
    Relative,
    TimeGaps,
    alibi,
    by_distance,
    log_buckets,
    log_times,
    t5,
    together,
)

__all__ = [
    "EdgeTypes",
    "Relative",
    "TimeGaps",
    "alibi",
    "by_distance",
    "flipped",
    "laplacian",
    "log_buckets",
    "log_times",
    "rotated",
    "sinusoid",
    "t5",
    "together",
    "walk_returns",
]
