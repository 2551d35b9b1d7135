"""The shop's oracle: the best possible answer, from the truth itself."""

# Q = questions, I = items, K = tastes

from dataclasses import dataclass, fields
from typing import Any, ClassVar, Self

import numpy as np
from jaxtyping import Float32, Float64, Int64

from grapevine.data.dataset import Dataset
from grapevine.data.shop import truth, words
from grapevine.data.shop.shoppers import Shoppers
from grapevine.data.shop.visits import BEHAVIOURS, BUY, CART, CHECKOUT_MS, CLICK, DELAY_MS, RULES
from grapevine.data.shop.world import World
from grapevine.errors import DataError
from grapevine.structs.batch import Batch
from grapevine.structs.jagged import gather_index

PAUSE_MS = 10 * 60_000
"""Clicks further apart are of two sessions: within one they are at most 2 minutes apart."""
ELSEWHERE = 1e-9
"""Chance left to what is not in the cart, so that the rest is ranked too."""
PRIOR = 4.0
"""A stranger's history is weighed against so many events of the average shopper."""
ROUNDS = 10
"""Rounds of expectation maximisation for a stranger's tastes."""


@dataclass(frozen=True, kw_only=True)
class Oracle:
    """Log of the chance that each item is what is bought at the time of asking.

    Everything is bought out of the cart, so a history that shows carts gives most away: item i,
    put into the cart a time d ago, is bought in the next moment at the rate

        b (q u + (1 - q) f(d)) / (1 - b (q s + (1 - q) F(d)))

    with b the chance that it is bought at all, q that this is in the same session, u and s the
    density and the share passed of the minute in which this session's purchases fall, and f and F
    the exponential density and distribution of later purchases. The score is the share of each
    item in the sum of these rates, and what is not in the cart has a chance of 1e-9 together,
    split by taste. This is exact for shoppers of the shop with their whole history, but for the
    session's end: it is taken to be the last click.

    Without carts (none in the history, or `carts = False`) the score is the chance of the click
    that leads to a purchase: taste, price, season, trend and the funnel are exact, the place
    within the session is averaged over. It is the measure for models that do not look at carts.

    What was bought is never bought again. Strangers (user row -1) are given the mix of tastes,
    categories and budget that their history makes likely (expectation maximisation from the
    average shopper): an approximation.

    Attributes:
        world: truth about the items, by item row.
        shoppers: truth about the users, by user row.
        meaning: place in the shop's behaviours of each behaviour of the schema.
    """

    @dataclass(frozen=True, kw_only=True, slots=True)
    class Config:
        """What the oracle may use."""

        carts: bool = True
        """Whether it looks into the carts; if not, it knows tastes alone."""

        def fit(self, train: Dataset, *, seed: int = 0) -> "Oracle":
            """Read the truth.

            Raises:
                DataError: the dataset is not a shop, or its behaviours were renamed.
            """
            world, shoppers = truth.load(train.path)
            for name in train.schema.behaviours:
                if name not in BEHAVIOURS:
                    raise DataError(
                        f"{train.name}: `{name}` is not a behaviour of the shop",
                        hint=f"the oracle knows {', '.join(BEHAVIOURS)}",
                    )
            meaning = [BEHAVIOURS.index(name) for name in train.schema.behaviours]
            return Oracle(
                config=self,
                world=world.take(words.rows(train.items.ids)),
                shoppers=shoppers.take(words.rows(train.users.ids)),
                meaning=np.array(meaning, np.int64),
            )

    config: Config
    world: World
    shoppers: Shoppers
    meaning: Int64[np.ndarray, " behaviours"]
    paper: ClassVar[str] = ""

    def score(self, batch: Batch) -> Float32[np.ndarray, "Q I"]:
        """Log of the chance that each item is bought at the time of asking."""
        shoppers = self._asking(batch)
        share = truth.share_of_year(batch.asked_at)
        done = self._pairs(batch, BUY)
        chance = self._by_taste(shoppers, share)
        chance[done.question, done.item] = 0
        chance /= np.maximum(chance.sum(1, keepdims=True), 1e-300)
        if self.config.carts:
            chance = self._from_carts(chance, batch, shoppers)
        with np.errstate(divide="ignore"):
            return np.log(chance).astype(np.float32)

    def state(self) -> dict[str, np.ndarray]:
        """All that is known, as named arrays."""
        parts = {"world": self.world, "shoppers": self.shoppers}
        named = {
            f"{name}.{field.name}": np.ascontiguousarray(getattr(part, field.name))
            for name, part in parts.items()
            for field in fields(part)
        }
        return {**named, "meaning": self.meaning}

    @classmethod
    def restore(cls, config: Any, state: dict[str, np.ndarray]) -> Self:
        """The oracle that had this config and this state."""

        def part(name: str) -> dict[str, np.ndarray]:
            start = f"{name}."
            return {key[len(start) :]: state[key] for key in state if key.startswith(start)}

        return cls(
            config=config,
            world=World(**part("world")),
            shoppers=Shoppers(**part("shoppers")),
            meaning=state["meaning"],
        )

    def _by_taste(
        self, shoppers: Shoppers, share: Float32[np.ndarray, " Q"]
    ) -> Float64[np.ndarray, "Q I"]:
        """Chance of a click on each item that leads to a purchase, up to a factor a question."""
        world = self.world
        taste = truth.mix_of(shoppers, share) @ world.affinity.T
        drives = (taste, world.quality[None], truth.excess_of(shoppers, world.dearness[None]))
        clicked = truth.usual_click_chances(world, shoppers, share)
        return clicked * truth.cart_chance(*drives) * truth.buy_chance(*drives)

    def _from_carts(
        self, chance: Float64[np.ndarray, "Q I"], batch: Batch, shoppers: Shoppers
    ) -> Float64[np.ndarray, "Q I"]:
        carts, done = self._pairs(batch, CART), self._pairs(batch, BUY)
        size = len(self.world)
        open_ = ~np.isin(carts.question * size + carts.item, done.question * size + done.item)
        question, item, time = carts.question[open_], carts.item[open_], carts.time[open_]
        rate = np.zeros(chance.shape)
        rate[question, item] = self._rates(batch, shoppers, question, item, time)
        total = rate.sum(1, keepdims=True)
        bought = rate / np.where(total > 0, total, 1)
        return np.where(total > 0, (1 - ELSEWHERE) * bought + ELSEWHERE * chance, chance)

    def _rates(
        self,
        batch: Batch,
        shoppers: Shoppers,
        question: Int64[np.ndarray, " carts"],
        item: Int64[np.ndarray, " carts"],
        time: Int64[np.ndarray, " carts"],
    ) -> Float64[np.ndarray, " carts"]:
        """The rate at which each open cart is bought at the time of asking, a millisecond."""
        who = shoppers.take(question)
        taste = (truth.mix_of(who, truth.share_of_year(time)) * self.world.affinity[item]).sum(1)
        excess = truth.excess_of(who, self.world.dearness[item][:, None])[:, 0]
        bought = truth.buy_chance(taste, self.world.quality[item], excess)
        session, last = self._session(batch)
        asked = batch.asked_at[question]
        opens, closes = CHECKOUT_MS
        passed = (asked - last[question] - opens) / (closes - opens)
        present = time >= session[question]
        now = present & (passed >= 0) & (passed <= 1)
        at_once = RULES.at_once * now / (closes - opens)
        gone = RULES.at_once * np.where(present, np.clip(passed, 0, 1), 1)
        waited = np.exp(-np.maximum(asked - time, 0) / DELAY_MS)
        later = 1 - RULES.at_once
        rate = bought * (at_once + later * waited / DELAY_MS)
        return rate / (1 - bought * (gone + later * (1 - waited)))

    def _session(self, batch: Batch) -> tuple[Int64[np.ndarray, " Q"], Int64[np.ndarray, " Q"]]:
        """When each question's last session started, and when its last click was."""
        clicks = self._pairs(batch, CLICK)
        before = np.concatenate([[-PAUSE_MS], clicks.time[:-1]])
        new = (clicks.time - before > PAUSE_MS) | (np.diff(clicks.question, prepend=-1) > 0)
        start, last = (np.full(len(batch), -PAUSE_MS, np.int64) for _ in range(2))
        # Later entries overwrite earlier ones: the last one of each question stays.
        start[clicks.question[new]] = clicks.time[new]
        last[clicks.question] = clicks.time
        return start, last

    def _pairs(self, batch: Batch, behaviour: int) -> "_Events":
        keep = (self.meaning[batch.behaviours] == behaviour) & (batch.items >= 0)
        question = np.repeat(np.arange(len(batch)), np.diff(batch.offsets))
        return _Events(question[keep], batch.items[keep].astype(np.int64), batch.times[keep])

    def _asking(self, batch: Batch) -> Shoppers:
        """Truth about who asks; for a stranger, what the history makes likely."""
        stranger = batch.users < 0
        known = self.shoppers.take(batch.users[~stranger])
        if not stranger.any():
            return known
        place = np.argsort(np.argsort(stranger, kind="stable"), kind="stable")
        return Shoppers.joined([known, self._guess(batch, np.flatnonzero(stranger))]).take(place)

    def _guess(self, batch: Batch, strangers: Int64[np.ndarray, " strangers"]) -> Shoppers:
        """Strangers as their histories suggest, each weighed against PRIOR average events."""
        offsets, place = gather_index(batch.offsets, strangers)
        who = np.repeat(np.arange(len(strangers)), np.diff(offsets))
        known = batch.items[place] >= 0
        who, items = who[known], batch.items[place[known]]

        def added(average: Any, seen: np.ndarray) -> np.ndarray:
            total = np.broadcast_to(PRIOR * average, (len(strangers), *np.shape(average))).copy()
            np.add.at(total, who, seen)
            return total

        average = {
            name: np.asarray(getattr(self.shoppers, name), np.float64).mean(0)
            for name in ("before", "after", "wants", "budget", "care", "activity")
        }
        usual = (average["before"] + average["after"]) / 2
        mix = np.broadcast_to(usual, (len(strangers), len(usual)))
        for _ in range(ROUNDS):
            blame = mix[who] * self.world.shares[:, items].T
            mix = added(usual, blame / blame.sum(1, keepdims=True))
            mix = mix / mix.sum(1, keepdims=True)
        wants = added(average["wants"], np.eye(len(average["wants"]))[self.world.category[items]])
        # People buy a little below their budget, and about as far below it whoever they are.
        margin = average["budget"] - np.average(self.world.dearness, weights=self.world.popularity)
        budget = added(average["budget"], self.world.dearness[items] + margin)
        budget = budget / (PRIOR + np.bincount(who, minlength=len(strangers)))
        size = len(strangers)
        return Shoppers(
            age=np.zeros(size, np.uint8),
            gender=np.zeros(size, np.uint8),
            town=np.zeros(size, np.uint8),
            before=mix.astype(np.float32),
            after=mix.astype(np.float32),
            wants=(wants / wants.sum(1, keepdims=True)).astype(np.float32),
            budget=budget.astype(np.float32),
            care=np.full(size, average["care"], np.float32),
            activity=np.full(size, average["activity"], np.float32),
        )


@dataclass(frozen=True, slots=True)
class _Events:
    """Events of one behaviour, in the order of the batch."""

    question: Int64[np.ndarray, " events"]
    item: Int64[np.ndarray, " events"]
    time: Int64[np.ndarray, " events"]
