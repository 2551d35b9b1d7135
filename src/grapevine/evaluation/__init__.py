"""How good, how sure, compared with what: metrics, protocols, tests, reports."""

from grapevine.evaluation.measures import METRICS
from grapevine.evaluation.protocol import Entry, evaluate
from grapevine.evaluation.rank import measure, rank_model
from grapevine.evaluation.ranked import Ranked
from grapevine.evaluation.recorded import Recorded
from grapevine.evaluation.report import Comparison, Estimate, Report, Result

__all__ = [
    "METRICS",
    "Comparison",
    "Entry",
    "Estimate",
    "Ranked",
    "Recorded",
    "Report",
    "Result",
    "evaluate",
    "measure",
    "rank_model",
]
