"""What training leaves of Vine: a sequence model that can be asked several questions."""

from dataclasses import dataclass, replace
from functools import cached_property, partial, reduce
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int32, Int64

from grapevine.errors import ConfigError
from grapevine.graph.listen import listen_sparse
from grapevine.models.calibration import Table, platt, sigmoid, table_of
from grapevine.models.sequence.model import FEW, Reader, blocks
from grapevine.models.vine.begun import WARMTHS
from grapevine.models.vine.config import Config as VineConfig
from grapevine.models.vine.links import KINDS
from grapevine.structs.batch import Batch
from grapevine.structs.jagged import offsets_of

if TYPE_CHECKING:  # torch is loaded when something is asked
    from grapevine.models.vine.begun import Pointed
    from grapevine.models.vine.held import Held
    from grapevine.models.vine.network import VineNetwork


@dataclass(frozen=True, kw_only=True)
class Vine(Reader):
    """A shop's questions, answered by one network.

    Items are told by their own vectors, their features and their neighbours on the graph; a history
    of every behaviour is read by the sequence encoder; each behaviour asks for its next item with a
    head of its own, which in a cascade adds to that of the behaviour before it; a tower tells of a
    history and an item the chance of each behaviour (the chain of ESMM) and the rating. All of it
    is learnt together.

    Attributes:
        target: `(1,)` the behaviour that was learnt for.
        asking: `(1,)` the behaviour that is asked about.
        scale: `(2,)` mean and deviation of the values it was taught; of no length where there were
            none.
        platt: `(R, 2)` slope and offset of the log-odds of each behaviour, R of 0 where no chances
            were learnt.
        held: `(R, 3, bins)` whether chances came true: see `calibration`.
        takers: `(I,)` how many users took each item; of no length where places pass nothing on.
        after_offsets: `(I + 1,)` what was taken right after item i is `[offsets[i],
            offsets[i + 1])`; of no length where that is not looked at.
        after_items: `(E,)` item rows.
        after_shares: `(E,)` of all that came after the item.
        beside_offsets: as `after_offsets`, of what else the users of an item took.
        beside_items: likewise.
        beside_shares: likewise.
    """

    Config: ClassVar[type] = VineConfig
    arrays: ClassVar[tuple[str, ...]] = (
        *Reader.arrays, "target", "asking", "scale", "platt", "held", "takers",
        *(f"{kind}_{part}" for kind in KINDS for part in ("offsets", "items", "shares")),
    )  # fmt: skip

    target: Int64[np.ndarray, " one"]
    asking: Int64[np.ndarray, " one"]
    scale: Float32[np.ndarray, " moments"]
    platt: Float64[np.ndarray, "behaviours two"]
    held: Float64[np.ndarray, "behaviours three bins"]
    takers: Int64[np.ndarray, " takers"]
    after_offsets: Int64[np.ndarray, " after_rows"]
    after_items: Int32[np.ndarray, " after_links"]
    after_shares: Float32[np.ndarray, " after_links"]
    beside_offsets: Int64[np.ndarray, " beside_rows"]
    beside_items: Int32[np.ndarray, " beside_links"]
    beside_shares: Float32[np.ndarray, " beside_links"]
    paper: ClassVar[str] = (
        "Ma, Zhao, Huang, Wang, Hu, Zhu, Gai: Entire space multi-task model: An effective approach "
        "for estimating post-click conversion rate. SIGIR 2018. arXiv:1804.07931 (the chances)"
    )

    @cached_property
    def network(self) -> "VineNetwork":
        """The network, ready to be asked."""
        import torch

        from grapevine.models.vine.network import VineNetwork

        network = VineNetwork(
            self.config,
            len(self.items),
            behaviours=len(self.weights["about"]),
            target=int(self.target[0]),
            asking=int(self.asking[0]),
            times=bool(self.timed[0]),
            takers=torch.from_numpy(self.takers) if len(self.takers) else None,
            links=len(self.ways),
        )
        network.load_state_dict({n: torch.from_numpy(one) for n, one in self.weights.items()})
        return network.eval()

    @property
    def ways(self) -> tuple[str, ...]:
        """In which ways places pass questions on."""
        return tuple(kind for kind in KINDS if len(getattr(self, f"{kind}_offsets")))

    @property
    def known(self) -> Bool[np.ndarray, " items"]:
        """Items of which something is known; the others come last."""
        return self.met

    def score(self, batch: Batch) -> Float32[np.ndarray, "queries items"]:
        """What an item scores: with `begun` or `passed`, the log of its chance to be the next.

        Of an item of the history that is what the pointer says, and of any other its share among
        all items where none of the history is meant, and what the places of the history pass on to
        it. Of nobody known all are 0, and an item that is not known comes last.
        """
        import torch

        from grapevine.core.kernels.apart import apart
        from grapevine.models.sequence.reading import seen_by

        network, (events, asked_at) = self.network, self.heard(batch)
        items = torch.from_numpy(self.items)
        out = np.zeros((len(batch), len(self.items)), np.float32)
        points = network.pointer is not None and network.asking == network.target

        def answer(rows: Int64[np.ndarray, " rows"]) -> None:
            with torch.no_grad():
                seen, lengths = seen_by(network, events, rows, asked_at[rows])
                h_BD = network.at(seen, lengths - 1)
                # Not numpy's: its library of products has threads of its own.
                said = (network.ask(h_BD) @ items.T).numpy()
                if len(self.bias):
                    said += self.bias
                if points:
                    pointed = network.point(h_BD, seen, torch.arange(len(rows)), lengths - 1)
                    said = self._told(said, seen.items.numpy(), pointed)
                said[:, ~self.met] = said.min(1, keepdims=True) - 1
                out[rows] = said

        tasks = [partial(answer, rows) for rows in reversed(list(blocks(events)))]
        apart(tasks, small=len(batch) <= FEW)
        return out

    def _told(
        self,
        scores_BI: Float32[np.ndarray, "batch items"],
        items_BL: Int64[np.ndarray, "batch places"],
        pointed: "Pointed",
    ) -> Float32[np.ndarray, "batch items"]:
        """Logs of chances, of the network's scores and of what the histories say."""
        heard = list[np.ndarray]()
        for none_B, warmth in zip(pointed.of_none().numpy().T, WARMTHS):
            warm_BI = scores_BI * np.float32(warmth)
            known = warm_BI[:, self.met]
            peak_B = known.max(1, keepdims=True)
            whole_B = peak_B + np.log(np.exp(known - peak_B).sum(1, keepdims=True))
            heard.append(warm_BI + (none_B[:, None] - whole_B))
        out = reduce(np.logaddexp, heard)
        row, place = pointed.question.numpy(), pointed.column.numpy()
        item, logs_PW = items_BL[row, place], pointed.of_pairs().numpy()
        if self.ways:
            offsets = offsets_of(np.bincount(row, minlength=len(out)))
            passed = np.zeros_like(out)
            for way, kind in enumerate(self.ways):
                links = (getattr(self, f"{kind}_{part}") for part in ("offsets", "items", "shares"))
                chances = np.exp(logs_PW[:, 1 + way])
                passed += listen_sparse(offsets, item.astype(np.int32), chances, *links)
            out = np.logaddexp(out, np.log(np.maximum(passed, np.float32(1e-30))))
        if self.config.begun:
            # Whatever else speaks for it, training has it that the pointer alone tells of these.
            out[row, item] = logs_PW[:, 0]
        return out

    def answering(self, behaviour: int) -> Self:
        """The same model, asked about another behaviour.

        Args:
            behaviour: its row.

        Raises:
            ConfigError: it was not taught.
        """
        if behaviour != int(self.target[0]) and not self.config.auxiliary:
            raise ConfigError(
                "this run was taught its target alone", hint="train with model.auxiliary=0.3"
            )
        return replace(self, asking=np.array([behaviour]))

    def chances(
        self, batch: Batch, items: Int64[np.ndarray, "queries candidates"]
    ) -> Float32[np.ndarray, "queries candidates behaviours"]:
        """The chance that each behaviour is reached with each item, never rising along the funnel.

        From the moment of asking on, for as long as the log still went on for those by whom it is
        calibrated: users of whom no chance was learnt (`honest`), each at a moment drawn. Without
        them it is what training saw, of events and of `chance_negatives` items drawn for each.

        Args:
            batch: the questions.
            items: candidates of each.

        Raises:
            ConfigError: no chances were learnt.
        """
        if not self.config.chances:
            raise ConfigError("this run learnt no chances", hint="train with model.chances=0.1")
        logits = _log_odds(self._of_batch(batch, items))
        found = sigmoid(self.platt[:, 0] * logits + self.platt[:, 1]).astype(np.float32)
        # Each behaviour is calibrated by itself; none is reached without the one before it.
        return np.minimum.accumulate(found, axis=-1)

    def calibrated(self, held: "Held") -> Self:
        """The same model with chances that fit what became of these users.

        Args:
            held: histories up to a moment, and what came of them.
        """
        if not len(held):
            return self
        there = held.weights > 0
        row, column = np.nonzero(there)
        said = self._judged(self.states(held.batch)[row], held.items[row, column])
        logits = np.zeros((*there.shape, len(self.platt)))
        logits[row, column] = _log_odds(said)
        scales, tables = self.platt.copy(), self.held.copy()
        for row in range(len(scales)):
            came, weights = held.reached >= row, held.weights
            scales[row] = platt(logits[there, row], came[there], weights[there])
            tables[row] = table_of(logits[..., row], came, there, weights)
        return replace(self, platt=scales, held=tables)

    @property
    def calibration(self) -> Table:
        """Whether chances came true, each half of the questions told by the other half."""
        return Table(self.held[:, 0], self.held[:, 1], self.held[:, 2])

    def ratings(
        self, batch: Batch, items: Int64[np.ndarray, "queries candidates"]
    ) -> Float32[np.ndarray, "queries candidates"]:
        """The value that an event with each item would have, such as stars.

        Args:
            batch: the questions.
            items: candidates of each.

        Raises:
            ConfigError: the events that it learnt from had no values.
        """
        if not len(self.scale):
            raise ConfigError(
                "this run has learnt no ratings",
                hint="train on events with values, and with model.ratings above 0",
            )
        return self._of_batch(batch, items)[..., -1] * self.scale[1] + self.scale[0]

    def _of_batch(
        self, batch: Batch, items: Int64[np.ndarray, "queries candidates"]
    ) -> Float32[np.ndarray, "queries candidates answers"]:
        """What the tower says of each candidate of each question."""
        each = np.repeat(self.states(batch), items.shape[1], axis=0)
        return self._judged(each, items.ravel()).reshape(*items.shape, -1)

    def _judged(
        self, h_PD: Float32[np.ndarray, "pairs width"], items: Int64[np.ndarray, " pairs"]
    ) -> Float32[np.ndarray, "pairs answers"]:
        """What the tower says of histories and items, pair by pair."""
        import torch

        with torch.no_grad():
            said = self.network.judge(torch.from_numpy(h_PD), torch.from_numpy(self.items[items]))
        return said.numpy()


def _log_odds(
    said: Float32[np.ndarray, "*pairs answers"],
) -> Float64[np.ndarray, "*pairs behaviours"]:
    """Log-odds that each behaviour is reached, as training has them."""
    logs = -np.logaddexp(0, -said[..., :-1].astype(np.float64))
    logs = np.minimum(np.cumsum(logs, axis=-1), -1e-12)
    return logs - np.log(-np.expm1(logs))
