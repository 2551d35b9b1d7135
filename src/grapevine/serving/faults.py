"""Every way of saying no, in one form: `{"error": {"code", "message", "hint", "where"}}`."""

from collections.abc import Sequence
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from grapevine.errors import GrapevineError, StoreError
from grapevine.log import logger
from grapevine.serving.gate import Message, Said, TooLarge
from grapevine.serving.names import fields_at, near
from grapevine.serving.shapes.common import Faults

_EXPECTED = "see /docs for what is expected"


class Refusal(Exception):
    """A request that is not answered.

    Args:
        status: of HTTP.
        code: a word for programs.
        message: what is wrong.
        hint: what to do.
        where: of the request, such as `["body", "events", 3, "item_id"]`.
        wait: seconds until it is worth trying again.
    """

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        hint: str | None = None,
        *,
        where: list[str | int] | None = None,
        wait: int = 0,
    ) -> None:
        super().__init__(message)
        self.status, self.wait = status, wait
        self.body = {"error": {"code": code, "message": message, "hint": hint, "where": where}}


def refusal_of(error: GrapevineError) -> Refusal:
    """What is said of an error of ours: what was asked cannot be, or the store cannot be asked."""
    if isinstance(error, StoreError):
        # The error's own words say where the store lies, which is for the log alone. Whoever was
        # told that a value is impossible would not send it again.
        logger.warning("the store: %s", error.args[0])
        return Refusal(503, "store", "the store cannot be asked just now", "try again", wait=1)
    return Refusal(422, "impossible", error.args[0], error.hint)


def busy() -> Refusal:
    """The store has more to write than it may hold."""
    return Refusal(503, "busy", "too many events wait to be written", "send it again", wait=1)


SAID: dict[int | str, dict[str, Any]] = {
    status: {"model": Faults, "description": text}
    for status, text in {
        400: "not understood",
        401: "a key is needed",
        403: "the key is for something else",
        404: "there is no such thing",
        409: "not as things are",
        413: "too large",
        422: "a value is not possible",
        429: "too many requests",
        503: "too busy; come again",
    }.items()
}
"""For the OpenAPI document: what any route may say beside its answer."""


def install(app: FastAPI) -> None:
    """Let every error that a route raises come out in the one form."""

    @app.exception_handler(Refusal)
    async def refused(_: Request, error: Refusal) -> JSONResponse:
        return _as_json(error)

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        return _as_json(_invalid(request, error.errors()))

    @app.exception_handler(HTTPException)
    async def plain(_: Request, error: HTTPException) -> JSONResponse:
        wrong_method = error.status_code == 405  # `Allow` names one route's methods, not all
        hint = f"see /docs for what {'it takes' if wrong_method else 'there is'}"
        body = Refusal(error.status_code, "http", str(error.detail), hint).body
        return JSONResponse(body, error.status_code, error.headers)

    @app.exception_handler(GrapevineError)
    async def ours(_: Request, error: GrapevineError) -> JSONResponse:
        return _as_json(refusal_of(error))

    @app.exception_handler(TooLarge)
    async def too_large(_: Request, error: TooLarge) -> JSONResponse:
        raise error  # the gate says it, which knows how much is allowed


def unforeseen(scope: Message, error: Exception) -> Said:
    """What is said of an error that nobody has foreseen: the log has it, under the request's ID."""
    # The path may name a user, the route does not.
    route = getattr(scope.get("route"), "path", "a path that is none")
    said = {"request_id": scope.get("request_id")}
    logger.error("%s %s failed", scope["method"], route, exc_info=error, extra={"said": said})
    return 500, "fault", "this is a fault of ours", "the log says more", 0


def _invalid(request: Request, wrong: Sequence[Any]) -> Refusal:
    """What is said of parameters or a body that are not as they should be.

    A field that is not known comes first: it is the one that was meant where another is missing.
    """
    first = next((one for one in wrong if one["type"] == "extra_forbidden"), wrong[0])
    where = [one if isinstance(one, int) else str(one) for one in first["loc"]]
    more = f"; besides, {len(wrong) - 1} more" if len(wrong) > 1 else ""
    if first["type"] == "json_invalid":
        return Refusal(400, "not_json", first["msg"], f"{_EXPECTED}{more}", where=where)
    said, hint = first["msg"], _EXPECTED
    body = getattr(request.scope.get("route"), "body_field", None)
    if first["type"] == "extra_forbidden" and body is not None:
        name = str(where[-1])[:64]
        said = f"there is no field `{name}`"
        hint = near(name, fields_at(body.field_info.annotation, where[1:-1]))
    elif where == ["body"] and "json" not in request.headers.get("content-type", ""):
        hint = "send it with the header `Content-Type: application/json`"
    return Refusal(422, "invalid", said, f"{hint}{more}", where=where)


def _as_json(refusal: Refusal) -> JSONResponse:
    headers = {"retry-after": str(refusal.wait)} if refusal.wait else None
    if refusal.status == 401:
        headers = {"www-authenticate": "Bearer"}
    return JSONResponse(refusal.body, refusal.status, headers)
