"""Vine, the joint model: one network that is asked about every behaviour, chances and ratings."""

from grapevine.models.vine.config import Config
from grapevine.models.vine.model import Vine

__all__ = ["Config", "Vine"]
