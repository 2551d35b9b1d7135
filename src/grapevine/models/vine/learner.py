"""Vine on its way: what a step loses, a part for each question."""

from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Int64
from torch import Tensor
from torch.nn.functional import mse_loss

from grapevine.core.over_all import log_shares_over_all
from grapevine.data.dataset import Dataset
from grapevine.graph.cooccurrence import distinct
from grapevine.models.calibration import BINS
from grapevine.models.sequence.batches import EpochBatches, Minibatch
from grapevine.models.sequence.lanes import LaneBatches
from grapevine.models.sequence.learner import SequenceLearner
from grapevine.models.sequence.losses import LOSSES, Asked
from grapevine.models.sequence.sources import Sources
from grapevine.models.vine.begun import WARMTHS
from grapevine.models.vine.config import Config
from grapevine.models.vine.held import Held
from grapevine.models.vine.labels import furthest, scale_of
from grapevine.models.vine.links import Links, Lookup, arrays_of
from grapevine.models.vine.model import Vine
from grapevine.models.vine.network import VineNetwork
from grapevine.models.vine.unordered import OF_TARGET, reordered
from grapevine.random import stream
from grapevine.tasks.cascade import cascaded, log_chances

LEAST = 1e-30
"""Chance of what nothing speaks for."""

# T = places that ask, R = behaviours, P = pairs of a history and an item


