"""What users did and were shown: told to a store, and durable when its future is done."""

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Generic, TypeVar

from grapevine.errors import StoreError
from grapevine.serving.store import checks, rows
from grapevine.serving.store.access import Access
from grapevine.serving.store.insert import Row
from grapevine.serving.store.values import Appended, Event, Exposure, Listed

Told = TypeVar("Told")


@dataclass(frozen=True, slots=True)
class Kind(Generic[Told]):
    """A kind of thing that is told, all of one call or none.

    Attributes:
        table: where its rows go.
        faults: what is wrong with some of them.
        rows: their rows, as of a time.
    """

    table: str
    faults: Callable[[Sequence[Told]], list[checks.Fault]]
    rows: Callable[[Sequence[Told], int], list[Row]]


_EVENTS = Kind("events", checks.event_faults, rows.of_events)
_EXPOSURES = Kind("exposures", checks.exposure_faults, rows.of_exposures)
_LISTS = Kind("exposures", checks.list_faults, rows.of_lists)


class ToldOf(Access):
    """See `Store`."""

    def append(self, events: Sequence[Event]) -> "Future[Appended]":
        """Keep events; the future is done when they are durable.

        An event whose `event_id` is there already counts as repeated, and the first one stays. So
        does, without being kept, one that speaks of the time before its user was forgotten.

        Raises:
            Refused: an event breaks the limits; none of the call is taken.
            StoreBusy: too much waits to be written.
        """
        return self._insert(_EVENTS, events)

    def expose(self, exposures: Sequence[Exposure]) -> "Future[Appended]":
        """Keep what was shown; through the same writer, and as durable.

        Raises:
            Refused: an exposure breaks the limits; none of the call is taken.
            StoreBusy: too much waits to be written.
        """
        return self._insert(_EXPOSURES, exposures)

    def show(self, lists: Sequence[Listed]) -> "Future[Appended]":
        """Keep lists that were shown: as `expose` of all their items, for a tenth of the time.

        Raises:
            Refused: a list breaks the limits; none of the call is taken.
            StoreBusy: too much waits to be written.
        """
        return self._insert(_LISTS, lists)

    def settle(self, most_s: float) -> bool:
        """Wait until all that was told before is durable, and can be read.

        Args:
            most_s: seconds to wait for it.

        Returns:
            Whether it is; a store that cannot write just now, or only reads, does not wait longer.
        """
        if self._written_by is None:
            return False
        try:
            # Nothing at all, behind all that waits.
            self._written_by.insert("events", []).result(most_s)
        except (StoreError, TimeoutError):
            return False
        return True

    def _insert(self, kind: Kind[Told], told: Sequence[Told]) -> "Future[Appended]":
        if faults := kind.faults(told):
            raise checks.Refused(faults)
        return self._writer.insert(kind.table, kind.rows(told, self.clock()))
