"""Items: put and deleted, looked up, found by their title, seen, drawn among their neighbours."""

from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response

from grapevine.serving import browse
from grapevine.serving.auth import needs
from grapevine.serving.faults import SAID, Refusal
from grapevine.serving.reply import reply, service_of
from grapevine.serving.segments import IdInPath
from grapevine.serving.shapes.items import Fields, Items, Shelved
from grapevine.serving.store import Item, Refused

router = APIRouter(prefix="/v1/items", tags=["items"], responses=SAID)
read, admin = [Depends(needs("read"))], [Depends(needs("admin"))]


@router.put("/{item_id}", response_model=Shelved, dependencies=admin)
def put(request: Request, item_id: IdInPath, given: Fields) -> Response:
    """Say what the catalogue says of an item: a new one, one with other fields, one deleted before.

    It counts from the next answer on, without training: where it stands is told by its fields and
    by what those take who take it (`source` and the reasons say so). Fields that are not given are
    those of the catalogue that the model was trained on, if it knows the item. Kept across restarts
    and models. The same again changes nothing.
    """
    return _shelved(request, [Item(item_id, given.fields)])


@router.delete("/{item_id}", response_model=Shelved, dependencies=admin)
def delete(request: Request, item_id: IdInPath) -> Response:
    """Show an item no more, from the next answer on; put it again to undo that."""
    service = service_of(request)
    with service.host.lease() as served:
        known = item_id in served.catalogue.row_of
    if not known and service.store.shelf.get(item_id) is None:
        raise unknown()
    return _shelved(request, [Item(item_id, None)])


@router.post("", response_model=Shelved, dependencies=admin)
def put_many(request: Request, given: Items) -> Response:
    """Put and delete many items at once: all of them, or none where one cannot be."""
    return _shelved(
        request, [Item(one.item_id, None if one.deleted else one.fields) for one in given.items]
    )


def _shelved(request: Request, items: list[Item]) -> Response:
    try:
        done = service_of(request).put_items(items)
    except Refused as error:
        # Names and reasons, never what was sent.
        raise Refusal(422, "invalid", error.args[0], error.hint) from error
    return reply(asdict(done))


@router.get("", dependencies=read)
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


@router.get("/{item_id}", dependencies=read)
def item(request: Request, item_id: IdInPath) -> Response:
    """All that the catalogue says of an item, and what was done with it."""
    service = service_of(request)
    with service.host.lease() as served:
        fields = browse.fields(served, item_id)
        if fields is None:
            raise unknown()
        face = service.faces(served).of(item_id)
    return reply({**face, "fields": fields, "events": service.store.item_counts(item_id)})


@router.get("/{item_id}/image", response_class=Response, dependencies=read)
def image(request: Request, item_id: IdInPath) -> Response:
    """Its picture, as PNG or JPEG."""
    with service_of(request).host.lease() as served:
        row = served.catalogue.row_of.get(item_id)
        if row is not None and row in served.catalogue.hidden:
            raise unknown()
    picture = request.app.state.pictures.of(item_id)
    if picture is None:
        raise Refusal(404, "no_picture", "there is no picture of this item")
    kind = "image/png" if picture.startswith(b"\x89PNG") else "image/jpeg"
    return Response(picture, media_type=kind, headers={"cache-control": "private, max-age=3600"})


@router.get("/{item_id}/graph", dependencies=read)
def graph(request: Request, item_id: IdInPath) -> Response:
    """The items around it; an edge weighs as much as random walks take it."""
    service = service_of(request)
    with service.host.lease() as served:
        if served.catalogue.shown(item_id) is None:
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
