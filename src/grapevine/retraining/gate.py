"""The quality gate: both runs answer the same newest questions, and a service looks at one."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from grapevine.data.holdout import Holdout
from grapevine.data.interactions import Interactions
from grapevine.data.split import Split
from grapevine.errors import CheckFailed, ConfigError
from grapevine.evaluation import metrics, rank_model, significance
from grapevine.models.run import Run
from grapevine.random import stream
from grapevine.retraining.verdict import Judged

LEAST = 30
"""Fewer questions than this tell nothing."""
TOLERANCE = 0.05
"""By so much of what the run in service reaches the new one may be worse."""


def compare(new: Run, old: Run, parts: Split, *, metric: str = "ndcg@10", seed: int = 0) -> Judged:
    """How well two runs name what came next, on the same questions.

    Each answers with all items that it knows, as it would in service: what it cannot know is
    missed. Both hear the whole histories up to the moment of asking, what came since the training
    of the one in service included.

    Args:
        new: trained on the training part.
        old: the one in service, with rows of its own.
        parts: what was held out.
        metric: of ranks.
        seed: of bootstrap and test.
    """
    compute = metrics.named(metric)
    values: list[np.ndarray] = []
    for run in (new, old):
        asked = asked_of(run, parts)
        # As in service: of whom a run says nothing, what is popular in it is shown.
        popular = run.history.of(run.schema.target_row).counts()
        ranked = rank_model(run.model, asked, k=0, name=run.label, popularity=popular)
        values.append(compute(ranked.ranks, ranked.num_candidates))
    after, before = values
    resampled = significance.resample_means(
        np.stack([after - before]),
        resamples=significance.num_resamples(len(after)),
        rng=stream(seed, "gate", "bootstrap"),
    )
    low, high = significance.interval(resampled[:, 0])
    p, test = significance.paired_p(after - before, stream(seed, "gate", "sign-flip"))
    return Judged(
        metric=metric, questions=len(after), before=float(before.mean()),
        after=float(after.mean()), low=low, high=high, p=p, test=test,
    )  # fmt: skip


def asked_of(run: Run, parts: Split) -> Holdout:
    """The test questions of a split in the rows of a run that was trained on something else.

    Who is a stranger to the run is asked as one, with the history that a service would have.

    Raises:
        ConfigError: the run does not know the behaviours of these questions.
    """
    asked, train = parts.test, parts.train
    if run.schema.behaviours != train.schema.behaviours:
        raise ConfigError(
            f"{run.label} knows {', '.join(run.schema.behaviours)}, and the questions are of "
            f"{', '.join(train.schema.behaviours)}",
            hint="retrain with the data that it was trained on",
        )
    item_row = run.items.rows(train.items.ids).astype(np.int32)
    user_row = run.users.rows(train.users.ids)
    # A row of history for each question, so that strangers have theirs too.
    batch = asked.questions(0, len(asked))
    items = np.where(batch.items >= 0, item_row[batch.items], -1)
    history = Interactions(
        offsets=batch.offsets,
        items=np.maximum(items, 0),
        behaviours=batch.behaviours,
        times=batch.times,
        num_items=len(run.items),
    ).where(items >= 0)
    targets = asked.targets
    known = np.where(targets.values >= 0, item_row[targets.values], -1).astype(np.int32)
    return replace(
        asked,
        users=np.arange(len(asked)),
        targets=replace(targets, values=known),
        history=history,
        target=run.schema.behaviours.index(train.schema.target),
        asked_as=np.where(asked.users >= 0, user_row[asked.users], -1),
    )


def refuse_worse(judged: Judged, tolerance: float = TOLERANCE) -> None:
    """Let a run pass that is not worse by more than is tolerated.

    The difference itself decides. The interval and the p of the paired test are told, so that
    somebody sees what of it may be chance: with few questions, much.

    Args:
        judged: both runs on the same questions.
        tolerance: as a share of what the run in service reaches.

    Raises:
        CheckFailed: it is worse by more than that.
    """
    most = tolerance * judged.before
    if judged.difference >= -most:
        return
    raise CheckFailed(
        f"worse by more than {most:.4f}: {judged.metric} {judged.after:.4f} against "
        f"{judged.before:.4f} of the run in service on {judged.questions:,} questions "
        f"(difference {judged.difference:+.4f}, 95 % {judged.low:+.4f} to {judged.high:+.4f}, "
        f"p {judged.p:.2g})",
        hint="the run in service stays; look at the new events, train longer or with other "
        "options (--set), or let more be tolerated (--tolerance)",
    )


def look_as_a_service(new: Path, old: Path) -> Mapping[str, Any]:
    """Swap the new run in for the old one, in this process, as a service does it.

    Returns:
        Recall of the new run's index, and what share of the first ten of both runs is the same.

    Raises:
        CheckFailed: a service would refuse it: see `serving.engine.sanity`.
        ConfigError: what serving needs is not installed.
    """
    from grapevine.serving.engine import Host, Served

    # What the old one would be told at a start says nothing against the new one.
    done = Host(Served.open(old)).swap(new)
    return {"recall": done.recall, "agreement": done.agreement}


def refuse_few(questions: int, least: int = LEAST) -> None:
    """Let nothing be judged by a handful of questions.

    Raises:
        CheckFailed: there are fewer than that.
    """
    if questions < least:
        raise CheckFailed(
            f"{questions:,} users have taken something new in the newest events, and by "
            f"fewer than {least:,} questions nothing can be told",
            hint="wait for more events, hold more of them out (--holdout), or ask for fewer "
            "questions (--least)",
        )
