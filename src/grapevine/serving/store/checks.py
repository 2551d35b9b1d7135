"""The limits on what may go into the store, all faults told at once."""

import difflib
import math
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from grapevine.errors import DataError
from grapevine.serving.store.values import Event, Exposure, Listed

MOST_EVENTS = 1_000
"""Events in one call."""
MOST_ID_BYTES = 128
"""Bytes of UTF-8 in an ID or a name."""
MOST_SHOWN_ID = 500
"""Characters in the ID of an item that was shown: what an index can hold."""
END_MS = 4_133_980_800_000
"""The first millisecond after the year 2100; times lie in [0, END_MS), as they do in datasets."""
SECONDS = range(10**9, 10**11)
"""Seconds since 2001; as milliseconds they were before March 1973, when nobody shopped here."""
GREATEST_VALUE = 3.4028234e38
"""Datasets keep values as float32, and a greater one would become infinite."""
MOST_FAULTS = 100
"""Faults that one error lists; a caller with more has one fault many times."""

_EVENT_FIELDS = tuple(field.name for field in fields(Event))
_NEEDED = ("event_id", "user_id", "item_id", "behaviour")
_OPTIONAL_IDS = ("session_id", "request_id")


@dataclass(frozen=True, slots=True)
class Fault:
    """Something wrong with one field.

    Attributes:
        place: which event or exposure, from 0; None where the whole call is meant.
        field: the field's name, empty where the whole event is meant.
        reason: what is wrong with it, after the name.
        what: what the places count.
    """

    place: int | None
    field: str
    reason: str
    what: str = "event"

    def __str__(self) -> str:
        place = "" if self.place is None else f"{self.what} {self.place}: "
        return f"{place}{f'`{self.field}` ' if self.field else ''}{self.reason}"


class Refused(DataError):
    """Events or exposures break the limits, and none of the call was taken.

    The message names fields and reasons, never what they held: that may be personal.

    Attributes:
        faults: all of them, the first `MOST_FAULTS`.
    """

    def __init__(self, faults: Sequence[Fault]) -> None:
        more = f", and {len(faults) - 1} more" if len(faults) > 1 else ""
        super().__init__(
            f"{faults[0]}{more}",
            hint="nothing of this call was taken: put it right and send it again",
        )
        self.faults = tuple(faults[:MOST_FAULTS])


def read_events(given: object) -> tuple[list[Event], list[Fault]]:
    """Events out of parsed JSON, and everything that is wrong with them.

    Args:
        given: a list of objects with the fields of `Event`.

    Returns:
        The events, and all faults; the events are to be used only where there is no fault.
    """
    if not isinstance(given, Sequence) or isinstance(given, str | bytes):
        return [], [Fault(None, "events", "is not a list")]
    if too_many := _too_many(given):
        return [], too_many
    events: list[Event] = []
    faults: list[Fault] = []
    for place, row in enumerate(given):
        if not isinstance(row, Mapping):
            faults.append(Fault(place, "", "is not an object"))
            continue
        faults += [Fault(place, *fault) for fault in _unknown(row)]
        event = Event(**{name: row.get(name) for name in _EVENT_FIELDS})  # pyright: ignore[reportArgumentType]
        faults += [Fault(place, *fault) for fault in _of_event(event)]
        events.append(event)
    return events, faults


def event_faults(events: Sequence[Event]) -> list[Fault]:
    """Everything that is wrong with the events of one call."""
    return _too_many(events) or [
        Fault(place, *fault) for place, event in enumerate(events) for fault in _of_event(event)
    ]


def exposure_faults(exposures: Sequence[Exposure]) -> list[Fault]:
    """Everything that is wrong with the exposures of one call."""
    return _too_many(exposures) or [
        Fault(place, *fault)
        for place, exposure in enumerate(exposures)
        for fault in _of_exposure(exposure)
    ]


def list_faults(lists: Sequence[Listed]) -> list[Fault]:
    """Everything that is wrong with the lists of one call."""
    return [
        Fault(place, *fault, "list") for place, one in enumerate(lists) for fault in _of_list(one)
    ]


