"""What the routes share: the service behind a request, and JSON fast."""

from typing import Any

import orjson
from fastapi import Request, Response

from grapevine.serving.service import Service


def service_of(request: Request) -> Service:
    """The service that a request came to."""
    return request.app.state.service


def reply(body: Any, status: int = 200) -> Response:
    """A body of plain values as JSON.

    Not through the framework's own validation of answers: it takes longer than the answer.
    """
    return Response(
        orjson.dumps(body, option=orjson.OPT_SERIALIZE_NUMPY), status, media_type="application/json"
    )
