"""What users did: events come in, a history is looked at, a user is forgotten."""

import asyncio
from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response

from grapevine.serving import browse
from grapevine.serving.auth import needs
from grapevine.serving.faults import SAID
from grapevine.serving.reply import reply, service_of
from grapevine.serving.segments import IdInPath
from grapevine.serving.shapes.events import Events, Forgotten, Kept
from grapevine.serving.store import Event

router = APIRouter(prefix="/v1", responses=SAID)
Some = Annotated[int, Query(ge=1, le=500)]


@router.post(
    "/events", response_model=Kept, status_code=202, tags=["events"],
    dependencies=[Depends(needs("write"))],
)  # fmt: skip
async def happened(request: Request, given: Events) -> Response:
    """Keep events. The answer comes when they are durable; sent again, they count once.

    Where the run in service does not know their behaviours or items, `unknown` says so: a slip of
    the pen, or what another run will know. They are kept, and count for nothing in its lists.
    """
    service = service_of(request)
    events = [Event(**one.model_dump()) for one in given.events]
    kept = await asyncio.wrap_future(service.happened(events))
    service.newest = service.clock()
    for one in given.events:
        if one.request_id is not None:
            service.quality.happened(one.request_id, one.item_id)
    service.metrics.events.labels("new").inc(kept.new)
    service.metrics.events.labels("repeated").inc(kept.repeated)
    request.app.state.traffic.happened(kept.new)
    unknown = service.unknown_in(events)
    said = {"new": kept.new, "repeated": kept.repeated}
    return reply(said | ({"unknown": unknown} if unknown else {}), 202)


@router.get("/users", tags=["users"], dependencies=[Depends(needs("read"))])
def users(
    request: Request, k: Some = 20, query: Annotated[str, Query(max_length=200)] = ""
) -> Response:
    """Users of the latest events, then of the run; those whose ID has the words, if any."""
    service = service_of(request)
    latest = {
        name: count
        for name, count in service.store.latest_users(500 if query else k).items()
        if query.lower() in name.lower()
    }
    with service.host.lease() as served:
        for name, count in browse.users(served, k, query):
            if len(latest) < k and not service.is_forgotten(name, served):
                latest.setdefault(name, count)
    found = [{"user_id": str(name), "events": count} for name, count in latest.items()]
    return reply({"users": found[:k]})


@router.get("/users/{user_id}/history", tags=["users"], dependencies=[Depends(needs("read"))])
def history(request: Request, user_id: IdInPath, k: Some = 100) -> Response:
    """What a user did, the latest first: what the store has, and before it what the run knows."""
    service = service_of(request)
    with service.host.lease() as served:
        faces = service.faces(served)
        before = [] if service.is_forgotten(user_id, served) else browse.history(served, user_id)
        there = browse.known_already(before)
        since = [one for one in service.history(user_id) if not there(one)]
        done = [*before, *since][-k:]
        found = [
            {**faces.of(one.item_id), "behaviour": one.behaviour, "timestamp": one.timestamp}
            for one in reversed(done)
        ]
    return reply({"user_id": user_id, "events": found})


@router.delete(
    "/users/{user_id}", response_model=Forgotten, tags=["users"],
    dependencies=[Depends(needs("admin"))],
)  # fmt: skip
def forget(request: Request, user_id: IdInPath) -> Response:
    """Forget a user: history, events, exposures, questions. The answer is the proof.

    What models have learnt goes with the next ones: `mark` keeps the user out of them, `runs` names
    the folders that hold the user until they are trained anew, and until then no model is asked by
    that user's history of training or own vector.
    """
    service = service_of(request)
    proof, runs = service.forget(user_id)
    return reply(
        {
            "user_id": proof.user_id,
            "removed": {str(name): count for name, count in proof.removed.items()},
            "left": proof.left,
            "mark": proof.mark,
            "runs": [asdict(one) for one in runs],
        }
    )
