"""The loop closed: a service's events to a run that is better than the one in service, or a no."""

from grapevine.retraining.loop import retrain
from grapevine.retraining.verdict import Verdict, read
from grapevine.retraining.wanted import Wanted

__all__ = ["Verdict", "Wanted", "read", "retrain"]
