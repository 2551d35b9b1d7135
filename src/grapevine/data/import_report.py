"""What an import did: what it read, left out and wrote, and how it took the columns."""

from dataclasses import dataclass
from pathlib import Path

from grapevine.data.readers.rows import BadRow


@dataclass(frozen=True, kw_only=True)
class ImportReport:
    """What an import read, left out and wrote.

    Attributes:
        out: the dataset folder.
        total: rows of events that were read; always `good + bad`.
        good: rows that were taken, duplicates included.
        bad: rows that were not.
        duplicates: good rows that repeat an event and were not written again.
        out_of_order: events earlier than the one that arrived before them, of the same user.
        ties: events at the same time as the event before them, of the same user.
        users: users of the dataset.
        items: items of the dataset.
        behaviours: events of each behaviour, in cascade order, before duplicates are left out.
        target: the one that is predicted.
        bad_catalogue: rows of items, users and links that were not taken.
        added_items: items met in the events that the catalogue did not list.
        time_unit: how times were read; "order" where there are none.
        columns: role of each column that was used.
        guessed: those among them whose role was guessed from the name.
        ignored: columns of the events that were left out.
        notes: what else is worth knowing.
        bad_rows: the first bad rows.
        seconds: how long it took.
    """

    out: Path
    total: int
    good: int
    bad: int
    duplicates: int
    out_of_order: int
    ties: int
    users: int
    items: int
    behaviours: dict[str, int]
    target: str
    bad_catalogue: dict[str, int]
    added_items: int
    time_unit: str
    columns: dict[str, str]
    guessed: dict[str, str]
    ignored: tuple[str, ...]
    notes: tuple[str, ...]
    bad_rows: tuple[BadRow, ...]
    seconds: float

    @property
    def rows_per_second(self) -> float:
        """Rows of events read, checked, sorted and written in a second."""
        return self.total / max(self.seconds, 1e-9)
