"""What a model answered, kept: it takes part in a later report without being trained again."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self
from zipfile import BadZipFile

import numpy as np

from grapevine.data.holdout import Holdout
from grapevine.errors import BundleError, CheckFailed
from grapevine.evaluation.ranked import Ranked, distinct
from grapevine.structs.batch import Batch
from grapevine.structs.jagged import Jagged
from grapevine.structs.ranking import Ranking

DEEPEST = 127
"""The last place that is kept; what came after it counts as missed."""


def asked_as(candidates: str, exclude_seen: bool, unmet: bool) -> str:
    """The name of a way of asking: which items competed, and what lists left out."""
    left_out = ("met" if unmet else "had") if exclude_seen else "nothing"
    return f"{candidates}; {left_out} left out"


@dataclass(frozen=True, kw_only=True)
class Recorded:
    """A model that is not there any more, and where its targets came when it was asked.

    Places down to the 127th are kept, so that metrics of the first ten or
    hundred are as they were; those of all places (`auc`, `scaled_mrr`, `mrr` beyond) and of what
    was shown (`coverage`) cannot be told, and are not to be asked for.

    Attributes:
        config: the options it had.
        fingerprint: of what it learnt from.
        ranks: by way of asking, float32 rank of each target, the best placed first; 0 where it was
            missed.
        targets: by way of asking, the item rows in that order, where a query has several.
    """

    config: Any
    fingerprint: str
    ranks: dict[str, np.ndarray] = field(default_factory=dict)
    targets: dict[str, np.ndarray] = field(default_factory=dict)

    def score(self, batch: Batch) -> np.ndarray:
        """Nothing: the model is not there.

        Raises:
            CheckFailed: always.
        """
        raise CheckFailed("only what it answered is kept of this model: it cannot be asked again")

    def state(self) -> dict[str, np.ndarray]:
        """What is kept, by way of asking."""
        named = {"ranks": self.ranks, "targets": self.targets}
        return {f"{part}/{way}": one for part, ways in named.items() for way, one in ways.items()}

    @classmethod
    def restore(cls, config: Any, state: dict[str, np.ndarray]) -> Self:
        """The same of a model that had this config; what it learnt from is not known."""
        return cls._of(config, "", state)

    @classmethod
    def _of(cls, config: Any, fingerprint: str, state: Mapping[str, np.ndarray]) -> Self:
        parts: dict[str, dict[str, np.ndarray]] = {"ranks": {}, "targets": {}}
        for name, array in state.items():
            part, _, way = name.partition("/")
            parts[part][way] = array
        return cls(config=config, fingerprint=fingerprint, **parts)

    def add(self, way: str, ranked: Ranked) -> None:
        """Keep what it answered when it was asked this way."""
        ranks = ranked.ranks.values
        self.ranks[way] = np.where(ranks <= DEEPEST, ranks, 0).astype(np.float32)
        if (ranked.targets.lengths > 1).any():
            self.targets[way] = ranked.targets.values

    def answers(self, way: str, holdout: Holdout, name: str) -> Ranked:
        """Where the targets of these questions came.

        Args:
            way: of asking, as `asked_as` names it.
            holdout: the very questions that it was asked.
            name: what messages call the model.

        Raises:
            CheckFailed: it was not asked this way, or other questions.
        """
        targets = distinct(holdout.targets)
        if way not in self.ranks:
            raise CheckFailed(
                f"{name} was never asked with {way}", hint=f"it was with: {'; '.join(self.ranks)}"
            )
        kept = self.ranks[way]
        if len(kept) != len(targets.values) or self.fingerprint not in {"", holdout.trained_on}:
            raise CheckFailed(f"{name} was asked other questions than these")
        ranks = np.where(kept > 0, kept.astype(np.float64), np.inf)
        nothing = np.full((len(targets), 1), -1, np.int32)
        return Ranked(
            Jagged(targets.offsets, self.targets.get(way, targets.values)),
            Jagged(targets.offsets, ranks),
            np.zeros(len(targets), np.int32),
            Ranking(nothing, np.full(nothing.shape, -np.inf, np.float32)),
        )

    def save(self, path: Path, **facts: Any) -> None:
        """Write it to a file, with further facts that JSON can hold."""
        path.parent.mkdir(parents=True, exist_ok=True)
        told = {"fingerprint": self.fingerprint, "facts": facts}
        about = np.frombuffer(json.dumps(told, sort_keys=True).encode(), np.uint8)
        with path.open("wb") as file:
            np.savez_compressed(file, allow_pickle=False, about=about, **self.state())

    @classmethod
    def load(cls, path: Path, config: Any) -> tuple[Self, dict[str, Any]]:
        """What is kept in a file, of a model with this config, and the facts beside it.

        Raises:
            BundleError: the file is not one of these.
        """
        try:
            with path.open("rb") as file, np.load(file, allow_pickle=False) as kept:
                arrays = {name: kept[name] for name in kept.files}
            told = json.loads(arrays.pop("about").tobytes())
            return cls._of(config, told["fingerprint"], arrays), told["facts"]
        except (ValueError, KeyError, OSError, EOFError, BadZipFile) as error:
            raise BundleError(
                f"{path} does not hold what a model answered: {error}", hint="remove it"
            ) from error
