"""Experiments: put down, listed, told, ended."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Request, Response

from grapevine.evaluation.experiments import Arm, free_start
from grapevine.evaluation.experiments import Experiment as Planned
from grapevine.serving import outcomes, trials
from grapevine.serving.auth import needs
from grapevine.serving.faults import SAID, Refusal
from grapevine.serving.reply import reply, service_of
from grapevine.serving.shapes.experiments import Experiment
from grapevine.serving.store import Experiment as Kept

router = APIRouter(prefix="/v1/experiments", tags=["experiments"], responses=SAID)
SETTLE_S = 5.0
"""Most seconds that a report waits for lists that are on their way to the disk."""
Name = Annotated[str, Path(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]


@router.get("", dependencies=[Depends(needs("read"))])
def listed(request: Request) -> Response:
    """All experiments, the oldest first; `ended` says when, and is null of one that runs."""
    kept = service_of(request).store.experiments().values()
    return reply({"experiments": [_shown(one) for one in kept]})


@router.put("/{name}", dependencies=[Depends(needs("admin"))])
def put(request: Request, name: Name, given: Experiment) -> Response:
    """Put an experiment down; it runs from then on. Its arms cannot be changed.

    The name of one that has ended is not given again.
    """
    service = service_of(request)
    trials.refuse_ended(service, name)
    with service.host.lease() as served:
        known = served.run.schema.behaviours
    if outcomes.behaviour_of(given.metric) not in known:
        raise Refusal(
            422, "no_metric", f"nothing counts `{given.metric}`",
            f"name a behaviour, or `value of` one: {', '.join(known)}", where=["body", "metric"],
        )  # fmt: skip
    others = [one for one in service.plan.experiments if one.name != name]
    before = next((one for one in service.plan.experiments if one.name == name), None)
    kept = before is not None and before.layer == given.layer
    start = before.start if kept and before else free_start(
        others, given.layer, given.share_of_layer
    )  # fmt: skip
    planned = Planned(
        name=name,
        arms=tuple(Arm(one.name, one.share, one.run or "") for one in given.arms),
        layer=given.layer,
        share_of_layer=given.share_of_layer,
        start=start,
        salt=given.salt or "",
        metric=given.metric,
        window_days=given.window_days,
    )
    return reply(trials.put(service, planned).to_json())


@router.delete("/{name}", dependencies=[Depends(needs("admin"))])
def end(request: Request, name: Name) -> Response:
    """End an experiment; ended again, it says the same.

    Its users get the model in service from the next list on, its part of the layer is free at once,
    and its lists and its report stay.
    """
    return reply(_shown(trials.end(service_of(request), name)))


@router.get("/{name}/report", dependencies=[Depends(needs("read"))])
def report(request: Request, name: Name) -> Response:
    """What it found, day by day, with intervals that may be looked at every day.

    All that was shown before it was asked counts. After its end it goes on answering, and counts
    nothing of later.
    """
    service = service_of(request)
    service.store.settle(SETTLE_S)
    kept = service.store.experiments().get(name)
    if kept is None:
        raise trials.no_experiment()
    return reply(outcomes.report(service.store, *outcomes.planned(kept)))


def _shown(kept: Kept) -> dict[str, Any]:
    return {"ended": None, **kept.definition, "name": kept.name, "since": kept.created_at}
