"""An experiment as the store has it, as arrays that statistics can be asked about."""

import numpy as np

from grapevine.evaluation.experiments import Experiment, ExperimentReport, Outcomes, report_of
from grapevine.serving.store import Store

DAY_MS = 86_400_000
SUMMED = "value of "
"""Before a behaviour: the metric is the sum of the values of such events, not how many there are."""


def report(store: Store, experiment: Experiment) -> ExperimentReport:
    """What an experiment found so far.

    The metric is a behaviour ("buy": how many such events a user had since the first list), or
    "value of buy". What the user did before the first list is the covariate (CUPED).

    Raises:
        DataError: nobody was shown anything yet.
    """
    summed = experiment.metric.startswith(SUMMED)
    found = store.outcomes(experiment.name, experiment.metric.removeprefix(SUMMED))
    places = {arm.name: place for place, arm in enumerate(experiment.arms)}
    # Whoever met two arms met a fault; the report's own check of ratios tells of many.
    found = [one for one in found if one.arm in places]
    first = min((one.exposed_at for one in found), default=0)
    arms = np.array([places[one.arm] for one in found], np.int64)
    days = np.array([(one.exposed_at - first) // DAY_MS for one in found], np.int64)
    after = [one.value if summed else float(one.events) for one in found]
    before = [one.value_before if summed else float(one.events_before) for one in found]
    done = Outcomes(arm=arms, day=days, outcome=np.array(after), before=np.array(before))
    return report_of(experiment, done)
