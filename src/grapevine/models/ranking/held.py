"""Questions that are not learnt from, for chances to be calibrated on."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Int64

from grapevine.data.dataset import Dataset
from grapevine.models.base import Model
from grapevine.models.ranking.config import Config
from grapevine.models.ranking.facts import Facts
from grapevine.models.ranking.questions import Questions, Retrievers, listed
from grapevine.models.ranking.shortlist import Shortlist, asked_once
from grapevine.random import stream
from grapevine.structs.batch import Batch

MOST = 500
"""Questions of each behaviour: the model is calibrated after each epoch."""
SHARE = 0.05
"""Of the questions of a behaviour before the target, at most."""


@dataclass(frozen=True, slots=True)
class Case:
    """Questions of one behaviour with their candidates.

    Attributes:
        batch: the questions.
        found: what the first stage brings.
        came: `(Q, C)` which candidates were taken.
    """

    batch: Batch
    found: Shortlist
    came: Bool[np.ndarray, "questions candidates"]


Held = dict[int, Case]
"""By the row of the behaviour."""


def held_out(
    train: Dataset,
    asked: Questions,
    retriever: Model,
    retrievers: Retrievers,
    facts: Facts,
    config: Config,
    seed: int,
) -> tuple[Questions, Held]:
    """The questions that are learnt from, and those that are kept for calibration.

    For the target those are the validation questions, for behaviours before it events of training.
    Without a validation all is learnt from, and nothing calibrated.

    Args:
        train: has the validation questions.
        asked: the questions of training.
        retriever: fitted on all of training.
        retrievers: the same fitted on parts.
        facts: of training.
        config: the options.
        seed: of the draws.
    """
    validation = train.validation
    if validation is None or not len(validation):
        return asked, {}
    drawn = stream(seed, "ranking", "held").permutation(len(validation))[:MOST]
    some = validation.take(np.sort(drawn))
    batch = some.questions(0, len(some))
    batch = asked_once(batch, train.interactions.num_items) if config.once else batch
    found = listed(retriever, batch, facts.order, config)
    answers, size = some.targets, train.interactions.num_items
    rows = np.repeat(np.arange(len(some)), answers.lengths)
    pairs = (rows * size + answers.values)[answers.values >= 0]
    keys = np.arange(len(some))[:, None] * size + found.items
    target = train.schema.target_row
    held = {target: Case(batch, found, np.isin(keys, pairs) & (found.items >= 0))}
    behaviours, learnt = asked.behaviours, np.ones(len(asked), bool)
    for row in sorted({*behaviours.tolist()} - {target}):
        aside = _some(np.flatnonzero(behaviours == row), seed, train.schema.behaviours[row])
        learnt[aside] = False
        part = asked.take(aside)
        found = retrievers.lists(part, facts.order)
        held[row] = Case(part.batch(), found, found.items == part.answers[:, None])
    return asked.take(np.flatnonzero(learnt)), held


def _some(
    places: Int64[np.ndarray, " questions"], seed: int, name: str
) -> Int64[np.ndarray, " some"]:
    most = min(MOST, int(SHARE * len(places)))
    return np.sort(stream(seed, "ranking", "held", name).permutation(places)[:most])
