"""One thing that answers: models in service, what users did, the experiments they are in."""

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

from grapevine.evaluation.experiments import Plan
from grapevine.serving.arms import NOWHERE, Arms, Place
from grapevine.serving.engine import Answer, Asked, Happened, Host, Live, Rules, Served, answers
from grapevine.serving.faces import Faces
from grapevine.serving.faults import Refusal, busy
from grapevine.serving.following import Following
from grapevine.serving.holders import Holder, holders
from grapevine.serving.observe import Metrics
from grapevine.serving.outcomes import plan_of
from grapevine.serving.quality import Quality
from grapevine.serving.said import listed, told
from grapevine.serving.settings import Settings
from grapevine.serving.store import Event, Forgotten, Item, Listed, Shelved, Store, StoreBusy

MOST_NEW = 50_000
"""Items that came since the model was trained: each question looks at every one of them."""


class Service:
    """What the routes ask.

    Args:
        settings: what was told at the start.
        store: events, exposures, experiments, keys.
        host: the model in service.
        metrics: counters.
        pictures: whether items have pictures.
        clock: seconds since 1970.
    """

    def __init__(
        self,
        settings: Settings,
        store: Store,
        host: Host,
        metrics: Metrics,
        *,
        pictures: bool = False,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.settings, self.store, self.host, self.metrics = settings, store, host, metrics
        self.pictures, self.clock = pictures, clock
        self.newest, self.quality = 0.0, Quality(clock)
        self.arms = Arms(settings)
        self.plan, self._kept = Plan(()), dict[str, Any]()
        # Held by whoever changes experiments or keys, after a look at those that there are.
        self.changing, self._looking = threading.Lock(), threading.Lock()
        self.following = Following(store, self._revise, host.current)
        # What was known before it was started counts from the first question on.
        self.following.marks()
        self.following.items()
        self.following.lately()
        self.look()

    # Asking.

    def recommend(self, asked: Asked, request_id: str) -> dict[str, Any]:
        """The answer to a question as JSON has it; what was shown is kept.

        Args:
            asked: the question, with the history of its user.
            request_id: names the list; no other may have it.

        Raises:
            Refusal: the store takes no more just now.
            ConfigError: it cannot be answered.
        """
        (said,) = self.recommend_all([(asked, request_id)])
        if isinstance(said, Exception):
            raise said
        return said

    def recommend_all(
        self, questions: Sequence[tuple[Asked, str]], *, whole: bool = False
    ) -> "list[dict[str, Any] | Exception]":
        """The same of several, each with the ID of its list; or why there is no answer.

        Args:
            questions: with what names their lists.
            whole: all are shown or none: where one cannot be answered, no list is logged.
        """
        out: list[dict[str, Any] | Exception] = [busy()] * len(questions)
        at: defaultdict[str, list[int]] = defaultdict(list)
        places: list[Place] = []
        for number, (one, _) in enumerate(questions):
            places.append(NOWHERE if one.user_id is None else self.place_of(one.user_id))
            at[places[-1].run].append(number)
        shown, lists = dict[int, Answer](), dict[int, Listed]()
        current = self.host.current().version
        for run, numbers in at.items():
            host = self.arms.hosts.get(run, self.host)
            with host.lease() as served:
                began = time.perf_counter()
                found = answers(served, [self._of(questions[n][0], served) for n in numbers])
                took = (time.perf_counter() - began) / len(numbers)
                faces, name = self.faces(served), served.run.name
                for number, answer in zip(numbers, found):
                    if isinstance(answer, Exception):
                        out[number] = answer
                        continue
                    (question, request_id), place = questions[number], places[number]
                    out[number] = told(faces, name, answer, request_id, question.user_id, place)
                    self._record(host, question)
                    self.metrics.answered(answer, took)
                    if served.version == current:
                        self.quality.answered(current, answer)
                    if question.user_id is not None and answer.items:
                        shown[number] = answer
                        lists[number] = listed(answer, request_id, question.user_id, place)
        if whole and any(isinstance(one, Exception) for one in out):
            return out
        faults = self._keep(lists)
        for number, answer in shown.items():
            # Who is nobody is shown a list that is logged nowhere, and gets it in any case.
            if number in faults:
                out[number] = faults[number]
            else:
                self.quality.shown(questions[number][1], answer)
        return out

    def _of(self, asked: Asked, served: Served) -> Asked:
        """The question as a version may take it."""
        user = asked.user_id
        at = None if user is None else self.following.forgotten_at(user)
        if user is None or at is None:
            return asked
        # Its history may have been read before its user was forgotten, and what a model holds in
        # memory of training must not speak for who was forgotten either.
        since = [one for one in asked.history if one.timestamp is None or one.timestamp >= at]
        known = served.histories.remembers(user, at)
        return replace(asked, history=since, user_id=None if known else user)

    def _record(self, host: Host, asked: Asked) -> None:
        """Keep a question for later versions, which know not who is forgotten."""
        host.record(asked)
        # Looked at afterwards, so that whoever is forgotten meanwhile is dropped here or there.
        if asked.user_id is not None and self.following.forgotten_at(asked.user_id) is not None:
            host.forget(asked.user_id)

    def history(self, user_id: str) -> tuple[Happened, ...]:
        """What the store knows that a user did, in order of arrival."""
        # The store's own values have the same parts; of one each for every event no copy is made.
        found = self.store.brief_history(user_id)
        if found:
            self.quality.used(found[-1].timestamp)
        return cast("tuple[Happened, ...]", found)

    def shown(self, user_id: str | None, rules: Rules, hours: float) -> dict[str, int]:
        """How often each item was shown to a user lately, where a rule asks for that."""
        if user_id is None or rules.most_shown is None:
            return {}
        return self.store.shown(user_id, round(1000 * (self.clock() - 3600 * hours)))

    def is_forgotten(self, user_id: str, served: Served) -> bool:
        """Whether what a version knows of a user must not be used: they asked to be forgotten.

        Who came back since may be in a version that was trained later, by what came later alone.
        """
        at = self.following.forgotten_at(user_id)
        return at is not None and served.histories.remembers(user_id, at)

    def forget(self, user_id: str) -> tuple[Forgotten, list[Holder]]:
        """Remove all that is kept of a user, and use nothing that the models have of them.

        Returns:
            The store's proof, and the run folders that hold the user until they are trained anew.
        """
        proof = self.store.forget(user_id)
        self.following.forgot(proof.mark, proof.at)
        asked = sum(host.forget(user_id) for host in (self.host, *self.arms.hosts.values()))
        proof = replace(proof, removed={**proof.removed, "questions": asked})
        served = self.host.current().run.path
        runs = [one.resolve() for one in (self.settings.run, served) if one is not None]
        return proof, holders(self.settings.runs_root, user_id, runs)

    def look_who_is_forgotten(self) -> None:
        """Take over whom other servers have forgotten, and keep none of their questions."""
        if self.following.marks():
            for host in (self.host, *self.arms.hosts.values()):
                host.drop(
                    lambda one: (
                        one.user_id is not None
                        and self.following.forgotten_at(one.user_id) is not None
                    )
                )

    def faces(self, served: Served) -> Faces:
        """How the items of a version are shown."""
        return Faces(served, pictures=self.pictures)

    # Items.

    def put_items(self, items: Sequence[Item]) -> Shelved:
        """Keep what is said of items; when it returns it is durable, and the next answer knows it.

        Raises:
            ConfigError: the catalogue in service could not hold one.
            Refusal: there would be more new items than are looked through at each question.
        """
        with self.host.lease() as served:
            catalogue = served.catalogue
            for one in items:
                if one.fields is not None:
                    catalogue.refuse_misfits(one.item_id, one.fields)
            fresh = {one.item_id for one in items if one.fields is not None}
            new = len(fresh - catalogue.row_of.keys()) + len(catalogue) - catalogue.known
        if new > MOST_NEW:
            raise Refusal(
                409, "full", f"{new:,} items would be new since the model was trained",
                f"at most {MOST_NEW:,}: train a model that knows them, and put it into service",
            )  # fmt: skip
        done = self.store.shelf.put(items)
        self.following.items()
        return done

    def _revise(self, live: Live) -> None:
        self.host.revise(live)
        self.arms.revise(live)

    def _keep(self, shown: Mapping[int, Listed]) -> dict[int, Exception]:
        """Log lists, each under a number; why some are not.

        An experiment whose lists are not logged is worth nothing: rather answer later.
        """
        if not shown:
            return {}
        try:
            self.store.show([*shown.values()])
        except StoreBusy:
            self.metrics.unexposed.inc(len(shown))
            return dict.fromkeys(shown, busy())
        except Exception as error:
            if len(shown) == 1:
                self.metrics.unexposed.inc()
                return dict.fromkeys(shown, error)
            # Nothing was taken of any: what is wrong with one must not be told to the others.
            alone = (self._keep({number: one}) for number, one in shown.items())
            return {number: fault for found in alone for number, fault in found.items()}
        return {}

    # What happened.

    def happened(self, events: Iterable[Event]) -> Any:
        """Keep events; the future is done when they are durable.

        Raises:
            Refusal: the store takes no more just now.
        """
        try:
            return self.store.append(list(events))
        except StoreBusy as error:
            self.metrics.events.labels("refused").inc()
            raise busy() from error

    def unknown_in(self, events: Sequence[Event]) -> dict[str, Any]:
        """What events speak of that the run in service does not know; nothing if it knows it all.

        Returns:
            `behaviours`, by name, and `items`: how many of the events are of such an item.
        """
        with self.host.lease() as served:
            known, items = {*served.run.schema.behaviours}, served.catalogue.row_of
            behaviours = sorted({one.behaviour for one in events} - known)
            count = sum(one.item_id not in items for one in events)
        return {"behaviours": behaviours, "items": count} if behaviours or count else {}

    # Experiments.

    def look(self) -> None:
        """Take over the experiments that run, which another server may have changed.

        Never on the way of a question: an arm's run takes seconds to open.
        """
        with self._looking:  # what was read before a change must not take the place of that
            kept = self.store.experiments()
            if kept != self._kept:
                self.plan, self._kept = plan_of(kept.values()), kept
            wanted = [arm.run for one in self.plan.experiments for arm in one.arms if arm.run]
            self.arms.follow(wanted)

    def place_of(self, user_id: str) -> Place:
        """Where a user stands in the experiments that run."""
        plan = self.plan
        if not plan.experiments:
            return NOWHERE
        arms: dict[str, str] = {}
        chances: dict[str, float] = {}
        run = ""
        for experiment in plan.experiments:
            arm = experiment.arm_of(user_id)
            if arm is not None:
                arms[experiment.name], chances[experiment.name] = arm.name, arm.share
                run = run or arm.run
        return Place(arms, chances, run)
