"""One version of a model in service: immutable, checked whole before it answers anything."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int64

from grapevine import manifest
from grapevine.errors import ConfigError, unknown
from grapevine.index.folder import open_index
from grapevine.index.vector_index import VectorIndex
from grapevine.models.base import Embeds, Factored
from grapevine.models.run import Run, open_run
from grapevine.serving.engine.asked import Answer, Asked, Happened, Shown, Why
from grapevine.serving.engine.asking import eager
from grapevine.serving.engine.catalogue import Catalogue
from grapevine.serving.engine.choosing import Chooser, Chosen
from grapevine.serving.engine.histories import Heard, Histories
from grapevine.serving.engine.indexes import index_of, own_index
from grapevine.serving.engine.kin import Kin
from grapevine.serving.engine.laid_over import Over, laid_over
from grapevine.serving.engine.live import Live
from grapevine.serving.engine.pictures import Around, Attention, Map, Pictures
from grapevine.serving.engine.told import Teller
from grapevine.serving.engine.ways import Products, Question, Way, Whole
from grapevine.structs.batch import Batch
from grapevine.structs.jagged import Jagged

LEAST = float(np.finfo(np.float32).min)


@dataclass(frozen=True, slots=True)
class Side:
    """What a run says of one behaviour.

    Attributes:
        behaviour: its row.
        way: how scores come about.
        chooser: of what is shown.
        teller: of the reasons.
    """

    behaviour: int
    way: Way
    chooser: Chooser
    teller: Teller


@dataclass(frozen=True)
class Served:
    """A run that answers questions; all that a question needs was prepared when it was opened.

    Nothing of it changes, so that any number of threads may ask.

    Attributes:
        run: the run, whose history is what is known of its users.
        version: short hash of the run's manifest.
        catalogue: its items.
        histories: of its users, and of strangers.
        sides: by behaviour, for each that the run predicts.
        kin: finds what is alike in content.
        pictures: what a page draws.
        over: what is known since the run was trained; None where nothing is.
    """

    run: Run
    version: str
    catalogue: Catalogue
    histories: Histories
    sides: dict[str, Side] = field(repr=False)
    kin: Kin = field(repr=False)
    pictures: Pictures = field(repr=False)
    over: Over | None = field(default=None, repr=False)

    @classmethod
    def open(
        cls,
        run_folder: str | Path,
        index_folder: str | Path | None = None,
        onnx: str | Path | None = None,
    ) -> "Served":
        """Open a run for service, every byte checked before it is read.

        Args:
            run_folder: the run.
            index_folder: an index of its item vectors (`grapevine embed`, then `grapevine index`);
                one is made if not given and there are many items.
            onnx: the user side as `grapevine export` writes it; the network itself answers if not
                given.

        Raises:
            BundleError: a folder or file is damaged, or does not belong to the run.
            ConfigError: the model has no user side that could be asked so.
        """
        folder = Path(run_folder)
        run = open_run(folder)
        return cls.of(
            run,
            version_of(folder),
            index=None if index_folder is None else open_index(Path(index_folder)),
            onnx=None if onnx is None else Path(onnx),
        )

    @classmethod
    def of(
        cls, run: Run, version: str, *, index: VectorIndex | None = None, onnx: Path | None = None
    ) -> "Served":
        """A run that is open already; see `open`."""
        model, catalogue = run.model, Catalogue(run)
        vectors = None
        if isinstance(model, Factored):
            told = model.products(Batch.of_histories(Jagged.empty(1))).items
            vectors = np.ascontiguousarray(told, np.float32)
        elif index is not None or onnx is not None:
            raise ConfigError(
                f"the scores of {run.name} are not products of two vectors",
                hint="leave out the index and the ONNX file: all scores are computed",
            )
        sides: dict[str, Side] = {}
        alike = model.item_vectors()[0] if isinstance(model, Embeds) else vectors
        for name, asked in _answering(run):
            way: Way = Whole(asked.model)
            if vectors is not None and isinstance(asked.model, Factored):
                found = own_index(vectors, run.items.ids) if index is None else index
                way = Products.of(eager(asked.model), index_of(run, vectors, found))
                if onnx is not None:
                    from grapevine.serving.engine.onnx import open_asking

                    way = Products.of(open_asking(onnx, run, version), way.index)
            row = asked.schema.target_row
            chooser = Chooser(catalogue, asked.history.of(row).counts(), alike)
            sides[name] = Side(row, way, chooser, Teller(asked, catalogue))
        return cls(
            run=run,
            version=version,
            catalogue=catalogue,
            histories=Histories(run, catalogue),
            sides=sides,
            kin=Kin(run),
            pictures=Pictures(sides[run.schema.target].teller, catalogue, alike),
        )

    def with_live(self, live: Live) -> "Served":
        """The same version with items as they are by now; this one stays as it is.

        Args:
            live: all that is known since the run was trained.
        """
        return laid_over(self, live)

    def answer(self, asked: Asked) -> Answer:
        """The best items for a user, a history or an item, by the rules that are asked for.

        Raises:
            ConfigError: the run does not know the item or the behaviour, or the catalogue tells
                not what a filter or a rule asks.
        """
        began = time.perf_counter()
        side = self.side(asked.behaviour)
        heard = self.histories.of(asked, side.behaviour)
        read = time.perf_counter()
        return self.answered(asked, side, heard, side.way.question(heard), (began, read))

    def answered(
        self, asked: Asked, side: Side, heard: Heard, question: Question, at: Sequence[float] = ()
    ) -> Answer:
        """The answer to a question whose history was read.

        Args:
            asked: the question.
            side: of the behaviour that is asked for.
            heard: the history.
            question: the same, to be asked for items.
            at: when it was begun with, and when the history stood; now if not given.

        Raises:
            ConfigError: as `answer`.
        """
        clock = time.perf_counter
        at = [*at, clock()] if at else [clock()] * 3
        allowed = side.chooser.allowed(asked)
        hidden = side.chooser.hidden(asked, self.histories.seen(heard, side.behaviour))
        at.append(clock())
        cold = not len(heard) and asked.item_id is None and self._listens
        cold = cold and not self._told(heard.user)
        found = side.chooser.candidates(asked, question, allowed, hidden, cold=cold)
        if asked.item_id is not None and (found.fallback or heard.new is not None):
            row = self.catalogue.row_of[str(asked.item_id)]
            alike = self._alike(row, asked.k + len(hidden))
            found = side.chooser.instead(asked, row, alike, found, allowed, hidden)
        at.append(clock())
        chosen = side.chooser.arranged(asked, question, heard, found)
        at.append(clock())
        items = tuple(self._lines(side, asked, heard, chosen))
        at.append(clock())
        stages = ("history", "user", "filters", "retrieval", "rules", "why")
        return Answer(
            items=items,
            fallback=chosen.fallback,
            version=self.version,
            heard=len(heard),
            took={stage: stop - start for stage, start, stop in zip(stages, at, at[1:])},
        )

    def related(self, item_id: Any, k: int = 10, *, why: bool = False) -> Answer:
        """What goes with an item: what is best for whoever took it and nothing else."""
        return self.answer(Asked(item_id=item_id, k=k, why=why))

    def why(self, asked: Asked, item_ids: Sequence[Any]) -> list[tuple[Why, ...]]:
        """The reasons for these items, whether or not the answer would show them.

        Raises:
            ConfigError: the run does not know an item.
        """
        side = self.side(asked.behaviour)
        heard = self.histories.of(asked, side.behaviour)
        return side.teller.reasons(heard, [self._row(one) for one in item_ids], "")

    def attention(self, history: Sequence[Happened], behaviour: str | None = None) -> Attention:
        """Who heard whom in a history, layer by layer and head by head.

        Raises:
            ConfigError: the model weighs no events, or knows nothing of these.
        """
        row = self.side(behaviour).behaviour
        return self.pictures.attention(self.histories.of(Asked(history=history), row))

    def around(self, item_id: Any) -> Around:
        """The random walks around an item, with weights.

        Raises:
            ConfigError: the run does not know the item.
        """
        return self.pictures.around(self._row(item_id))

    def map(self) -> Map:
        """Where each item lies, on a plane; made when first asked for.

        Raises:
            ConfigError: the model has no vectors.
        """
        return self.pictures.map()

    @property
    def _listens(self) -> bool:
        """Whether the model answers by what it hears: the others answer strangers as anybody."""
        return getattr(self.run.model, "listens", True)

    def _told(self, user: int) -> bool:
        """Whether the model knows something of a user who did nothing, such as its attributes."""
        told = getattr(self.run.model, "told", None)
        return told is not None and user >= 0 and bool(told[user])

    def _alike(self, row: int, most: int) -> Int64[np.ndarray, " alike"]:
        """The items that are most alike in what the catalogue says; else those it stands among."""
        table = self.catalogue.table[[row]]
        found = self.kin.nearest(table, most + 1)[0][0]
        if not len(found) and self.over is not None and self.over.placed is not None:
            place = row - self.catalogue.known
            found = self.over.placed.kin[place].astype(np.int64) if place >= 0 else found
        return found[(found != row) & (found >= 0)]

    def side(self, behaviour: str | None) -> Side:
        """What the run says of a behaviour, its target if none is named.

        Raises:
            ConfigError: it does not predict it.
        """
        side = self.sides.get(self.run.schema.target if behaviour is None else behaviour)
        if side is None:
            raise unknown("behaviour that this run predicts", str(behaviour), self.sides)
        return side

    def _row(self, item_id: Any) -> int:
        row = self.catalogue.shown(item_id)
        if row is None:
            raise self.histories.no_item(item_id)
        return row

    def _lines(self, side: Side, asked: Asked, heard: Heard, chosen: Chosen) -> Iterator[Shown]:
        ids, rows = self.catalogue.ids, chosen.rows.tolist()
        told: list[tuple[Why, ...]] = [()] * len(rows)
        if asked.why:
            told = side.teller.reasons(heard, rows, chosen.fallback)
        for rank, (row, score) in enumerate(zip(rows, chosen.scores.tolist()), start=1):
            # What is never shown of itself may be pinned, and JSON knows no infinity.
            yield Shown(ids[row], rank, max(score, LEAST), told[rank - 1], self._source(row))

    def _source(self, row: int) -> str:
        new = row - self.catalogue.known
        return "model" if new < 0 or self.over is None or self.over.placed is None else (
            self.over.placed.how[new]
        )  # fmt: skip


def version_of(folder: Path) -> str:
    """The name of the version that a run folder is: a short hash of its manifest."""
    return manifest.version(folder)


def _answering(run: Run) -> Iterator[tuple[str, Run]]:
    """The run asked for each behaviour that it predicts, its target first."""
    yield run.schema.target, run
    for behaviour in run.schema.behaviours:
        if behaviour != run.schema.target:
            try:
                yield behaviour, run.answering(behaviour)
            except ConfigError:  # it predicts its target alone
                return
