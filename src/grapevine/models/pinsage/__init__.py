"""PinSage: items listen along random walks, and to what is known of them (Ying et al., 2018)."""

from grapevine.models.pinsage.config import Config
from grapevine.models.pinsage.model import PinSage

__all__ = ["Config", "PinSage"]
