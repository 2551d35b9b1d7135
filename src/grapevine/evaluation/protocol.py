"""Evaluate several models on the same questions, by one protocol, with intervals and tests."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Int64

import grapevine
from grapevine import random
from grapevine.data.dataset import Dataset
from grapevine.data.holdout import Holdout
from grapevine.errors import ConfigError, unknown
from grapevine.evaluation import significance
from grapevine.evaluation.candidates import Candidates, candidates_of
from grapevine.evaluation.caveats import skipped_of, warnings_of
from grapevine.evaluation.compare import (
    Measured,
    comparisons_of,
    headline,
    measured,
    slice_results,
    with_intervals,
)
from grapevine.evaluation.measures import Metric, World, wanted
from grapevine.evaluation.rank import rank_model
from grapevine.evaluation.report import Report, Result
from grapevine.evaluation.slices import Slice, slices_of
from grapevine.models.base import Model
from grapevine.structs.jagged import Jagged


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A fitted model that takes part.

    Entries with the same name and the same options but different seeds are one model, trained
    several times.

    Attributes:
        name: of the model.
        model: fitted.
        seed: it was trained with.
        train_seconds: how long that took, if known.
        run: its folder, or whatever else names it apart from others of the same name.
        bound: for whom this is what is possible ("for any model"), where it knows the truth and
            does not compete; empty for a model that does.
        search: what was spent on searching its options; None where they were not searched.
    """

    name: str
    model: Model
    seed: int = 0
    train_seconds: float | None = None
    run: str | None = None
    bound: str = ""
    search: Mapping[str, Any] | None = None

    @property
    def label(self) -> str:
        """The run, or else the name."""
        return self.run or self.name


def evaluate(
    entries: Sequence[Entry],
    holdout: Holdout,
    *,
    train: Dataset,
    k: int = 10,
    metrics: Sequence[str] | None = None,
    candidates: str | Jagged = "all",
    exclude_seen: bool = True,
    slices: Sequence[str] = (),
    baseline: str | None = None,
    seed: int = 0,
    users: int | None = None,
) -> Report:
    """Rank the targets of every question by every model, and say how sure the figures are.

    Args:
        entries: fitted models.
        holdout: the questions, from the split that the models were trained on.
        train: what they were trained on.
        k: length of the lists.
        metrics: names such as `ndcg` or `ndcg@5`; the usual ones if not given.
        candidates: "all"; "cold" for the items without a training event; "popular-N" or
            "uniform-N" for N sampled negatives; "published" for the lists in the dataset's folder;
            or lists, one a query.
        exclude_seen: leave out what a query has already (`Holdout.had`).
        slices: columns of the user or item table to report by, beside those always reported.
        baseline: name or run that the others are marked against; `popularity` if it takes part,
            else the first.
        seed: of bootstrap, tests and sampled candidates.
        users: ask only so many of the queries, drawn by the seed; all if not given.

    Raises:
        ConfigError: nothing to evaluate, or an option is unknown or does not fit.
        CheckFailed: a model scored NaN.
    """
    models = _models(entries)
    if not len(holdout):
        raise ConfigError("there is no query to evaluate", hint="the split held nothing out")
    asked, queries = _sample(holdout, users, seed)
    protocol = candidates_of(candidates, train, queries=queries, users=asked.users, seed=seed)
    wished = wanted(metrics, k)
    world = World(asked, train, seed)
    groups = slices_of(asked, train, slices)
    names = _labels(models)
    found = [
        _ask(model, names[place], world, wished, protocol, groups, exclude_seen)
        for place, model in enumerate(models)
    ]
    complete = with_intervals(found, seed)
    base = _baseline([one.result for one in complete], baseline)
    facts = {
        "split": holdout.name,
        "by": holdout.by,
        "candidates": protocol.name,
        "exclude_seen": exclude_seen,
        "unmet": holdout.unmet,
        "k": k,
        "users": len(asked),
        "items": len(train.items),
        "dataset": train.name,
        "target": train.schema.behaviours[holdout.target],
        "clock": train.schema.clock,
        "queries_held_out": len(holdout),
        "seed": seed,
        "resamples": significance.num_resamples(len(asked)),
    }
    skipped = skipped_of(world, exclude_seen)
    runs = [[entry.label for entry in model] for model in models]
    return Report(
        protocol=facts,
        results=tuple(one.result for one in complete),
        comparisons=comparisons_of(
            [one for one in complete if not one.result.bound] or complete, base, seed
        ),
        slices=slice_results(groups, complete, wished, seed),
        baseline=base,
        primary=headline([*complete[0].values, *wished])[0],
        warnings=warnings_of(facts, protocol, [one.result for one in complete], runs, skipped),
        skipped=skipped,
        version=grapevine.__version__,
    )


