"""Two stages: a row of the table retrieves, and a network orders what it brought."""

from grapevine.models.ranking.config import Config
from grapevine.models.ranking.model import Ranker
from grapevine.models.ranking.rows import DCN, DIEN, WideDeep

__all__ = ["DCN", "DIEN", "Config", "Ranker", "WideDeep"]
