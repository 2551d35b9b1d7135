"""The rows of a table, seed by seed, and what they answered, which is kept beside the results.

A benchmark of many hours is taken in parts, on machines that come and go: of a run that is trained
to its end, the places of its targets stay in `results/kept/`, and its seed is not trained again.
"""

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from grapevine.data.split import Split
from grapevine.evaluation.candidates import candidates_of
from grapevine.evaluation.protocol import Entry, evaluate
from grapevine.evaluation.rank import rank_model
from grapevine.evaluation.recorded import Recorded, asked_as
from grapevine.evaluation.report import Report
from grapevine.models.base import Trained
from grapevine.models.named import name_of
from grapevine.models.run import Run
from grapevine.pipeline import BOUNDS
from resumable import Budget, trained

KEPT = Path(__file__).parent / "results" / "kept"
SEED = 0
"""Of the candidates that are drawn, as `evaluate` draws them."""

Learn = Callable[[str, Any, int], Run | None]


def named(label: str) -> str:
    """A label as the name of a file."""
    return re.sub(r"[^a-z0-9.]+", "-", label.lower())


def plain(config: Any) -> dict[str, Any]:
    """Options as JSON has them."""
    return json.loads(json.dumps(asdict(config)))


def still(kept: Mapping[str, Any], config: Any) -> bool:
    """Whether these options are those that a run had; one that is new since has its default."""
    now, usual = plain(config), plain(type(config)())
    return kept.keys() <= now.keys() and all(
        value == kept.get(option, usual[option]) for option, value in now.items()
    )


def answered(run: Run, parts: Split, ways: Sequence[Mapping[str, Any]]) -> Recorded:
    """What a run answers, asked in each way.

    Args:
        run: trained to its end.
        parts: the questions, and what was learnt from.
        ways: `candidates` and `exclude_seen`, where they are not the usual.
    """
    found = Recorded(config=run.model.config, fingerprint=str(run.record["fingerprint"]))
    counts, everyone = parts.train.target_interactions.counts(), np.arange(len(parts.test))
    for way in ways:
        protocol = candidates_of(
            way.get("candidates", "all"),
            parts.train,
            queries=everyone,
            users=parts.test.users,
            seed=SEED,
        )
        seen = way.get("exclude_seen", True)
        ranked = rank_model(
            run.model,
            parts.test,
            candidates=protocol,
            exclude_seen=seen,
            name=run.label,
            popularity=counts,
        )
        found.add(asked_as(protocol.name, seen, parts.test.unmet), ranked)
    return found


@dataclass(frozen=True)
class Rows:
    """The runs of the rows of a table, all seeds of each.

    Attributes:
        entries: one a seed, one after another; each row is called by its label.
        runs: those that are at hand, by label.
        epochs: of each row, those of its seeds.
        missing: rows that are not trained to their end for all seeds.
    """

    entries: list[Entry] = field(default_factory=list)
    runs: dict[str, list[Run]] = field(default_factory=dict)
    epochs: dict[str, list[Any]] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)

    @classmethod
    def of(
        cls,
        wanted: Iterable[tuple[str, Any]],
        parts: Split,
        seeds: int,
        folder: Path,
        budget: Budget,
        *,
        kept: str = "",
        ways: Sequence[Mapping[str, Any]] = ({},),
        learn: Learn | None = None,
    ) -> "Rows":
        """What is there, and what is trained now; what draws nothing has one seed.

        Args:
            wanted: label and config of each row.
            parts: what is learnt from.
            seeds: of each row, from 0 on.
            folder: where runs are.
            budget: how long this may take.
            kept: folder of `results/kept` where answers stay; "" keeps none.
            ways: of asking, as `answered` has them.
            learn: trains a row with a seed; `trained` if not given.
        """

        def by_itself(label: str, config: Any, seed: int) -> Run | None:
            return trained(config, parts.train, seed, folder / f"{label}-{seed}", budget)

        found = cls()
        for label, config in wanted:
            found.runs[label], found.epochs[label] = [], []
            drawn = range(seeds if isinstance(config, Trained) else 1)
            done = [
                found._seed(label, config, seed, parts, kept, ways, learn or by_itself)
                for seed in drawn
            ]
            if not all(done):
                found.missing.append(label)
        return found

    def _seed(
        self,
        label: str,
        config: Any,
        seed: int,
        parts: Split,
        kept: str,
        ways: Sequence[Mapping[str, Any]],
        learn: Learn,
    ) -> bool:
        """One run of a row takes part, if it is there, kept, or trained now."""
        path = KEPT / kept / f"{named(label)}-{seed}.npz"
        if kept and path.is_file():
            model, facts = Recorded.load(path, config)
            if not still(facts["config"], config) or model.fingerprint != parts.test.trained_on:
                raise SystemExit(f"{path} is of other options or events: remove it to train again")
        else:
            run = learn(label, config, seed)
            if run is None:
                return False
            self.runs[label].append(run)
            model, facts = run.model, {
                "epochs": run.record.get("epochs", "-"),
                "stopped_by": run.record.get("stopped_by", "-"),
                "seconds": run.record["train_seconds"],
                "config": plain(config),
                "on": str(date.today()),
            }  # fmt: skip
            if kept:
                answered(run, parts, ways).save(path, **facts)
                # As its other seeds: a blend of runs has the options of those, not of the row.
                model, _ = Recorded.load(path, config)
        cut = "+" if facts.get("stopped_by") == "time limit" else ""
        self.epochs[label].append(f"{facts['epochs']}{cut}")
        bound = BOUNDS.get(name_of(config), "")
        self.entries.append(
            Entry(
                name=label,
                model=model,
                seed=seed,
                train_seconds=facts["seconds"],
                run=label,
                bound=bound,
            )
        )
        return True

    def report(self, parts: Split, metrics: Sequence[str], **way: Any) -> Report:
        """All rows on the same questions; seeds of a row are one line."""
        return evaluate(
            self.entries, parts.test, train=parts.train, metrics=metrics, seed=SEED, **way
        )

    def of_seeds(self, label: str) -> str:
        """The epochs of a row, seed by seed."""
        return ", ".join(str(one) for one in self.epochs[label]) or "-"

    @property
    def note(self) -> list[str]:
        """Lines that say what is missing, if anything is."""
        if not self.missing:
            return []
        return ["", f"Not trained to the end for all seeds yet: {', '.join(self.missing)}."]
