"""The short way: plain questions about users are answered without the framework.

Most of what a service is asked is `GET /v1/users/{user_id}/recommendations`, with nothing or `k`
behind it, and the framework takes as long over it as the model. Whatever is not plain (other
options, a key that will not do, an ID that cannot be) goes on to the framework's own route, which
says the same and knows every way to say no.
"""

import re
from typing import Any

import orjson

from grapevine.errors import GrapevineError
from grapevine.serving.auth import Keys
from grapevine.serving.engine import Asked
from grapevine.serving.faults import Refusal, refusal_of
from grapevine.serving.gate import App, Message, Receive, Send
from grapevine.serving.routes.recommend import PATH
from grapevine.serving.shapes.asked import MOST_ITEMS
from grapevine.serving.store.checks import id_fault
from grapevine.serving.turns import Turns

_PLAIN = re.compile(r"/v1/users/([^/]+)/recommendations")
_ONLY_K = re.compile(rb"(?:k=([1-9][0-9]{0,2}))?")
DEFAULT_K = 10


class Route:
    """What stands for a route in counters: see `observe.Watched`."""

    path = PATH


class Short:
    """Answers what is plain, and hands on the rest.

    Args:
        app: the framework.
        turns: who answers.
        keys: who may ask.
    """

    def __init__(self, app: App, *, turns: Turns, keys: Keys) -> None:
        self.app, self.turns, self.keys = app, turns, keys

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """One request."""
        try:
            found = self._plain(scope) if scope["type"] == "http" else None
        except GrapevineError:  # the keys could not be looked up, which the framework says too
            found = None
        if found is None:
            await self.app(scope, receive, send)
            return
        scope["route"] = Route
        user, k = found
        service = self.turns.service
        try:
            with service.metrics.stage("read"):
                history = service.history(user)
            said: Any = await self.turns.ask(
                Asked(user_id=user, history=history, k=k), scope["list_id"]
            )
            status, wait = 200, 0
        except (Refusal, GrapevineError) as error:
            refusal = error if isinstance(error, Refusal) else refusal_of(error)
            said, status, wait = refusal.body, refusal.status, refusal.wait
        body = orjson.dumps(said, option=orjson.OPT_SERIALIZE_NUMPY)
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
        if wait:
            headers.append((b"retry-after", b"%d" % wait))
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    def _plain(self, scope: Message) -> tuple[str, int] | None:
        """The user and the length of the list; None where more is to be looked at."""
        if scope["method"] != "GET":
            return None
        path = _PLAIN.fullmatch(scope["path"])
        query = _ONLY_K.fullmatch(scope["query_string"])
        if path is None or query is None:
            return None
        k = int(query[1] or DEFAULT_K)
        user = path[1]
        return None if k > MOST_ITEMS or id_fault(user) or not self._may(scope) else (user, k)

    def _may(self, scope: Message) -> bool:
        if not self.keys.needed:
            return True
        for name, value in scope["headers"]:
            if name == b"authorization":
                # As the framework reads headers: whatever bytes come, they are some text.
                plain = value[7:].decode("latin-1")
                return value[:7] == b"Bearer " and "read" in self.keys.scopes(plain)
        return False
