"""Tasks trained together, held against the same tasks alone; and weights found on validation."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from grapevine.errors import ConfigError, DataError, unknown
from grapevine.evaluation.gains import Gains
from grapevine.log import track
from grapevine.models.together import Config, Together
from grapevine.tasks.together import Part, Tasks
from grapevine.tasks.weighing import simplex
from grapevine.training import train_with


def gains(
    config: Config | Callable[[tuple[str, ...]], Config],
    tasks: Tasks,
    *,
    seeds: Sequence[int] = (0, 1, 2),
    pairs: bool = True,
    part: Part = "test",
) -> Gains:
    """Train all tasks together, each alone, and every two; what each is worth in each company.

    The budget is the same: options, seeds, and epochs over a task's labels, of which each keeps its
    own best. What is shared, and a task's head, start from the same weights in every company.

    Args:
        config: of all trainings; or, of the tasks that are trained together, that of theirs: where
            each has examples of its own a batch as large as they are many makes as many steps, and
            those alone may have options that were searched for them.
        tasks: those of weight 0 are left out; the others keep their weights in company.
        seeds: one training each.
        pairs: whether every two are trained too, so that there is a transfer matrix.
        part: on which they are measured; it must not be learnt from.

    Raises:
        DataError: a task has no label in this part.
        ConfigError: there is no seed, or the part is learnt from.
    """
    names = tuple(tasks.trained)
    if not seeds or part == "train":
        raise ConfigError("gains are measured with a seed, on validation or test")
    for name in names:
        if not len(tasks.rows(name, part)):
            raise DataError(f"`{name}` has no label in {part}")
    companies: list[tuple[str, ...]] = [(name,) for name in names]
    companies += [pair for pair in combinations(names, 2) if pairs and pair != names]
    companies += [names] if len(names) > 1 else []
    found: dict[tuple[int, tuple[str, ...]], tuple[dict[str, float], float]] = {}
    for seed, company in track([(s, c) for s in seeds for c in companies], "training"):
        of_company = config if isinstance(config, Config) else config(company)
        found[seed, company] = _worth(of_company, tasks, company, seed, part)

    def worth(seed: int, name: str, *others: str) -> float:
        company = tuple(one for one in names if one in {name, *others})
        return found[seed, company][0][name]

    return Gains(
        tasks=names,
        seeds=tuple(seeds),
        part=part,
        alone=np.array([[worth(seed, name) for name in names] for seed in seeds]),
        together=np.array([[worth(seed, name, *names) for name in names] for seed in seeds]),
        pairs=np.array([[[worth(seed, b, a) for b in names] for a in names] for seed in seeds])
        if pairs
        else None,
        seconds_alone=np.array([[found[seed, (name,)][1] for name in names] for seed in seeds]),
        seconds_together=np.array([found[seed, names][1] for seed in seeds]),
    )


@dataclass(frozen=True, slots=True)
class Searched:
    """Weights that were tried.

    Attributes:
        tasks: with the weights that were best.
        model: trained with them.
        tried: all of them, and what each task was worth on validation, in order.
    """

    tasks: Tasks
    model: Together
    tried: list[tuple[dict[str, float], dict[str, float]]]


def weights(
    config: Config, tasks: Tasks, *, parts: int = 4, target: str | None = None, seed: int = 0
) -> Searched:
    """Weights on a grid, each trained in the same way, the best by validation alone.

    Kurin et al. and Xin et al. (both NeurIPS 2022): weights that were searched matched every
    cleverer way. What is held against them should have as many trainings: `tried` says how many.

    Args:
        config: of all trainings; it weighs by constants.
        tasks: those of weight 0 are left out.
        parts: weights are multiples of 1 / parts and sum to one.
        target: by which task they are judged, where the others are there to help it and may have
            weight 0; by the mean over all tasks, each of which has a weight, if not given.
        seed: of all trainings.

    Raises:
        ConfigError: the variances of the losses are learnt, or there are more tasks than parts.
        DataError: a task that is judged has no label to validate with.
    """
    names = tuple(tasks.trained)
    if config.weigh != "constant":
        raise ConfigError("weights are searched where they are constant", hint="set weigh")
    if target is not None and target not in names:
        raise unknown("task", target, names)
    judged = names if target is None else (target,)
    for name in judged:
        if not len(tasks.rows(name, "validation")):
            raise DataError(f"`{name}` has no label to validate with")
    grid = [dict(zip(names, point)) for point in simplex(len(names), parts)]
    grid = [point for point in grid if all(point[name] for name in judged)]
    if not grid:
        raise ConfigError(f"{len(names)} tasks want at least as many parts: got {parts}")
    tried: list[tuple[dict[str, float], dict[str, float]]] = []
    best: tuple[float, Tasks, Together] | None = None
    for point in track(grid, "weights"):
        weighed = tasks.weighed(point)
        model: Together = train_with(config, weighed, seed=seed).model
        worths = dict(model.worths)
        tried.append((point, worths))
        value = _mean(worths, judged)
        if best is None or value > best[0]:
            best = value, weighed, model
    assert best is not None
    return Searched(best[1], best[2], tried)


def _worth(
    config: Config, tasks: Tasks, company: Sequence[str], seed: int, part: Part
) -> tuple[dict[str, float], float]:
    """What each of some tasks is worth, trained with one another, and the seconds it took."""
    some = tasks.only(*company)
    if len(company) > 1:
        some = some.weighed({name: tasks.tasks[name].weight for name in company})
    outcome = train_with(config, some, seed=seed)
    return outcome.model.worth(part), outcome.seconds


def _mean(worths: Mapping[str, float], judged: Sequence[str]) -> float:
    """Of the tasks that are judged; what cannot be told is worth nothing."""
    return float(np.mean([worths.get(name, -np.inf) for name in judged]))
