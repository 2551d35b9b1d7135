"""What goes into the event store and what comes out of it: frozen values."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple


@dataclass(frozen=True, slots=True)
class Event:
    """Something that a user did.

    Attributes:
        event_id: the caller's own; an event that comes again under it counts once.
        user_id: who.
        item_id: to what.
        behaviour: what was done: "view", "buy".
        timestamp: milliseconds since 1970 as the caller says; None stands for the time of arrival.
        value: stars, quantity or price, or None.
        session_id: of the visit, or None.
        request_id: of the list that it answers, or None.
    """

    event_id: str
    user_id: str
    item_id: str
    behaviour: str
    timestamp: int | None = None
    value: float | None = None
    session_id: str | None = None
    request_id: str | None = None


class Brief(NamedTuple):
    """What a model is asked with of an event.

    Attributes:
        item_id: to what.
        behaviour: what was done.
        timestamp: milliseconds since 1970.
    """

    item_id: str
    behaviour: str
    timestamp: int


@dataclass(frozen=True, slots=True)
class Listed:
    """A list as it was shown to a user: all its exposures at once, told and checked once.

    Attributes:
        request_id: of the list.
        user_id: who saw it.
        item_ids: what was shown, the first rank first.
        scores: what the model gave each.
        places: of each experiment that the user is in its name, the arm, and the chance of the arm;
            one of empty names where there is none.
        model: name and version of what answered.
    """

    request_id: str
    user_id: str
    item_ids: tuple[str, ...]
    scores: tuple[float, ...]
    places: tuple[tuple[str, str, float], ...] = (("", "", 1.0),)
    model: str = ""


@dataclass(frozen=True, slots=True)
class Exposure:
    """An item that was shown to a user, and with what chance.

    A list of k items is k of these. Request, experiment and item name one exposure: the same again
    counts once.

    Attributes:
        request_id: of the list.
        user_id: who saw it.
        item_id: what was shown.
        rank: place in the list, from 1.
        score: what the model gave it.
        propensity: the chance, above 0 and at most 1, with which the policy shows that item at that
            rank to that user; 1 where nothing is drawn.
        experiment: name of the experiment, empty outside of one.
        arm: of the experiment.
        model: name and version of what answered.
        shown_at: milliseconds since 1970; None stands for now.
    """

    request_id: str
    user_id: str
    item_id: str
    rank: int
    score: float
    propensity: float = 1.0
    experiment: str = ""
    arm: str = ""
    model: str = ""
    shown_at: int | None = None


@dataclass(frozen=True, slots=True)
class Appended:
    """What became of some events or exposures; they are durable by now.

    Attributes:
        new: how many were not there before.
        repeated: how many were, or came twice in the same call.
    """

    new: int
    repeated: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one user of an experiment did.

    Attributes:
        user_id: who.
        arm: the arm of the first list that the user was shown.
        exposed_at: when that was, in milliseconds since 1970.
        arms: how many arms the user has met; more than one is a fault of the assignment.
        events: events of the behaviour that arrived from then on, within the window if any.
        value: the sum of their values, 0 where they have none.
        events_before: events of the behaviour that had arrived before (a covariate for CUPED).
        value_before: the sum of their values.
    """

    user_id: str
    arm: str
    exposed_at: int
    arms: int
    events: int
    value: float
    events_before: int
    value_before: float


@dataclass(frozen=True, slots=True)
class Item:
    """What was said of an item since the model was trained.

    Attributes:
        item_id: which.
        fields: what the catalogue says of it, by column; None where it was deleted.
        number: of the change: those that come later have greater ones. 0 before it is kept.
    """

    item_id: str
    fields: Mapping[str, Any] | None
    number: int = 0


@dataclass(frozen=True, slots=True)
class Shelved:
    """What became of some items; it is durable by now.

    Attributes:
        put: how many are new, or have other fields than before.
        deleted: how many were there and are no more.
        unchanged: how many were so already.
    """

    put: int
    deleted: int
    unchanged: int


@dataclass(frozen=True, slots=True)
class Forgotten:
    """The proof that a user is no longer in the store.

    Attributes:
        user_id: who; the report is the only place that still says so.
        removed: rows removed from each table.
        left: rows found for the user when each table was read again afterwards: 0.
        mark: the salted hash by which the store knows that the user must leave the next dataset,
            vectors and checkpoints.
        at: when, in milliseconds since 1970.
    """

    user_id: str
    removed: Mapping[str, int]
    left: int
    mark: str
    at: int


@dataclass(frozen=True, slots=True)
class Key:
    """An API key as the store knows it: never the key itself.

    Attributes:
        key_id: the open part of the key, by which it is revoked.
        name: whom or what it is for.
        scopes: some of "read", "write", "admin".
        created_at: milliseconds since 1970.
        revoked_at: the same, or None where it is still good.
    """

    key_id: str
    name: str
    scopes: frozenset[str]
    created_at: int
    revoked_at: int | None = None


@dataclass(frozen=True, slots=True)
class Experiment:
    """An experiment as it was put down.

    Attributes:
        name: its name.
        definition: layer, salt, arms, metric, ...: whatever JSON the caller wrote.
        created_at: when it was first put down, in milliseconds since 1970.
        changed_at: when it was last changed.
    """

    name: str
    definition: Mapping[str, Any]
    created_at: int
    changed_at: int


@dataclass(frozen=True, slots=True)
class Health:
    """How the store is.

    Attributes:
        alive: whether writes are taken and the last one did not fail.
        queue: rows that wait to be written.
        queue_most: more than so many, and `StoreBusy` is raised.
        last_commit_ms: how long the last commit took; 0 before the first.
        backend: "sqlite" or "postgresql".
        trouble: why it is not alive, for the log: it says where the store lies. Empty otherwise.
        advice: the same for everybody: what to do, which names no place. Empty where it is alive.
        counts: of all that was written since it was opened: rows, commits, failures.
    """

    alive: bool
    queue: int
    queue_most: int
    last_commit_ms: float
    backend: str
    trouble: str = ""
    advice: str = ""
    counts: Mapping[str, int] = field(default_factory=dict)
