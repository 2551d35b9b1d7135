"""One thing that answers: models in service, what users did, the experiments they are in."""

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

from grapevine.errors import ConfigError
from grapevine.evaluation.experiments import Experiment, Plan
from grapevine.log import logger
from grapevine.serving.engine import Answer, Asked, Happened, Host, Rules, Served
from grapevine.serving.faces import Faces
from grapevine.serving.faults import Refusal
from grapevine.serving.observe import Metrics
from grapevine.serving.settings import Settings
from grapevine.serving.store import Event, Exposure, Forgotten, Store, StoreBusy

PLAN_SECONDS = 2.0
"""How long experiments are remembered: another server may have changed them."""
FORGOTTEN_SECONDS = 300.0
"""How long it is remembered who was forgotten by other servers."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a user stands in the experiments.

    Attributes:
        arms: of each experiment that the user takes part in, its arm.
        chances: of each, that of the arm.
        run: the run that an arm asks for; empty for the one in service.
    """

    arms: dict[str, str]
    chances: dict[str, float]
    run: str = ""


NOWHERE = Place({}, {})


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
        self.newest = 0.0
        self._arms: dict[str, Host] = {}
        self._plan, self._planned_at = Plan(()), -1e9
        self._faces: dict[str, Faces] = {}
        self._forgotten, self._looked_at = set[str](), -1e9
        self._lock = threading.Lock()

    # Asking.

    def recommend(self, asked: Asked, request_id: str, *, cap_hours: float = 0.0) -> dict[str, Any]:
        """The answer to a question as JSON has it; what was shown is kept.

        Args:
            asked: the question; of a user whose history is not sent along, the store has it.
            request_id: names the list.
            cap_hours: how far back what was shown counts, for `Rules.most_shown`.

        Raises:
            Refusal: the store takes no more just now.
        """
        user = asked.user_id
        if user is not None and self.is_forgotten(user):
            # The model's own memory of training must not speak for who was forgotten.
            asked = replace(asked, user_id=None)
        place = self.place_of(user) if user is not None else NOWHERE
        host = self._arms.get(place.run, self.host)
        with host.lease() as served:
            with self.metrics.stage("answer"):
                answer = served.answer(asked)
            said = self._told(served, answer, request_id, user)
        if place.arms:
            said["experiments"] = place.arms
        self._watch(answer)
        if user is not None:
            self._shown(answer, request_id, user, place)
        return said

    def history(self, user_id: str) -> tuple[Happened, ...]:
        """What the store knows that a user did, in order of arrival."""
        return tuple(Happened(*one) for one in self.store.brief_history(user_id))

    def shown(self, user_id: str | None, rules: Rules, hours: float) -> dict[str, int]:
        """How often each item was shown to a user lately, where a rule asks for that."""
        if user_id is None or rules.most_shown is None:
            return {}
        return self.store.shown(user_id, round(1000 * (self.clock() - 3600 * hours)))

    def is_forgotten(self, user_id: str) -> bool:
        """Whether a user asked to be forgotten: what the run knows of them is not used then."""
        if self.clock() - self._looked_at > FORGOTTEN_SECONDS:
            self._looked_at = self.clock()
            with self.host.lease() as served:
                known = list(served.histories.row_of)
            self._forgotten = set(self.store.forgotten(known))
        return user_id in self._forgotten

    def forget(self, user_id: str) -> Forgotten:
        """Remove all that is kept of a user, and use nothing that the model has of them."""
        proof = self.store.forget(user_id)
        self.host.forget(user_id)
        self._forgotten.add(user_id)
        return proof

    def faces(self, served: Served) -> Faces:
        """How the items of a version are shown."""
        found = self._faces.get(served.version)
        if found is None:
            found = Faces(served, pictures=self.pictures)
            with self._lock:
                # The one that took over, and the one that is on its way out.
                while len(self._faces) > 1 + len(self._arms):
                    self._faces.pop(next(iter(self._faces)))
                self._faces[served.version] = found
        return found

    def _told(
        self, served: Served, answer: Answer, request_id: str, user: str | None
    ) -> dict[str, Any]:
        faces = self.faces(served)
        return {
            "request_id": request_id,
            "model": {"name": served.run.name, "version": answer.version},
            "user_id": user,
            "fallback": answer.fallback,
            "items": [
                {
                    **faces.of(one.item_id),
                    "rank": one.rank,
                    "score": one.score,
                    "reasons": [
                        {
                            "kind": why.kind,
                            "text": why.text,
                            "items": [told._asdict() for told in why.items],
                        }
                        for why in one.reasons
                    ],
                }
                for one in answer.items
            ],
            "experiments": {},
        }

    def _watch(self, answer: Answer) -> None:
        metrics = self.metrics
        for stage, seconds in answer.took.items():
            metrics.stages.labels(stage).observe(seconds)
        if answer.fallback:
            metrics.fallbacks.labels(answer.fallback).inc()
        if answer.items:
            metrics.score_mean.set(sum(one.score for one in answer.items) / len(answer.items))
        metrics.history_length.set(answer.heard)

    def _shown(self, answer: Answer, request_id: str, user: str, place: Place) -> None:
        model = answer.version
        exposures = [
            Exposure(
                request_id, user, str(one.item_id), one.rank, one.score,
                propensity=place.chances.get(name, 1.0), experiment=name,
                arm=place.arms.get(name, ""), model=model,
            )
            for name in place.arms or ("",)
            for one in answer.items
        ]  # fmt: skip
        if not exposures:
            return
        try:
            self.store.expose(exposures)
        except StoreBusy as error:
            # An experiment whose lists are not logged is worth nothing: rather answer later.
            self.metrics.unexposed.inc()
            raise busy() from error

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

    # Experiments.

    @property
    def plan(self) -> Plan:
        """The experiments that run."""
        if self.clock() - self._planned_at > PLAN_SECONDS:
            self._planned_at = self.clock()
            found = [
                Experiment.from_json({**one.definition, "name": one.name})
                for one in self.store.experiments().values()
                if not one.definition.get("ended")
            ]
            self._open_arms(found)
            self._plan = Plan(tuple(found))
        return self._plan

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

    def put(self, experiment: Experiment) -> Experiment:
        """Put an experiment down, once it is sure that it gets into no other's way.

        Raises:
            ConfigError: it does, or an arm's run cannot be opened.
            Refusal: its arms are changed while it runs.
        """
        running = {one.name: one for one in self.plan.experiments}
        before = running.pop(experiment.name, None)
        what = before and (before.arms, before.window_days)
        if what and what != (experiment.arms, experiment.window_days):
            raise Refusal(
                409, "running", f"`{experiment.name}` runs: its arms and its window stay",
                "give the changed experiment another name",
            )  # fmt: skip
        Plan((*running.values(), experiment))
        for arm in experiment.arms:
            if arm.run:
                self._open_arm(arm.run)
        self.store.put_experiment(experiment.name, experiment.to_json())
        self._planned_at = -1e9
        return experiment

    def _open_arms(self, experiments: Iterable[Experiment]) -> None:
        wanted = {arm.run for one in experiments for arm in one.arms if arm.run}
        for run in wanted - self._arms.keys():
            try:
                self._open_arm(run)
            except (ConfigError, ValueError) as error:
                # Its users get the model in service, and the log says so.
                logger.error("the run `%s` of an experiment cannot be opened: %s", run, error)
        for run in self._arms.keys() - wanted:
            del self._arms[run]

    def _open_arm(self, run: str) -> None:
        if run not in self._arms:
            self._arms[run] = Host.start(self.settings.within_root(run))


def busy() -> Refusal:
    """The store has more to write than it may hold."""
    return Refusal(503, "busy", "too many events wait to be written", "send it again", wait=1)
