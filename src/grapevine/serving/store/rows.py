"""Events and what was shown as rows of their tables: all columns but `id`."""

from collections.abc import Sequence

from grapevine.serving.store.insert import Row
from grapevine.serving.store.values import Event, Exposure, Listed


def of_events(events: Sequence[Event], now: int) -> list[Row]:
    """A row of each event; one without a time of its own is of now."""
    return [
        {
            "event_id": one.event_id,
            "user_id": one.user_id,
            "item_id": one.item_id,
            "behaviour": one.behaviour,
            "timestamp": now if one.timestamp is None else one.timestamp,
            "value": one.value,
            "session_id": one.session_id,
            "request_id": one.request_id,
            "arrived": now,
        }
        for one in events
    ]


def of_exposures(exposures: Sequence[Exposure], now: int) -> list[Row]:
    """A row of each exposure; one without a time of its own is of now."""
    return [
        {
            "request_id": one.request_id,
            "user_id": one.user_id,
            "item_id": one.item_id,
            "rank": one.rank,
            "score": one.score,
            "propensity": one.propensity,
            "experiment": one.experiment,
            "arm": one.arm,
            "model": one.model,
            "shown_at": now if one.shown_at is None else one.shown_at,
        }
        for one in exposures
    ]


def of_lists(lists: Sequence[Listed], now: int) -> list[Row]:
    """A row of each item of each list, in each experiment."""
    return [
        {
            "request_id": one.request_id,
            "user_id": one.user_id,
            "item_id": item_id,
            "rank": rank,
            "score": score,
            "propensity": chance,
            "experiment": experiment,
            "arm": arm,
            "model": one.model,
            "shown_at": now,
        }
        for one in lists
        for experiment, arm, chance in one.places
        for rank, (item_id, score) in enumerate(zip(one.item_ids, one.scores), start=1)
    ]
