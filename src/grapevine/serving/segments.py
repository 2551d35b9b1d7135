"""Slashes within an ID: an address keeps `%2F` apart from the slashes between its parts."""

from typing import Annotated
from urllib.parse import unquote_to_bytes

from fastapi import Path
from pydantic import BeforeValidator
from starlette.types import ASGIApp, Receive, Scope, Send

from grapevine.serving.shapes.common import Id

HELD = "\x1f"
"""Stands for a slash of an ID until the route is found: no ID holds a control character."""


def meant(text: str) -> str:
    """A part of a path with its own slashes again."""
    return text.replace(HELD, "/")


IdInPath = Annotated[Id, BeforeValidator(meant), Path()]
"""An ID that stands in the path of a request."""


class Segments:
    """Hides the encoded slashes of a path from the routes; servers hand it over decoded whole.

    Args:
        app: what is behind it.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] == "http" and b"%" in scope.get("raw_path", b""):
            # In place: whoever counts and logs the request looks in this scope for its route.
            scope["path"] = apart(scope["raw_path"])
        await self.app(scope, receive, send)


def apart(raw: bytes) -> str:
    r"""A path decoded part by part, with the slashes within a part held.

    >>> apart(b"/v1/items/a%2Fb/graph").split("/")
    ['', 'v1', 'items', 'a\x1fb', 'graph']
    """
    # What is no text stays none, so that no ID is taken for another: see `checks.id_fault`.
    parts = [unquote_to_bytes(part).decode("utf-8", "surrogateescape") for part in raw.split(b"/")]
    # One that was sent would come out as a slash: another that no ID may hold takes its place.
    return "/".join(part.replace(HELD, "\0").replace("/", HELD) for part in parts)
