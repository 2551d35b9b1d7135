"""One thing that answers: models in service, what users did, the experiments they are in."""

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any, cast

from grapevine.errors import ConfigError
from grapevine.evaluation.experiments import Experiment, Plan
from grapevine.log import logger
from grapevine.serving.engine import Asked, Happened, Host, Rules, Served, answers
from grapevine.serving.faces import Faces
from grapevine.serving.faults import Refusal
from grapevine.serving.observe import Metrics
from grapevine.serving.quality import Quality
from grapevine.serving.said import NOWHERE, Place, listed, told
from grapevine.serving.settings import Settings, beside
from grapevine.serving.store import Event, Forgotten, Listed, Store, StoreBusy

PLAN_SECONDS = 2.0
"""How long experiments are remembered: another server may have changed them."""
FORGOTTEN_SECONDS = 300.0
"""How long it is remembered who was forgotten by other servers."""


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
        self._arms: dict[str, Host] = {}
        self._plan, self._planned_at = Plan(()), -1e9
        self._faces: dict[str, Faces] = {}
        self._forgotten, self._looked_at = set[str](), -1e9
        self._lock = threading.Lock()

    # Asking.

    def recommend(self, asked: Asked, request_id: str) -> dict[str, Any]:
        """The answer to a question as JSON has it; what was shown is kept.

        Args:
            asked: the question, with the history of its user.
            request_id: names the list.

        Raises:
            Refusal: the store takes no more just now.
            ConfigError: it cannot be answered.
        """
        (said,) = self.recommend_all([(asked, request_id)])
        if isinstance(said, Exception):
            raise said
        return said

    def recommend_all(
        self, questions: Sequence[tuple[Asked, str]]
    ) -> "list[dict[str, Any] | Exception]":
        """The same of several, each with the ID of its request; or why there is no answer."""
        out: list[dict[str, Any] | Exception] = [busy()] * len(questions)
        at: defaultdict[str, list[int]] = defaultdict(list)
        places: list[Place] = []
        asked: list[Asked] = []
        for number, (one, _) in enumerate(questions):
            user = one.user_id
            if user is not None and self.is_forgotten(user):
                # The model's own memory of training must not speak for who was forgotten.
                one = replace(one, user_id=None)
            places.append(self.place_of(user) if user is not None else NOWHERE)
            asked.append(one)
            at[places[-1].run].append(number)
        shown: list[Listed] = []
        current = self.host.current().version
        for run, numbers in at.items():
            with self._arms.get(run, self.host).lease() as served:
                began = time.perf_counter()
                found = answers(served, [asked[number] for number in numbers])
                took = (time.perf_counter() - began) / len(numbers)
                faces, name = self.faces(served), served.run.name
                for number, answer in zip(numbers, found):
                    if isinstance(answer, Exception):
                        out[number] = answer
                        continue
                    (question, request_id), place = questions[number], places[number]
                    out[number] = told(faces, name, answer, request_id, question.user_id, place)
                    self.metrics.answered(answer, took)
                    if served.version == current:
                        self.quality.answered(current, answer)
                    if question.user_id is not None and answer.items:
                        self.quality.shown(request_id, answer)
                        shown.append(listed(answer, request_id, question.user_id, place))
        if shown:
            self._keep(shown)
        return out

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

    def _keep(self, shown: Sequence[Listed]) -> None:
        try:
            self.store.show(shown)
        except StoreBusy as error:
            # An experiment whose lists are not logged is worth nothing: rather answer later.
            self.metrics.unexposed.inc(len(shown))
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
        if before is not None and before.arms != experiment.arms:
            raise Refusal(
                409, "running", f"`{experiment.name}` runs, and its arms cannot be changed",
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
            folder = self.settings.within_root(run)
            self._arms[run] = Host.start(folder, onnx=beside(folder))


def busy() -> Refusal:
    """The store has more to write than it may hold."""
    return Refusal(503, "busy", "too many events wait to be written", "send it again", wait=1)
