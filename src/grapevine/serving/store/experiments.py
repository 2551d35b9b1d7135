"""Experiments of a store: put down, what was shown in them, what came of it."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from sqlalchemy import select

from grapevine.serving.store import checks, reads, tables
from grapevine.serving.store.access import Access
from grapevine.serving.store.insert import upsert
from grapevine.serving.store.values import Experiment, Exposure, Outcome


class Experiments(Access):
    """See `Store`."""

    def put_experiment(self, name: str, definition: Mapping[str, Any]) -> Experiment:
        """Put an experiment down, or change it; its definition is any JSON object."""
        if reason := checks.id_fault(name):
            raise checks.Refused([checks.Fault(None, "name", reason)])
        now = self.clock()
        text = json.dumps(definition, ensure_ascii=False, allow_nan=False, sort_keys=True)
        row = {"name": name, "definition": text, "created_at": now, "changed_at": now}
        self._do(
            lambda connection: upsert(connection, tables.experiments, row, keep=("created_at",))
        )
        return self.experiments()[name]

    def experiments(self) -> dict[str, Experiment]:
        """All experiments by name, the oldest first."""
        columns = tables.experiments.c
        asked = select(columns.name, columns.definition, columns.created_at, columns.changed_at)
        asked = asked.order_by(columns.created_at, columns.name)
        rows = self._read(lambda connection: connection.execute(asked).all())
        return {row[0]: Experiment(row[0], json.loads(row[1]), row[2], row[3]) for row in rows}

    def exposed(self, experiment: str, since: int = 0) -> Iterator[Exposure]:
        """The exposures of an experiment in order of arrival, read in pieces."""
        with self._reading() as connection:
            yield from reads.exposures(connection, experiment, since)

    def outcomes(
        self,
        experiment: str,
        behaviour: str,
        *,
        window: int | None = None,
        until: int | None = None,
    ) -> list[Outcome]:
        """What each user of an experiment did, before the first list that was shown and from it on.

        Args:
            experiment: its name.
            behaviour: that counts.
            window: milliseconds from the first list on in which events count; all later ones do if
                not given. Users whose window is not over yet are among them: see `exposed_at`.
            until: when the experiment ended, in milliseconds since 1970: no list and no event from
                then on counts. None where it runs.

        Raises:
            ValueError: the window is empty.
        """
        if window is not None and window <= 0:
            raise ValueError(f"a window of {window} ms holds nothing")
        return self._read(
            lambda connection: reads.outcomes(connection, experiment, behaviour, window or 0, until)
        )
