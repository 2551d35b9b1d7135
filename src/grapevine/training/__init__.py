"""One loop for every model that is trained step by step."""

from grapevine.training.loop import fit, train_with
from grapevine.training.session import Outcome, Session
from grapevine.training.stopping import seconds_of
from grapevine.training.trackers import TRACKERS, following
from grapevine.training.warm import Start

__all__ = [
    "TRACKERS",
    "Outcome",
    "Session",
    "Start",
    "fit",
    "following",
    "seconds_of",
    "train_with",
]