def _models(entries: Sequence[Entry]) -> list[list[Entry]]:
    """Entries that are seeds of one model, together."""
    if not entries:
        raise ConfigError("there is no model to evaluate")
    models: list[list[Entry]] = []
    for entry in entries:
        for model in models:
            if _same_model(model[0], entry) and entry.seed not in {one.seed for one in model}:
                model.append(entry)
                break
        else:
            models.append([entry])
    return models


def _same_model(one: Entry, other: Entry) -> bool:
    return one.name == other.name and one.model.config == other.model.config


def _sample(
    holdout: Holdout, users: int | None, seed: int
) -> tuple[Holdout, Int64[np.ndarray, " queries"]]:
    """The holdout, or so many of its queries, and the number of each in the whole."""
    if users is None or users >= len(holdout):
        return holdout, np.arange(len(holdout))
    drawn = np.sort(random.stream(seed, "queries").permutation(len(holdout))[:users])
    return holdout.take(drawn), drawn


def _ask(
    model: Sequence[Entry],
    label: str,
    world: World,
    wished: dict[str, tuple[Metric, int]],
    protocol: Candidates,
    groups: Sequence[Slice],
    exclude_seen: bool,
) -> Measured:
    """Rank and measure every seed of one model."""
    longest = max(k for _, k in wished.values())
    started = time.perf_counter()
    rankings = [
        rank_model(
            entry.model,
            world.holdout,
            k=longest,
            candidates=protocol,
            exclude_seen=exclude_seen,
            name=entry.label,
            popularity=world.counts,
        )
        for entry in model
    ]
    seconds = (time.perf_counter() - started) / len(model)
    trained = [entry.train_seconds for entry in model if entry.train_seconds is not None]
    return measured(
        rankings,
        world,
        wished,
        groups,
        run=model[0].label,
        label=label,
        model=model[0].name,
        seeds=tuple(entry.seed for entry in model),
        train_seconds=float(np.mean(trained)) if trained else None,
        evaluate_seconds=seconds,
        bound=model[0].bound,
        search=model[0].search,
        silent=float(np.mean([ranked.silent for ranked in rankings])),
    )


def _labels(models: Sequence[Sequence[Entry]]) -> list[str]:
    """The model's name, or its run where another model has the same name."""
    names = [model[0].name for model in models]
    labels = [
        name if names.count(name) == 1 else model[0].label
        for name, model in zip(names, models, strict=True)
    ]
    runs = [model[0].label for model in models]
    for run in runs:
        if runs.count(run) > 1:
            raise ConfigError(
                f"two models are called `{run}`", hint="give each entry a `run` of its own"
            )
    return labels


def _baseline(results: Sequence[Result], wished: str | None) -> str:
    """The run of this name; popularity, or the first, where none is named."""
    known = {name: result.run for result in results for name in (result.run, result.label)}
    if wished is not None and wished not in known:
        raise unknown("model to compare with", wished, known)
    return known[wished] if wished else known.get("popularity", results[0].run)
