"""One loop for every model that is trained step by step."""

from grapevine.training.loop import Session, fit

__all__ = ["Session", "fit"]
