"""The loop closed: a service's events to a run that is better than the one in service, or a no."""

from grapevine.retraining.loop import Wanted, retrain
from grapevine.retraining.verdict import Verdict, read

__all__ = ["Verdict", "Wanted", "read", "retrain"]
