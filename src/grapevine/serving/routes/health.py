"""Whether it lives, whether it is ready, and what it counts."""

from fastapi import APIRouter, Depends, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from grapevine.serving.auth import needs
from grapevine.serving.faults import SAID
from grapevine.serving.reply import reply, service_of
from grapevine.serving.unplaced import unplaced

router = APIRouter(tags=["operations"])


@router.get("/healthz")
async def alive() -> Response:
    """The process answers."""
    return reply({"alive": True})


@router.get("/readyz", responses={503: {"description": "not ready, and why"}})
async def ready(request: Request) -> Response:
    """A model is in service, and events can be kept."""
    service = service_of(request)
    store = service.store.health()
    refused, root = service.host.refusal, service.settings.runs_root
    # Nobody needs a key for this: where on the server all that lies is for the log alone.
    said = {
        "ready": store.alive and not request.app.state.stopping,
        "model": service.host.current().version,
        "last_refusal": unplaced(refused[1], root) if refused else None,
        "last_refusal_hint": unplaced(refused[3], root) if refused and refused[3] else None,
        "store": {
            "alive": store.alive,
            "queue": store.queue,
            "last_commit_ms": round(store.last_commit_ms, 3),
            "trouble": store.advice or ("the store takes no writes" if store.trouble else None),
        },
    }
    return reply(said, 200 if said["ready"] else 503)


@router.get(
    "/metrics", response_class=Response, responses=SAID, dependencies=[Depends(needs("read"))]
)
async def metrics(request: Request) -> Response:
    """Counters for Prometheus."""
    service = service_of(request)
    service.metrics.model_since.set(service.host.since)
    service.metrics.queue.set(service.store.health().queue)
    if service.newest:
        service.metrics.event_age.set(service.clock() - service.newest)
    if service.quality.newest_used:
        service.metrics.used_age.set(service.clock() - service.quality.newest_used / 1000)
    with service.host.lease() as served:
        if learnt := service.quality.learnt(served):
            service.metrics.learnt_age.set(service.clock() - learnt / 1000)
        service.metrics.set_quality(service.quality, len(served.catalogue))
    return Response(generate_latest(service.metrics.registry), media_type=CONTENT_TYPE_LATEST)
