"""Begin where another training ended: parameters carried over by the IDs of users and items."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Int64

from grapevine.data.dataset import Dataset
from grapevine.data.vocabulary import Vocabulary
from grapevine.errors import ConfigError
from grapevine.models import traces
from grapevine.models.base import Carries, Layout, Learner, Trained
from grapevine.models.run import Run
from grapevine.training.checkpoints import State, last_state


@dataclass(frozen=True)
class Start:
    """Where another training ended, and whose rows its parameters have.

    Attributes:
        state: of its learner, after the epoch that was kept.
        users: IDs of its user rows.
        items: IDs of its item rows.
        label: what it is called.
    """

    state: State = field(repr=False)
    users: Vocabulary
    items: Vocabulary
    label: str = ""

    @classmethod
    def of(cls, run: Run) -> "Start":
        """Where the training of a run ended, as its checkpoints have it.

        Raises:
            ConfigError: the run is a closed form, or its folder holds no checkpoint of its own.
            BundleError: every checkpoint is damaged.
        """
        if not isinstance(run.model.config, Trained):
            raise ConfigError(
                f"{run.label} is fitted in closed form: it has nothing to begin from",
                hint="fit it on all events: that is as good as going on",
            )
        state = None
        if run.path is not None:
            state = last_state(run.path / traces.CHECKPOINTS, run.record["fingerprint"])
        if state is None:
            raise ConfigError(
                f"{run.label} holds no checkpoint of its training to begin from",
                hint=f"copy its folder whole, `{traces.CHECKPOINTS}` too; or begin anew",
            )
        return cls(state, run.users, run.items, run.label)


@dataclass(frozen=True, slots=True)
class Carried:
    """What a training began from.

    Attributes:
        parameters: how many arrays were carried over, in whole or row by row.
        anew: names of those that start as they would without: their shape is another.
        rows: rows carried over and rows in all, of "users" and "items".
        digest: names these very parameters.
    """

    parameters: int
    anew: tuple[str, ...]
    rows: dict[str, tuple[int, int]]
    digest: str

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        told = {kind: {"carried": some, "of": of} for kind, (some, of) in self.rows.items()}
        return {"parameters": self.parameters, "anew": list(self.anew), **told}


def begin(learner: Learner[Any], train: Dataset, start: Start) -> Carried:
    """Give a learner that is set up the parameters of another training.

    A row goes where its ID is; one whose ID is new stays as the model draws it. Moments of the
    optimiser and the count of steps start from nothing, since they belong to other data.

    Args:
        learner: before its first step.
        train: what it will learn from.
        start: where the other one ended.

    Raises:
        ConfigError: the learner cannot, or nothing fits: it is of another model.
    """
    if not isinstance(learner, Carries):
        raise ConfigError(
            f"`{type(learner).__name__}` cannot begin from another training",
            hint="begin anew: leave out what to begin from",
        )
    vocabularies = {"users": (start.users, train.users), "items": (start.items, train.items)}
    places = {kind: old.rows(new.ids) for kind, (old, new) in vocabularies.items()}
    before = {kind: len(old) for kind, (old, _) in vocabularies.items()}
    old = learner.parameters(start.state)
    new = dict(learner.parameters(learner.state()))
    anew: list[str] = []
    for name, layout in learner.layouts.items():
        found = over(new[name], old[name], layout, places, before) if name in old else None
        if found is None:
            anew.append(name)
        else:
            new[name] = found
    if len(anew) == len(new):
        raise ConfigError(
            f"nothing of {start.label} fits what is to be trained",
            hint="begin from a run of the same model and options",
        )
    learner.begin(new)
    digest = hashlib.sha256()
    for name in sorted(new):
        digest.update(name.encode() + np.ascontiguousarray(new[name]).tobytes())
    return Carried(
        parameters=len(new) - len(anew),
        anew=tuple(anew),
        rows={kind: (int((rows >= 0).sum()), len(rows)) for kind, rows in places.items()},
        digest=digest.hexdigest(),
    )


def over(
    new: np.ndarray,
    old: np.ndarray,
    layout: Layout,
    places: Mapping[str, Int64[np.ndarray, " rows"]],
    before: Mapping[str, int],
) -> np.ndarray | None:
    """One array with the rows of another; None where its shape does not allow that.

    Args:
        new: as it starts.
        old: as it was.
        layout: whose the rows are.
        places: of each kind, for each new row the old one, -1 where there was none.
        before: of each kind, how many rows there were.

    >>> over(np.zeros(3), np.array([7.0, 8.0, 9.0]), ("items", 1), {"items": np.array([1, -1])},
    ...      {"items": 2}).tolist()
    [8.0, 0.0, 9.0]
    """
    if not layout:
        return old.copy() if new.shape == old.shape else None
    sizes = [one if isinstance(one, int) else len(places[one]) for one in layout]
    were = [one if isinstance(one, int) else before[one] for one in layout]
    if (len(new), len(old)) != (sum(sizes), sum(were)) or new.shape[1:] != old.shape[1:]:
        return None
    found, at, was = new.copy(), 0, 0
    for one, size, there in zip(layout, sizes, were, strict=True):
        rows = np.arange(size) if isinstance(one, int) else places[one]
        kept = np.flatnonzero(rows >= 0)
        found[at + kept] = old[was + rows[kept]]
        at, was = at + size, was + there
    return found