class VineLearner(SequenceLearner):
    """Steps of Adam towards what came next of each behaviour, how far it went, how it was rated."""

    config: Config

    def __init__(self, config: Config, train: Dataset, *, seed: int) -> None:
        self.names, self.target = train.schema.behaviours, train.schema.target_row
        self.given = config
        self.ordered = train.schema.clock != "none"
        super().__init__(config.fitting(train), train, seed=seed)
        self.scale = scale_of(self.events.values if config.ratings else None)
        self.reached = furthest(self.events) if config.chances else np.empty(0, np.int64)
        self.held_back, self.owners = self.aside & bool(self.links), self.events.users
        self.asked_of = self._asked_of() if config.chances else None
        self.unjudged = self.aside & bool(self.asked_of)
        self.lookups = [Lookup.of(one) for one in self.links.values()]

    @cached_property
    def aside(self) -> Bool[np.ndarray, " users"]:
        """Users who are held back: see `Config.honest`."""
        draw = stream(self.seed, "vine", "honest")
        return draw.random(self.events.num_users) < self.config.honest

    def _asked_of(self) -> Held:
        """What chances are calibrated by."""
        events, reached = self.events, self.reached
        draw, users = stream(self.seed, "vine", "held"), np.flatnonzero(self.aside)
        if not self.ordered:
            events = reordered(events, self.target, 0.0, draw)[0]
            reached = furthest(events)
        return Held.of(events, reached, users, self._known(), draw)

    @cached_property
    def links(self) -> dict[str, Links]:
        """Where items lead, by what that means."""
        config, found = self.config, dict[str, Links]()
        wanted = self.events.users[self.events.behaviours == self.target]
        # Where nobody who is held back has an answer, when to pass on cannot be learnt.
        if not config.passed or not self.aside[wanted].any():
            return found
        if self.ordered:
            found["after"] = Links.after(self.events, config.links)
        return found | {"beside": Links.beside(self.events, config.links)}

    @cached_property
    def takers(self) -> Int64[np.ndarray, " items"]:
        """How many users took each item."""
        lists = distinct(self.events.histories, self.events.num_items)
        return np.bincount(lists.values, minlength=self.events.num_items)

    def _network(self, train: Dataset, sources: Sources | None) -> VineNetwork:
        return VineNetwork(
            self.config,
            self.events.num_items,
            behaviours=len(self.names),
            target=self.target,
            times=train.schema.timed,
            sources=sources,
            takers=torch.from_numpy(self.takers) if self.links else None,
            links=len(self.links),
        )

    def batches(self, epoch: int) -> EpochBatches | LaneBatches:
        """The mini-batches of an epoch, counted from 0; see `unordered` for logs without order."""
        if self.ordered:
            return super().batches(epoch)
        draw = stream(self.seed, "vine", "order", epoch)
        share = OF_TARGET if self.config.auxiliary else 1.0
        events, order = reordered(self.events, self.target, share, draw)
        last = replace(self.config, asks="last", answers="all", windows="latest", ends_early=0.0)
        return EpochBatches(last, events, self.seed, epoch, self.answering, order=order)

    def loss(self, batch: Minibatch) -> dict[str, Tensor]:
        """Each question's own loss, weighed, by its name."""
        assert batch.after is not None
        network, config = self.network, self.config
        assert isinstance(network, VineNetwork)
        answers = batch.answers
        if self.rows is not None:
            answers = torch.searchsorted(self.rows, answers)
        kinds = self.events.behaviours[batch.after]
        parts: dict[str, Tensor] = {}
        with network.items_at_hand(self.steps_done):
            h_TD = network(batch.places).flatten(0, 1)[batch.asking]
            for behaviour, name in enumerate(self.names):
                weight = 1.0 if behaviour == self.target else config.auxiliary
                mine = kinds == behaviour
                if behaviour != self.target:
                    mine &= ~self.held_back[self.owners[batch.after]]
                here = np.flatnonzero(mine)
                if not weight or not len(here):
                    continue
                if behaviour == self.target and network.pointer is not None:
                    parts |= self._told(network, batch, h_TD[here], answers[here], here)
                    continue
                asked = self._asked(network, h_TD[here], answers[here], behaviour, batch.key)
                parts[name] = weight * LOSSES[config.loss](asked)
            parts |= self._of_pairs(network, batch, h_TD)
        return parts or {self.names[self.target]: h_TD.sum() * 0}

    def _asked(
        self, network: VineNetwork, h_TD: Tensor, answers: Tensor, behaviour: int, key: int
    ) -> Asked:
        asking = network.ask_about(h_TD, behaviour)
        return Asked(asking, answers, network, self.config, self.proposal, key, self.rows)

    def _told(
        self,
        network: VineNetwork,
        batch: Minibatch,
        h_TD: Tensor,
        answers: Tensor,
        here: np.ndarray,
    ) -> dict[str, Tensor]:
        """How badly the target's answers are told, by the histories and by the whole catalogue.

        Three questions, whose losses add up to minus the log of an answer's chance. Does it stand
        in the history, and where? If not, what share of all items has it? And how much of what is
        left goes to the places that pass the question on, and how much to that share?

        The last one must be learnt where the network knows no answer by heart, or it is believed
        too much: of users who are held back, and it changes nothing but the pointer.
        """
        assert batch.after is not None
        places, longest = batch.asking[here], batch.places.items.shape[1]
        row_T, place_T = places // longest, places % longest
        held_T = torch.from_numpy(self.held_back[self.owners[batch.after[here]]])
        stands_T, parts = torch.zeros_like(held_T), dict[str, Tensor]()
        if self.config.begun:
            pointed = network.point(h_TD, batch.places, row_T, place_T)
            question, row = pointed.question, row_T[pointed.question]
            same_P = batch.places.items[row, pointed.column] == batch.answers[here][question]
            stands_T[question[same_P]] = True
            # Of an item that stands there one place speaks, so that nothing need be added up.
            logs_T = pointed.of_others().masked_fill(stands_T, 0.0)
            logs_T = logs_T.index_add(0, question[same_P], pointed.of_pairs()[same_P, 0])
            parts["begun"] = -logs_T.mean()
        if (by_all_T := ~(held_T | stands_T)).any():
            asked = self._asked(network, h_TD[by_all_T], answers[by_all_T], self.target, batch.key)
            part = int(by_all_T.sum()) / len(here)
            parts[self.names[self.target]] = part * LOSSES[self.config.loss](asked)
        if (rest_T := held_T & ~stands_T).any():
            asked = self._asked(network, h_TD[rest_T], answers[rest_T], self.target, batch.key)
            # Who is held back speaks for all.
            part = int((~stands_T).sum()) / len(here)
            lost = self._passed(network, batch, asked, h_TD[rest_T], row_T[rest_T], place_T[rest_T])
            parts["passed"] = part * lost
        return parts

    def _passed(
        self,
        network: VineNetwork,
        batch: Minibatch,
        asked: Asked,
        h_TD: Tensor,
        row_T: Tensor,
        place_T: Tensor,
    ) -> Tensor:
        """How badly answers are told that stand in no history, by what it leads to and by all."""
        seen = batch.places
        pointed = network.point(h_TD, seen, row_T, place_T, still=True)
        question, column = pointed.question, pointed.column
        speaks = seen.items[row_T[question], column].numpy()
        answers = asked.answers if self.rows is None else self.rows[asked.answers]
        wanted, shares = answers[question].numpy(), list[Tensor]()
        for kind, lookup in zip(self.links, self.lookups):
            # The user took both; but came from the one to the other in the last step alone.
            last = (column == place_T[question]).numpy()
            own = last if kind == "after" else np.ones_like(last)
            shares.append(torch.from_numpy(lookup(speaks, wanted, own)))
        chance_P = (pointed.of_pairs()[:, 1:].exp() * torch.stack(shares, 1)).sum(1)
        said_T = chance_P.new_zeros(len(h_TD)).index_add(0, question, chance_P)
        whole = asked.whole
        h_TD, bias_I = whole.pop("x_TD"), whole.pop("bias_I")
        for none_T, warmth in zip(pointed.of_none().unbind(1), WARMTHS):
            bias = None if bias_I is None else warmth * bias_I
            share_T = log_shares_over_all(x_TD=warmth * h_TD, bias_I=bias, **whole)
            said_T = said_T + (none_T + share_T).exp()
        return (pointed.of_others() - said_T.clamp_min(LEAST).log()).mean()

    def _known(self) -> Int64[np.ndarray, " known"]:
        """Items that could be taken."""
        return np.arange(self.events.num_items) if self.rows is None else self.rows.numpy()

    def _of_pairs(self, network: VineNetwork, batch: Minibatch, h_TD: Tensor) -> dict[str, Tensor]:
        """The chances and ratings of the items that came next, and of some that did not."""
        config = self.config
        if not config.chances and not len(self.scale):
            return {}
        assert batch.after is not None
        draw = stream(batch.key, "vine", "pairs")
        some = np.sort(draw.permutation(len(batch.after))[: config.chance_pairs])
        event = batch.after[some]
        h_PD, parts = h_TD[some], dict[str, Tensor]()
        known = self._known()
        drawn = known[draw.integers(len(known), size=(config.chance_negatives, len(some)))]
        rows = np.concatenate([self.events.items[event][None], drawn]).ravel()
        wanted, place = np.unique(rows, return_inverse=True)
        items_PD = network.vectors(torch.from_numpy(wanted))[torch.from_numpy(place)]
        said = network.judge(h_PD.repeat(len(drawn) + 1, 1), items_PD)
        if config.chances:
            reached = np.concatenate([self.reached[event], np.full(drawn.size, -1)])
            judged = np.tile(~self.unjudged[self.owners[event]], len(drawn) + 1)
            lost = self._chances(said[torch.from_numpy(judged), :-1], reached[judged])
            parts["chances"] = config.chances * lost
        if len(self.scale):
            values = torch.from_numpy(np.asarray(self.events.values)[event])
            there = torch.isfinite(values)
            wished = (values[there] - float(self.scale[0])) / float(self.scale[1])
            found = said[: len(some), -1][there]
            lost = mse_loss(found, wished) if len(wished) else found.sum()
            parts["ratings"] = config.ratings * lost
        return parts

    def _chances(self, said_PR: Tensor, reached_P: np.ndarray) -> Tensor:
        """-log of the chances of how far each pair went, by the pairs that went anywhere."""
        lost = said_PR.new_zeros(())
        for behaviour, chance in enumerate(cascaded(said_PR.unbind(1), "chain")):
            yes, no = log_chances(chance, "chain")
            went = torch.from_numpy(reached_P >= behaviour)
            lost = lost - torch.where(went, yes, no).sum()
        return lost / max(int((reached_P >= 0).sum()), 1)

    def model(self) -> Vine:
        """The model as it is now."""
        found = super().model()
        held: dict[str, Any] = {name: getattr(found, name) for name in found.arrays}
        none = len(self.names) if self.config.chances else 0
        model = Vine(
            config=self.given, weights=found.weights, target=np.array([self.target]),
            asking=np.array([self.target]), scale=self.scale,
            platt=np.tile([1.0, 0.0], (none, 1)), held=np.zeros((none, 3, BINS)),
            takers=self.takers if self.links else np.empty(0, np.int64),
            **arrays_of(self.links), **held,
        )  # fmt: skip
        return model if self.asked_of is None else model.calibrated(self.asked_of)
