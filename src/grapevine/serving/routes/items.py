"""Items: looked up, found by their title, seen, and drawn among their neighbours."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response

from grapevine.serving import browse
from grapevine.serving.auth import needs
from grapevine.serving.faults import SAID, Refusal
from grapevine.serving.reply import reply, service_of
from grapevine.serving.segments import IdInPath

router = APIRouter(
    prefix="/v1/items", tags=["items"], responses=SAID, dependencies=[Depends(needs("read"))]
)


@router.get("")
def found(
    request: Request,
    query: Annotated[str, Query(max_length=200)] = "",
    k: Annotated[int, Query(ge=1, le=200)] = 20,
) -> Response:
    """Items whose title or ID has these words; the most popular if none are given."""
    service = service_of(request)
    with service.host.lease() as served:
        faces = service.faces(served)
        return reply({"items": [faces.of(one) for one in browse.find(served, query, k)]})


@router.get("/{item_id}")
def item(request: Request, item_id: IdInPath) -> Response:
    """All that the catalogue says of an item, and what was done with it."""
    service = service_of(request)
    with service.host.lease() as served:
        fields = browse.fields(served, item_id)
        if fields is None:
            raise unknown()
        face = service.faces(served).of(item_id)
    return reply({**face, "fields": fields, "events": service.store.item_counts(item_id)})


@router.get("/{item_id}/image", response_class=Response)
def image(request: Request, item_id: IdInPath) -> Response:
    """Its picture, as PNG or JPEG."""
    picture = request.app.state.pictures.of(item_id)
    if picture is None:
        raise Refusal(404, "no_picture", "there is no picture of this item")
    kind = "image/png" if picture.startswith(b"\x89PNG") else "image/jpeg"
    return Response(picture, media_type=kind, headers={"cache-control": "private, max-age=3600"})


@router.get("/{item_id}/graph")
def graph(request: Request, item_id: IdInPath) -> Response:
    """The items around it; an edge weighs as much as random walks take it."""
    service = service_of(request)
    with service.host.lease() as served:
        if item_id not in served.catalogue.row_of:
            raise unknown()
        around = served.around(item_id)
    nodes = [{"id": str(one.item_id), "kind": "item", "title": one.title} for one in around.nodes]
    edges = [
        {"source": str(one.source), "target": str(one.target), "weight": one.weight}
        for one in around.edges
    ]
    return reply({"nodes": nodes, "edges": edges, "learnt": around.learnt})


def unknown() -> Refusal:
    """Nobody knows such an item; what was sent is not repeated."""
    return Refusal(404, "no_item", "the model in service knows no such item", "see /v1/items")
