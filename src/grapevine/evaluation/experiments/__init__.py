"""Experiments: who sees what, what it did, how sure that is, and what another policy would do.

Pure functions over arrays and small frozen values; nothing here knows of a server or a store.
"""

from grapevine.evaluation.experiments.assign import Arm, Experiment, Plan, free_start
from grapevine.evaluation.experiments.effect import Effect, Moments, effect
from grapevine.evaluation.experiments.judge import report_of
from grapevine.evaluation.experiments.off_policy import Feedback, off_policy
from grapevine.evaluation.experiments.outcomes import Outcomes
from grapevine.evaluation.experiments.ratio import SampleRatio, sample_ratio
from grapevine.evaluation.experiments.report import ExperimentReport

__all__ = [
    "Arm",
    "Effect",
    "Experiment",
    "ExperimentReport",
    "Feedback",
    "Moments",
    "Outcomes",
    "Plan",
    "SampleRatio",
    "effect",
    "free_start",
    "off_policy",
    "report_of",
    "sample_ratio",
]
