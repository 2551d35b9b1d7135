"""What the page draws: attention over a history, the map of all items, and the traffic."""

from typing import Annotated

import numpy as np
from fastapi import APIRouter, Depends, Query, Request, Response

from grapevine.serving.auth import needs
from grapevine.serving.engine import Happened
from grapevine.serving.faults import SAID
from grapevine.serving.reply import reply, service_of
from grapevine.serving.shapes.asked import History
from grapevine.serving.shapes.common import Id

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
    items = [
        {"item_id": None if one is None else str(one), "title": title}
        for one, title in zip(found.item_ids, found.titles)
    ]
    return reply({"items": items, "layers": found.maps})


@router.get("/map")
def drawn(request: Request) -> Response:
    """How many points the map of items has, and their categories."""
    with service_of(request).host.lease() as served:
        found = served.map()
    count, points = len(found.places), "/v1/map/points"
    return reply({"count": count, "categories": found.categories, "points": points})


@router.get("/map/points", response_class=Response)
def points(request: Request) -> Response:
    """All points, little-endian: x and y of each as float32, then all categories as uint16."""
    with service_of(request).host.lease() as served:
        found = served.map()
    # -1, without a category, becomes the greatest number.
    body = found.places.astype("<f4").tobytes() + found.category.astype("<u2").tobytes()
    return Response(body, media_type="application/octet-stream")


@router.get("/map/items")
def items(
    request: Request,
    first: Annotated[int, Query(ge=0, le=10**9)] = 0,
    count: Annotated[int, Query(ge=1, le=10_000)] = 1000,
    item_id: Annotated[list[Id] | None, Query(max_length=500)] = None,
) -> Response:
    """The items of the map's points, in the same order; or those that are named, if any are."""
    service = service_of(request)
    with service.host.lease() as served:
        faces, catalogue = service.faces(served), served.catalogue
        # In the order of the points: what was deleted has none, nor has what came since.
        points = np.delete(np.arange(catalogue.known), sorted(catalogue.hidden))
        if item_id is None:
            places = np.arange(len(points))[first : first + count]
        else:
            rows = [row for row in catalogue.rows(item_id) if row < catalogue.known]
            places = np.searchsorted(points, [row for row in rows if row not in catalogue.hidden])
        found = zip(places.tolist(), points[places].tolist())
        return reply({"items": [{**faces.of(catalogue.ids[row]), "row": at} for at, row in found]})


@router.get("/traffic")
def traffic(request: Request, seconds: Annotated[int, Query(ge=1, le=299)] = 60) -> Response:
    """Requests, errors, latency and events, second by second."""
    return reply(request.app.state.traffic.last(seconds))
