"""Recommendations: for a user, for a history, many at once, and beside an item."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.concurrency import run_in_threadpool

from grapevine.serving.auth import needs
from grapevine.serving.engine import Asked, Filters, Happened, Pin, Rules, Weight
from grapevine.serving.faults import SAID
from grapevine.serving.reply import reply, service_of
from grapevine.serving.routes.items import unknown
from grapevine.serving.segments import IdInPath
from grapevine.serving.service import Service
from grapevine.serving.shapes.answered import Answers, Recommendations
from grapevine.serving.shapes.asked import MOST_ITEMS, Push, Question, Questions
from grapevine.serving.shapes.common import Id

PATH = "/v1/users/{user_id}/recommendations"
router = APIRouter(prefix="/v1", tags=["recommendations"], responses=SAID)
read = [Depends(needs("read"))]
K = Annotated[int, Query(ge=1, le=MOST_ITEMS)]


@router.get(PATH.removeprefix("/v1"), response_model=Recommendations, dependencies=read)
async def for_user(
    request: Request,
    user_id: IdInPath,
    k: K = 10,
    behaviour: Annotated[Id | None, Query()] = None,
    why: bool = False,
    exclude_seen: bool = True,
) -> Response:
    """The best items for a user, whose last events count at once."""
    question = Question(
        user_id=user_id, k=k, behaviour=behaviour, why=why, exclude_seen=exclude_seen
    )
    return await answer(request, question)


@router.post("/recommendations", response_model=Recommendations, dependencies=read)
async def for_question(request: Request, question: Question) -> Response:
    """The best items for a user or a history, with filters and rules."""
    return await answer(request, question)


@router.post("/recommendations/batch", response_model=Answers, dependencies=read)
def for_many(request: Request, questions: Questions) -> Response:
    """Several questions at once."""
    service, name = service_of(request), request.scope["list_id"]
    asked = [(asked_of(service, one), f"{name}-{n}") for n, one in enumerate(questions.requests)]
    found = service.recommend_all(asked, whole=True)
    for one in found:
        if isinstance(one, Exception):
            raise one
    return reply({"answers": found})


@router.get("/items/{item_id}/related", response_model=Recommendations, dependencies=read)
def related(
    request: Request,
    item_id: IdInPath,
    k: K = 10,
    behaviour: Annotated[Id | None, Query()] = None,
    why: bool = False,
) -> Response:
    """What goes with an item; the same for everybody."""
    with service_of(request).host.lease() as served:
        if served.catalogue.shown(item_id) is None:
            raise unknown()
    asked = Asked(item_id=item_id, k=k, behaviour=behaviour, why=why)
    return reply(service_of(request).recommend(asked, request.scope["list_id"]))


async def answer(request: Request, question: Question) -> Response:
    """One answer. Reasons take long, and are looked for in a thread."""
    service, name = service_of(request), request.scope["list_id"]
    asked = asked_of(service, question)
    if question.why:
        return reply(await run_in_threadpool(service.recommend, asked, name))
    return reply(await request.app.state.turns.ask(asked, name))


def asked_of(service: Service, question: Question) -> Asked:
    """A question as it came over HTTP, with what the store knows of its user."""
    given, wanted = question.filters, question.rules
    rules = Rules(
        boost=tuple(_weight(one) for one in wanted.boost),
        bury=tuple(_weight(one, down=True) for one in wanted.bury),
        pin=tuple(Pin(one.item_id, one.rank) for one in wanted.pin),
        diversity=wanted.diversity,
        calibration=wanted.calibration,
        most_shown=wanted.cap.times if wanted.cap else None,
    )
    history = tuple(Happened(one.item_id, one.behaviour, one.timestamp) for one in question.history)
    if question.user_id is not None and not history:
        with service.metrics.stage("read"):
            history = service.history(question.user_id)
    price = given.price
    return Asked(
        user_id=question.user_id,
        history=history,
        behaviour=question.behaviour,
        k=question.k,
        exclude_seen=question.exclude_seen,
        filters=Filters(
            category=tuple(given.category or ()),
            in_stock=bool(given.in_stock),
            least=price.least if price else None,
            most=price.most if price else None,
            exclude=given.exclude,
            only=given.only,
            where=tuple(given.where),
        ),
        rules=rules,
        shown=service.shown(question.user_id, rules, wanted.cap.hours if wanted.cap else 0.0),
        why=question.why,
    )


def _weight(push: Push, *, down: bool = False) -> Weight:
    """A factor above 1 always pushes the way it is named."""
    return Weight(where=(push.where,), factor=1 / push.factor if down else push.factor)
