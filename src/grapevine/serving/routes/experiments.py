"""Experiments: put down, listed, told."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request, Response

from grapevine.evaluation.experiments import Arm, free_start
from grapevine.evaluation.experiments import Experiment as Planned
from grapevine.serving import outcomes
from grapevine.serving.auth import needs
from grapevine.serving.faults import SAID, Refusal
from grapevine.serving.reply import reply, service_of
from grapevine.serving.shapes import Experiment

router = APIRouter(prefix="/v1/experiments", tags=["experiments"], responses=SAID)
Name = Annotated[str, Path(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]


@router.get("", dependencies=[Depends(needs("read"))])
def listed(request: Request) -> Response:
    """All experiments, the oldest first."""
    kept = service_of(request).store.experiments().values()
    found = [{**one.definition, "name": one.name, "since": one.created_at} for one in kept]
    return reply({"experiments": found})


@router.put("/{name}", dependencies=[Depends(needs("admin"))])
def put(request: Request, name: Name, given: Experiment) -> Response:
    """Put an experiment down; it runs from then on. Its arms cannot be changed."""
    service = service_of(request)
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
    return reply(service.put(planned).to_json())


@router.get("/{name}/report", dependencies=[Depends(needs("read"))])
def report(request: Request, name: Name) -> Response:
    """What it found, day by day, with intervals that may be looked at every day."""
    service = service_of(request)
    kept = service.store.experiments().get(name)
    if kept is None:
        raise Refusal(404, "no_experiment", "there is no such experiment", "see /v1/experiments")
    experiment = Planned.from_json({**kept.definition, "name": name})
    return reply(outcomes.report(service.store, experiment))
