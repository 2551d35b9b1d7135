"""What to try next, by Optuna.

It keeps its state in memory and is told of all earlier trials, and the draws of a trial are named
by its number. So what is tried next depends on the seed and on what came of the trials before, and
a search that was killed goes on as if it had not been.
"""

import math
from collections.abc import Mapping
from typing import Any

from grapevine.random import stream
from grapevine.search.space import Choice, Space
from grapevine.search.trials import Search, Trial

UNJUDGED = 5
"""Trials that are trained to their end before any is given up."""

WARM_UP = 3
"""Epochs; no trial is given up before the end of the last of them."""


class Proposals:
    """All trials so far, and Optuna, who knows of them."""

    def __init__(self, optuna: Any, search: Search, trials: list[Trial]) -> None:
        """Tell Optuna what was tried before."""
        self.optuna, self.search, self.trials = optuna, search, trials
        self.distributions = distributions(optuna, search.space)
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        pruner = optuna.pruners.MedianPruner(n_startup_trials=UNJUDGED, n_warmup_steps=WARM_UP)
        self.study = optuna.create_study(direction="maximize", pruner=pruner)
        for trial in trials:
            self.study.add_trial(self._frozen(trial))

    def ask(self) -> tuple[Any, dict[str, Any]]:
        """Optuna's next trial, and its options; the first are those that the model has anyway."""
        seed = stream(self.search.seed, "trial", len(self.trials)).integers(2**31)
        self.study.sampler = self.optuna.samplers.TPESampler(seed=int(seed))
        start = places(self.search.space, self.search.facts()["model"])
        if not self.trials and start is not None:
            self.study.enqueue_trial(start)
        asked = self.study.ask(self.distributions)
        return asked, values(self.search.space, asked.params)

    def tell(self, asked: Any, trial: Trial) -> None:
        """What came of it."""
        states = self.optuna.trial.TrialState
        if trial.state == "done":
            self.study.tell(asked, trial.value)
        else:
            self.study.tell(
                asked, state=states.PRUNED if trial.state == "given up" else states.FAIL
            )
        self.trials.append(trial)

    def exhausted(self) -> bool:
        """Whether every set of options has been tried, where there are few of them."""
        sizes = [_size(one) for one in self.search.space.values()]
        return math.prod(sizes) <= len({repr(trial.options) for trial in self.trials})

    def _frozen(self, trial: Trial) -> Any:
        states = self.optuna.trial.TrialState
        state = {"done": states.COMPLETE, "given up": states.PRUNED, "failed": states.FAIL}
        params = places(self.search.space, trial.options)
        given_up = trial.curve[-1] if trial.state == "given up" else None
        return self.optuna.trial.create_trial(
            state=state[trial.state],
            params=params,
            distributions=self.distributions,
            value=trial.value if trial.state == "done" else given_up,
            intermediate_values=dict(enumerate(trial.curve, 1)),
        )


def distributions(optuna: Any, space: Space) -> dict[str, Any]:
    """The space in Optuna's words; a choice is made by its place."""
    kinds = optuna.distributions
    found = {}
    for option, one in space.items():
        if isinstance(one, Choice):
            found[option] = kinds.CategoricalDistribution(tuple(range(len(one.values))))
        elif isinstance(one.low, int) and isinstance(one.high, int):
            found[option] = kinds.IntDistribution(one.low, one.high, log=one.by_logarithm)
        else:
            found[option] = kinds.FloatDistribution(one.low, one.high, log=one.by_logarithm)
    return found


def values(space: Space, params: Mapping[str, Any]) -> dict[str, Any]:
    """The options that Optuna's parameters stand for."""
    return {
        option: one.values[params[option]] if isinstance(one, Choice) else params[option]
        for option, one in space.items()
    }


def places(space: Space, options: Mapping[str, Any]) -> dict[str, Any] | None:
    """Optuna's parameters for some options; None where they are outside the space."""
    found = {}
    for option, one in space.items():
        value = options.get(option)
        if isinstance(one, Choice):
            if value not in one.values:
                return None
            found[option] = one.values.index(value)
        elif value is None or not one.low <= value <= one.high:
            return None
        else:
            found[option] = value
    return found


def _size(one: Any) -> float:
    if isinstance(one, Choice):
        return len(one.values)
    whole = isinstance(one.low, int) and isinstance(one.high, int)
    return one.high - one.low + 1 if whole else math.inf