def id_fault(value: object) -> str:
    """What is wrong with an ID or a name, empty where nothing is.

    >>> id_fault("u-42"), id_fault(""), id_fault("u" * 129)
    ('', 'is empty', 'is longer than 128 bytes')
    """
    if not isinstance(value, str):
        return "is missing" if value is None else "is not text"
    if not value:
        return "is empty"
    if value.isascii():
        size = len(value)
    else:
        try:
            size = len(value.encode())
        except UnicodeEncodeError:
            return "is not valid Unicode"
    if size > MOST_ID_BYTES:
        return f"is longer than {MOST_ID_BYTES} bytes"
    if not value.isprintable() and any(unicodedata.category(one) == "Cc" for one in value):
        return "holds a control character"
    if not unicodedata.is_normalized("NFC", value):
        return "is not in Unicode's normal form C: two spellings would be two users"
    return ""


def number_fault(value: object, least: float, most: float) -> str:
    """What is wrong with a number, empty where nothing is."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return "is not a number"
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        return "is not finite"
    return "" if least <= number <= most else f"is not in {least:g} to {most:g}"


def _of_event(event: Event) -> Iterator[tuple[str, str]]:
    for name in _NEEDED:
        if reason := id_fault(getattr(event, name)):
            yield name, reason
    for name in _OPTIONAL_IDS:
        value = getattr(event, name)
        if value is not None and (reason := id_fault(value)):
            yield name, reason
    if event.timestamp is not None and (reason := _time_fault(event.timestamp)):
        yield "timestamp", reason
    if event.value is not None and (
        reason := number_fault(event.value, -GREATEST_VALUE, GREATEST_VALUE)
    ):
        yield "value", reason


def _of_list(one: Listed) -> Iterator[tuple[str, str]]:
    for experiment, arm, chance in one.places:
        # What holds for a whole list is looked at once, with its first item.
        first = "-", 1, (one.scores[:1] or (0.0,))[0]
        names = experiment, arm, one.model
        yield from _of_exposure(Exposure(one.request_id, one.user_id, *first, chance, *names))
    for item_id in one.item_ids:
        if reason := _shown_fault(item_id):
            yield "item_id", reason
    if len(one.item_ids) != len(one.scores):
        yield "score", "is not there for each item"
    if not all(map(math.isfinite, one.scores[1:])):
        yield "score", "is not finite"


def _shown_fault(item_id: object) -> str:
    """What keeps an item of a list from being kept.

    It is of a catalogue, whose IDs may be longer, or spelt otherwise, than those that callers send:
    that is no reason to answer nobody who would get the item.
    """
    if not isinstance(item_id, str) or not item_id:
        return "is missing"
    if len(item_id) > MOST_SHOWN_ID:
        return f"is longer than {MOST_SHOWN_ID} characters"
    if not item_id.isascii():
        try:
            item_id.encode()
        except UnicodeEncodeError:
            return "is not valid Unicode"
    return "holds a zero" if "\0" in item_id else ""


def _of_exposure(exposure: Exposure) -> Iterator[tuple[str, str]]:
    for name in ("request_id", "user_id", "item_id"):
        if reason := id_fault(getattr(exposure, name)):
            yield name, reason
    for name in ("experiment", "arm", "model"):
        value: object = getattr(exposure, name)
        # These may be empty: outside of an experiment, say.
        if value != "" and (reason := id_fault(value)):
            yield name, reason
    if isinstance(exposure.rank, bool) or not isinstance(exposure.rank, int):
        yield "rank", "is not a whole number"
    elif not 1 <= exposure.rank < 2**31:
        yield "rank", "is not in 1 to 2147483647"
    if reason := number_fault(exposure.score, -math.inf, math.inf):
        yield "score", reason
    reason = number_fault(exposure.propensity, 0, 1)
    if reason or not exposure.propensity:
        yield "propensity", reason or "is 0, and what is never shown cannot be shown"
    if exposure.shown_at is not None and (reason := _time_fault(exposure.shown_at)):
        yield "shown_at", reason


def _time_fault(value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, int):
        return "is not a whole number of milliseconds"
    if value in SECONDS:
        return "looks like seconds, and as milliseconds would be before 1974: send milliseconds"
    return "" if 0 <= value < END_MS else "is not in 1970 to 2100, in milliseconds"


def _too_many(rows: Sequence[Any]) -> list[Fault]:
    if len(rows) <= MOST_EVENTS:
        return []
    return [Fault(None, "events", f"are {len(rows):,}: at most {MOST_EVENTS:,} go into one call")]


def _unknown(row: Mapping[Any, Any]) -> Iterator[tuple[str, str]]:
    for name in row:
        if name not in _EVENT_FIELDS:
            near = difflib.get_close_matches(str(name), _EVENT_FIELDS, n=1)
            # The name is the caller's own text: cut, so that no message grows with it.
            yield str(name)[:64], f"is no field of an event{f': `{near[0]}`?' if near else ''}"
