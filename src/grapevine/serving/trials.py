"""Experiments of a service change: one is put down, one ends."""

from grapevine.evaluation.experiments import Experiment, Plan
from grapevine.serving.faults import Refusal
from grapevine.serving.outcomes import planned
from grapevine.serving.service import Service
from grapevine.serving.store import Experiment as Kept


def put(service: Service, experiment: Experiment) -> Experiment:
    """Put an experiment down, once it is sure that it gets into no other's way.

    Raises:
        ConfigError: it does, or an arm's run lies elsewhere.
        Refused: an arm's run cannot be opened.
        Refusal: its arms are changed while it runs, or it has ended.
    """
    with service.changing:
        refuse_ended(service, experiment.name)
        service.look()  # another server may have put one down since
        running = {one.name: one for one in service.plan.experiments}
        before = running.pop(experiment.name, None)
        if before is not None and _who_gets_what(before) != _who_gets_what(experiment):
            raise Refusal(
                409, "running",
                f"`{experiment.name}` runs: its arms, its window, its layer and its salt stay",
                f"end it (DELETE /v1/experiments/{experiment.name}), and give the changed one "
                "another name",
            )  # fmt: skip
        Plan((*running.values(), experiment))
        for arm in experiment.arms:
            if arm.run:
                service.arms.open(arm.run)
        service.store.put_experiment(experiment.name, experiment.to_json())
        service.look()
    return experiment


def _who_gets_what(experiment: Experiment) -> tuple[object, ...]:
    """What decides which arm a user gets, and what of them counts: another would mix two up."""
    salt = experiment.salt or experiment.name
    return experiment.arms, experiment.window_days, experiment.layer, salt


def refuse_ended(service: Service, name: str) -> None:
    """Let nothing begin under the name of an experiment that has ended: its lists are kept.

    Raises:
        Refusal: that has ended.
    """
    kept = service.store.experiments().get(name)
    if kept is not None and planned(kept)[1] is not None:
        raise Refusal(
            409, "ended", f"`{name}` has ended: its users and its report stay as they are",
            "give the new experiment another name",
        )  # fmt: skip


def end(service: Service, name: str) -> Kept:
    """End an experiment: its part of the layer is free, its lists and its report stay.

    Ended again, it ends when it did. Other servers of the same store follow within seconds.

    Raises:
        Refusal: there is no such experiment.
    """
    with service.changing:
        kept = service.store.experiments().get(name)
        if kept is None:
            raise no_experiment()
        if planned(kept)[1] is None:
            marked = {**kept.definition, "ended": service.store.clock()}
            kept = service.store.put_experiment(name, marked)
        service.look()
    return kept


def no_experiment() -> Refusal:
    """Nothing is called so."""
    return Refusal(404, "no_experiment", "there is no such experiment", "see /v1/experiments")
