"""How good, how sure, compared with what: metrics, protocols, tests, reports."""

from grapevine.evaluation.measures import METRICS
from grapevine.evaluation.protocol import Entry, evaluate
from grapevine.evaluation.rank import Ranked, measure, rank_model
from grapevine.evaluation.report import Comparison, Estimate, Report, Result

__all__ = [
    "METRICS",
    "Comparison",
    "Entry",
    "Estimate",
    "Ranked",
    "Report",
    "Result",
    "evaluate",
    "measure",
    "rank_model",
]
