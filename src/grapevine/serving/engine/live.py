"""What is known since a run was trained: items put and deleted, what goes with them, what is taken.

Of no run in particular: it is laid over whatever run is in service, and so outlives a swap.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

Fields = Mapping[str, Any]
"""What a catalogue says of an item, by column."""


@dataclass(frozen=True, slots=True)
class Live:
    """What is known since; a value, of which a changed one is made.

    Attributes:
        items: by ID, what was put; None for what was deleted.
        beside: of items that were put, what else those took who took them, each user's items
            sharing one: so they add up to the number of users.
        lately: of each behaviour, by item, how many users did it of late.
    """

    items: Mapping[str, Fields | None] = field(default_factory=dict)
    beside: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    lately: Mapping[str, Mapping[str, int]] = field(default_factory=dict)

    def said(self, items: Mapping[str, Fields | None]) -> "Live":
        """The same with more said of items; what was said of them before does not count."""
        gone = {name for name, fields in items.items() if fields is None}
        beside = self.beside
        if gone & beside.keys():
            beside = {name: found for name, found in beside.items() if name not in gone}
        return replace(self, items={**self.items, **items}, beside=beside)

    def met(self, beside: Mapping[str, Mapping[str, float]]) -> "Live":
        """The same with what else was taken beside some items."""
        return replace(self, beside={**self.beside, **beside})


NO_LIVE = Live()
