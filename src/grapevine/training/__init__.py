"""One loop for every model that is trained step by step."""

from grapevine.training.loop import fit, train_with
from grapevine.training.session import Outcome, Session
from grapevine.training.stopping import seconds_of

__all__ = ["Outcome", "Session", "fit", "seconds_of", "train_with"]
