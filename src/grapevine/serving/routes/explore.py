"""What the page draws: attention over a history, the map of all items, and the traffic."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response

from grapevine.serving.auth import needs
from grapevine.serving.engine import Happened
from grapevine.serving.faults import SAID, Refusal
from grapevine.serving.reply import reply, service_of
from grapevine.serving.shapes import History

router = APIRouter(
    prefix="/v1", tags=["explore"], responses=SAID, dependencies=[Depends(needs("read"))]
)


@router.post("/attention")
def attention(request: Request, given: History) -> Response:
    """Who hears whom in a history: for each layer and head a square of weights, rows listening."""
    service = service_of(request)
    done = [Happened(one.item_id, one.behaviour, one.timestamp) for one in given.history]
    with service.host.lease() as served:
        found = served.attention(done)
        faces = service.faces(served)
        if found is None:
            raise Refusal(404, "no_attention", f"`{served.name}` does not attend to events",
                          "serve a transformer, such as sasrec or vine")  # fmt: skip
        items = [faces.of(one) for one in found.items]
    return reply({"items": items, "layers": found.layers})


@router.get("/map")
def drawn(request: Request) -> Response:
    """How many points the map of items has, and their categories."""
    with service_of(request).host.lease() as served:
        found = served.map()
        if found is None:
            raise Refusal(404, "no_map", f"`{served.name}` has no vectors of items",
                          "serve a model that has, such as pinsage or sasrec")  # fmt: skip
        categories = served.catalogue.categories
    return reply({"count": len(found), "categories": categories, "points": "/v1/map/points"})


@router.get("/map/points", response_class=Response)
def points(request: Request) -> Response:
    """All points, little-endian: x and y of each as float32, then all categories as uint16."""
    with service_of(request).host.lease() as served:
        found = served.map()
        if found is None:
            raise Refusal(404, "no_map", f"`{served.name}` has no vectors of items")
        codes = served.catalogue.category
    # Without a category: the greatest number.
    body = found.astype("<f4").tobytes() + codes.astype("<u2").tobytes()
    return Response(body, media_type="application/octet-stream")


@router.get("/map/items")
def items(
    request: Request,
    first: Annotated[int, Query(ge=0, le=10**9)] = 0,
    count: Annotated[int, Query(ge=1, le=10_000)] = 1000,
) -> Response:
    """The items of the map's points, in the same order."""
    service = service_of(request)
    with service.host.lease() as served:
        faces, ids = service.faces(served), served.catalogue.ids[first : first + count]
        return reply({"items": [faces.of(one) for one in ids]})


@router.get("/traffic")
def traffic(request: Request, seconds: Annotated[int, Query(ge=1, le=299)] = 60) -> Response:
    """Requests, errors, latency and events, second by second."""
    return reply(request.app.state.traffic.last(seconds))
