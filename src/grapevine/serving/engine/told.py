"""Why an item is shown: what the model did, in words and in numbers, as offline."""

import threading
from collections.abc import Sequence
from copy import copy
from dataclasses import replace

from grapevine.models.reasons import NO_REASON, Reason, in_words, reasons
from grapevine.models.run import Run
from grapevine.models.sequence.model import Reader
from grapevine.serving.engine.asked import Told, Why
from grapevine.serving.engine.catalogue import Catalogue
from grapevine.serving.engine.histories import Heard
from grapevine.serving.engine.kin import Placed

MOST = 3
"""Things of a history that are named for each item."""

INSTEAD = {
    "popular": NO_REASON,
    "category": "nothing is known of this item yet: popular in its category",
    "content": "nothing is known of this item yet: alike in what the catalogue says of it",
}
"""What is said where the model has not answered, by the kind of fallback."""


class Teller:
    """Asks a model why, beside the one that answers.

    Whoever looks at maps of attention listens in on the layers of a network, which others must not
    hear meanwhile: so this one has a network of its own, made when it is first asked.

    Args:
        run: whose model.
        catalogue: of the same run.
    """

    def __init__(self, run: Run, catalogue: Catalogue) -> None:
        own = replace(run.model) if isinstance(run.model, Reader) else run.model
        self.run, self.catalogue = replace(run, model=own), catalogue
        self.lock = threading.Lock()

    placed: Placed | None = None
    """Where items stand that came since."""

    def over(self, catalogue: Catalogue, placed: Placed | None) -> "Teller":
        """The same model over a catalogue with more items.

        Args:
            catalogue: with them.
            placed: where they stand.
        """
        out = copy(self)
        out.catalogue, out.placed = catalogue, placed
        return out

    def reasons(self, heard: Heard, rows: Sequence[int], fallback: str) -> list[tuple[Why, ...]]:
        """Of each item what spoke for it, the strongest first.

        Args:
            heard: the history.
            rows: of the items.
            fallback: how it was answered, if not by the model.
        """
        if fallback:
            return [(Why(fallback, INSTEAD[fallback]),)] * len(rows)
        known = [row for row in rows if row < self.catalogue.known]
        with self.lock:
            found = reasons(self.run, heard.batch(), known, MOST) if known else []
        told = dict(zip(known, map(self._told, found)))
        return [told[row] if row in told else self._new(row) for row in rows]

    def _new(self, row: int) -> tuple[Why, ...]:
        """Of an item that came since: how the model comes to have a score for it."""
        if self.placed is None:
            return (Why("popular", NO_REASON),)
        place = row - self.catalogue.known
        how = self.placed.how[place]
        kin = [
            self._item(int(one), float(share))
            for one, share in zip(self.placed.kin[place], self.placed.shares[place])
            if share > 0 and int(one) not in self.catalogue.hidden
        ][:MOST]
        among = ", ".join(f"{one.title} ({one.share:.0%})" for one in kin)
        said = "new since the model was trained"
        if how:
            said += f": stands by its {how}" + (f", among {among}" if among else "")
        return (Why("new", said, tuple(kin)),)

    def _told(self, parts: Sequence[Reason]) -> tuple[Why, ...]:
        if not parts:
            return (Why("popular", NO_REASON),)
        told = [Why("history", in_words(self.run, parts), self._named(parts, "share"))]
        walked = [part for part in parts if part.path is not None and part.path.share > 0]
        if walked:
            items = tuple(
                self._item(part.item, part.path.share if part.path else 0.0) for part in walked
            )
            through = [
                f" through {self.catalogue.titles[part.path.via]}"
                if part.path is not None and part.path.via >= 0
                else ""
                for part in walked
            ]
            said = ", ".join(
                f"{item.share:.1%} of the walks of {item.title} lead here{by}"
                for item, by in zip(items, through)
            )
            told.append(Why("walk", said, items))
        looked = [part for part in parts if part.attention]
        if looked:
            items = self._named(looked, "attention")
            said = ", ".join(f"{item.share:.0%} of the attention on {item.title}" for item in items)
            told.append(Why("attention", said, items))
        return tuple(told)

    def _named(self, parts: Sequence[Reason], number: str) -> tuple[Told, ...]:
        return tuple(self._item(part.item, float(getattr(part, number))) for part in parts)

    def _item(self, row: int, share: float) -> Told:
        return Told(self.catalogue.ids[row], self.catalogue.titles[row], share)
