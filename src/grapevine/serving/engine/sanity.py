"""Whether a version may answer: its numbers, its catalogue, its index, and a few questions."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from grapevine.errors import CheckFailed
from grapevine.serving.engine.asked import Asked
from grapevine.serving.engine.served import Served
from grapevine.serving.engine.ways import Asks

QUESTIONS = 16
"""Users of the run that are asked for, evenly among all."""
TOP = 10
RECALL = 0.9
"""Least share of the exact best ten that an index must find."""
SHARED = 0.5
"""Least share of the items of the version before that must be there still: another catalogue is a
mistake, such as the run of another shop."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What was found of a version that may answer.

    Attributes:
        questions: how many were asked.
        recall: of its index; 1 where all vectors are looked at.
        agreement: share of the first ten that the version before shows as well; None without one.
    """

    questions: int
    recall: float
    agreement: float | None


def check(served: Served, before: Served | None, recorded: Sequence[Asked] = ()) -> Found:
    """Ask a version what it will be asked, and look at what it says.

    Args:
        served: the new version.
        before: what answers now.
        recorded: questions that were asked of late.

    Raises:
        CheckFailed: a number is not finite, the catalogue is another, scores tell nothing apart, or
            the index misses too much.
    """
    _finite(served)
    if before is not None:
        _same_kind(served, before)
    users = served.run.users.ids
    places = np.unique(np.linspace(0, len(users) - 1, QUESTIONS).astype(int)) if len(users) else []
    questions = [Asked(user_id=users[int(place)], k=TOP) for place in places]
    _tells_apart(served, questions)
    shared = [one for one in recorded if _answers(served, one)]
    for one in shared:
        served.answer(one)
    agreement = None
    if before is not None:
        asked = [*questions, *(one for one in shared if _answers(before, one))]
        agreement = _agreement(served, before, asked)
    return Found(
        questions=len(questions) + len(shared),
        recall=_recall(served, questions),
        agreement=agreement,
    )


def _answers(served: Served, asked: Asked) -> bool:
    """Whether a version knows what a question is about."""
    known = asked.item_id is None or served.catalogue.shown(asked.item_id) is not None
    return known and (asked.behaviour is None or asked.behaviour in served.sides)


def _finite(served: Served) -> None:
    """Every number that was learnt; what stands for "never" is no number to multiply with."""
    for name, array in served.run.model.state().items():
        if np.issubdtype(array.dtype, np.floating) and np.isnan(array).any():
            raise CheckFailed(
                f"`{name}` of {served.run.label} holds what is no number",
                hint="training may have diverged: look at the losses, and lower the learning rate",
            )


def _same_kind(served: Served, before: Served) -> None:
    new, old = served.run, before.run
    if new.items.is_integer != old.items.is_integer:
        raise CheckFailed(
            f"item IDs of {new.label} are {new.items.ids.dtype}, and were {old.items.ids.dtype}",
            hint="import the events with IDs as they were",
        )
    there = served.catalogue.row_of
    known = before.catalogue.ids[: before.catalogue.known]
    kept = sum(str(one) in there for one in known)
    if kept < SHARED * len(known):
        raise CheckFailed(
            f"{new.label} knows {kept:,} of the {len(known):,} items in service",
            hint="is it a run of another catalogue? To serve it, start anew",
        )
    if old.schema.target not in served.sides:
        raise CheckFailed(
            f"{new.label} does not predict `{old.schema.target}`, as the run in service does",
            hint="train it for that target",
        )


def _tells_apart(served: Served, questions: Sequence[Asked]) -> None:
    """Scores of users' own histories: finite, and neither all alike nor the same for everybody."""
    side = served.sides[served.run.schema.target]
    rows: list[np.ndarray] = []
    for asked in questions:
        heard = served.histories.of(asked, side.behaviour)
        if not len(heard):
            continue
        scores = side.way.question(heard).whole()
        # -inf is never shown, and no fault.
        if not (scores < np.inf).all():
            raise CheckFailed(
                f"{served.run.label} scores items for a user by what is no number",
                hint="training may have diverged: look at the losses, and lower the learning rate",
            )
        rows.append(scores)
    if len(served.catalogue) < 2 or not rows:
        return
    if all((scores == scores[0]).all() for scores in rows):
        raise CheckFailed(
            f"{served.run.label} scores all items alike for every user asked",
            hint="was anything learnt? Look at metrics.jsonl of the run",
        )
    listens = getattr(served.run.model, "listens", True)
    if listens and len(rows) > 2 and all(np.array_equal(one, rows[0]) for one in rows):
        raise CheckFailed(
            f"{served.run.label} scores items the same for every user asked",
            hint="was anything learnt? Look at metrics.jsonl of the run",
        )


def _recall(served: Served, questions: Sequence[Asked]) -> float:
    """Of the exact best, what the index finds of users' own histories."""
    side = served.sides[served.run.schema.target]
    hits = wanted = 0
    for asked in questions:
        question = side.way.question(served.histories.of(asked, side.behaviour))
        if not isinstance(question, Asks) or not question.vector.any():
            continue
        scores = np.sort(question.whole())[::-1][:TOP]
        found = question.best(TOP, None, frozenset())[1]
        # As good as the true last is good enough: sums round differently.
        floor = scores[-1] - 1e-5 * max(abs(float(scores[0])), abs(float(scores[-1])))
        hits += min(int((found >= floor).sum()), len(scores))
        wanted += len(scores)
    recall = hits / wanted if wanted else 1.0
    if recall < RECALL:
        raise CheckFailed(
            f"the index of {served.run.label} finds {recall:.2f} of the exact best {TOP}",
            hint=f"build it with a recall of {RECALL} or more, or leave it out",
        )
    return recall


def _agreement(served: Served, before: Served, questions: Sequence[Asked]) -> float:
    same = total = 0
    for asked in questions:
        new = {str(one.item_id) for one in served.answer(asked).items}
        old = {str(one.item_id) for one in before.answer(asked).items}
        same, total = same + len(new & old), total + max(len(new), len(old))
    return same / total if total else 1.0
