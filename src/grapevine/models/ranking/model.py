"""What training leaves of the ranking stage: a retriever, and a network over what it brings."""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int64

from grapevine.models.base import Model, refuse_other_arrays
from grapevine.models.calibration import BINS, Table, platt, sigmoid, table_of
from grapevine.models.ranking.config import Config as RankingConfig
from grapevine.models.ranking.facts import Facts
from grapevine.models.ranking.shortlist import Shortlist, among, asked_once
from grapevine.structs.batch import Batch

if TYPE_CHECKING:  # torch is loaded when something is learnt or asked
    from grapevine.models.ranking.held import Held
    from grapevine.models.ranking.network import Network

BLOCK = 1 << 12
"""Candidates that the network sees at once."""
BEND = 10.0
"""Logits of this size are half way to the end of the scale."""


@dataclass(frozen=True, kw_only=True)
class Ranker:
    """The candidates of a retriever, in the order of a network; all others beneath, as they were.

    Attributes:
        config: the options.
        retriever: the first stage, fitted on all of training.
        facts: counts and times of items.
        weights: parameters of the network, by name; item vectors are in a table, however made.
        names: the behaviours that chances are of, in order; the last is the target.
        platt: `(behaviours, 2)` slope and offset that make chances of logits.
        held: `(behaviours, 3, bins)` whether these came true: see `calibration`.
    """

    Config: ClassVar[type] = RankingConfig

    config: Any
    retriever: Model
    facts: Facts
    weights: dict[str, np.ndarray]
    names: tuple[str, ...]
    platt: Float64[np.ndarray, "behaviours two"]
    held: Float64[np.ndarray, "behaviours three bins"]
    paper: ClassVar[str] = ""
    listens: ClassVar[bool] = True

    @classmethod
    def of(
        cls,
        config: Any,
        retriever: Model,
        facts: Facts,
        weights: dict[str, np.ndarray],
        behaviours: tuple[str, ...],
    ) -> Self:
        """The model of a network as it stands; its chances are those of training, not calibrated.

        Args:
            config: the options.
            retriever: the first stage.
            facts: of training.
            weights: of the network.
            behaviours: all there are.
        """
        names = behaviours[: int(facts.behaviours[1]) + 1]
        return cls(
            config=config, retriever=retriever, facts=facts, weights=weights, names=names,
            platt=np.tile([1.0, 0.0], (len(names), 1)), held=np.zeros((len(names), 3, BINS)),
        )  # fmt: skip

    def calibrated(self, held: "Held") -> Self:
        """The same model with chances that fit these questions.

        Args:
            held: of the behaviours that there are questions of; others stay as they are.
        """
        scales, tables = self.platt.copy(), self.held.copy()
        for row, case in held.items():
            found = case.found
            places = _in_order(found)
            logits = self.logits(case.batch, np.maximum(found.items, 0), found, places)[..., row]
            there = found.items >= 0
            scales[row] = platt(logits[there], case.came[there])
            tables[row] = table_of(logits, case.came, there)
        return replace(self, platt=scales, held=tables)

    @cached_property
    def network(self) -> "Network":
        """The network, ready to be asked."""
        import torch

        from grapevine.models.ranking.network import Network, Shape

        facts = self.facts
        shape = Shape(len(facts.met), len(facts.known), int(facts.behaviours[0]), len(self.names))
        network = Network(self.config, shape)
        network.load_state_dict({n: torch.from_numpy(one) for n, one in self.weights.items()})
        return network.eval()

    def score(self, batch: Batch) -> Float32[np.ndarray, "queries items"]:
        """The retriever's scores, but for its candidates: they are above all others.

        By how much tells their logits for the target, on a bent scale.
        """
        batch = self.reduced(batch)
        out = np.array(self.retriever.score(batch), np.float32)
        found = self.shortlist(out, batch)
        if not found.items.shape[1]:
            return out
        there = found.items >= 0
        items = np.maximum(found.items, 0)
        logits = self.logits(batch, items, found, _in_order(found))[..., -1]
        rest = out.copy()
        query = np.nonzero(there)[0]
        rest[query, items[there]] = -np.inf
        top = rest.max(1, keepdims=True)
        top = np.where(np.isfinite(top), np.maximum(top, 0), 0)
        lifted = top + (1 + top) * (2 + logits / (BEND + np.abs(logits)))
        out[query, items[there]] = lifted[there]
        return out

    @property
    def known(self) -> Bool[np.ndarray, " items"] | None:
        """Items of which a stage knows something; None where the first does not tell."""
        told = getattr(self.retriever, "known", None)
        return None if told is None else told | self.facts.known

    def reduced(self, batch: Batch) -> Batch:
        """The questions as both stages are asked them: with `once`, each item of a history once."""
        return asked_once(batch, len(self.facts.known)) if self.config.once else batch

    def shortlist(self, scores: Float32[np.ndarray, "queries items"], batch: Batch) -> Shortlist:
        """The candidates among all items.

        Args:
            scores: of the retriever.
            batch: the questions, as `reduced` leaves them.
        """
        return among(scores, batch, self.facts.order, self.config)

    def probabilities(
        self, batch: Batch, items: Int64[np.ndarray, "queries some"]
    ) -> Float32[np.ndarray, "queries some behaviours"]:
        """The chance that a candidate is what the user takes next, by each behaviour of `names`.

        Those of the target come true on the validation questions, those of behaviours before it on
        events that were not learnt from; without a validation they are those of training, where
        negatives were drawn, and too high. Each behaviour is calibrated by itself: nothing keeps
        the chance of a purchase below that of a click.

        Args:
            batch: the questions.
            items: rows, some for each question. One that the retriever does not bring is told by
                what is known of it without that, and has not been calibrated.

        Raises:
            ValueError: there are not as many rows as questions, or an item row is out of range.
        """
        if len(items) != len(batch):
            raise ValueError(f"{len(items)} rows of items for {len(batch)} questions")
        if items.size and not 0 <= items.min() <= items.max() < len(self.facts.known):
            raise ValueError(
                f"items must lie in [0, {len(self.facts.known)}): got {items.min()} .. "
                f"{items.max()}"
            )
        batch = self.reduced(batch)
        found = self.shortlist(np.asarray(self.retriever.score(batch)), batch)
        logits = self.logits(batch, items, found, found.places(items))
        return sigmoid(self.platt[:, 0] * logits + self.platt[:, 1]).astype(np.float32)

    @property
    def calibration(self) -> Table:
        """Whether chances came true, each half of the questions told by the other half."""
        return Table(self.held[:, 0], self.held[:, 1], self.held[:, 2])

    def logits(
        self,
        batch: Batch,
        items: Int64[np.ndarray, "queries some"],
        found: Shortlist,
        places: Int64[np.ndarray, "queries some"],
    ) -> Float32[np.ndarray, "queries some behaviours"]:
        """The log-odds of each behaviour, as training has them.

        Args:
            batch: the questions, as `reduced` leaves them.
            items: rows, some for each.
            found: what the first stage brings.
            places: where the items stand in it; -1 for one that does not.
        """
        import torch

        from grapevine.models.ranking.inputs import heard, inputs_of
        from grapevine.tasks.cascade import cascaded, log_chances

        told = found.told(places, self.config.candidates)
        out = np.empty((*items.shape, len(self.names)), np.float32)
        size, how = max(1, BLOCK // max(items.shape[1], 1)), self.config.how
        with torch.no_grad():
            for start in range(0, len(batch), size):
                part = slice(start, min(start + size, len(batch)))
                asked = heard(batch.slice(part.start, part.stop), self.facts)
                seen = inputs_of(
                    self.facts, asked, items[part], told[part], length=self.config.length
                )
                own, _ = self.network(seen)
                both = [log_chances(one, how) for one in cascaded(own, how)]
                out[part] = torch.stack([yes - no for yes, no in both], 2).numpy()
        return out

    def state(self) -> dict[str, np.ndarray]:
        """All that was learnt, as named arrays."""
        return {
            **{f"retriever.{name}": one for name, one in self.retriever.state().items()},
            **{f"facts.{name}": one for name, one in self.facts.arrays().items()},
            **{f"network.{name}": one for name, one in self.weights.items()},
            "names": np.frombuffer("\n".join(self.names).encode(), np.uint8),
            "platt": self.platt,
            "held": self.held,
        }

    @classmethod
    def restore(cls, config: Any, state: dict[str, np.ndarray]) -> Self:
        """The model that had this config and this state.

        Raises:
            BundleError: an array is missing, or there is one too many.
        """
        from grapevine.models import MODELS

        parts = {name: dict[str, np.ndarray]() for name in ("retriever", "facts", "network", "")}
        for key, array in state.items():
            kind, dot, rest = key.partition(".")
            known = dot and kind in parts
            parts[kind if known else ""][rest if known else key] = array
        refuse_other_arrays(cls, ("names", "platt", "held"), parts[""])
        refuse_other_arrays(Facts, Facts.__dataclass_fields__, parts["facts"])
        first = MODELS[config.retriever].model.restore(config.first_stage(), parts["retriever"])
        plain = parts[""]
        out = cls(
            config=config, retriever=first, facts=Facts(**parts["facts"]),
            weights=parts["network"], platt=plain["platt"], held=plain["held"],
            names=tuple(plain["names"].tobytes().decode().split("\n")),
        )  # fmt: skip
        out._check_network()
        return out

    def _check_network(self) -> None:
        """Let every parameter of the network be there, and no other.

        Raises:
            BundleError: one is missing, or there is one too many.
        """
        from grapevine.models.ranking.network import Network, Shape

        shape = Shape(1, 1, int(self.facts.behaviours[0]), len(self.names))
        wanted = Network(self.config, shape).state_dict()
        refuse_other_arrays(type(self), wanted, self.weights)


def _in_order(found: Shortlist) -> Int64[np.ndarray, "queries candidates"]:
    """Where the candidates stand in their own list."""
    return np.where(found.items >= 0, np.arange(found.items.shape[1]), -1)
