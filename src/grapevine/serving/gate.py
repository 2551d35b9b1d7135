"""What every request goes through before anybody looks at it: its size, its turn, its rate.

Plain ASGI, since each layer of a framework would cost every request; and what is refused here costs
next to nothing, so that a service that is asked too much stays able to say so.
"""

import re
import secrets
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any

from starlette.exceptions import HTTPException

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]
Said = tuple[int, str, str, str, int]
"""Status, code, message, hint, and seconds to wait: see `faults.Refusal`."""

CONTENT = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types svelte-trusted-html"
)
"""What a browser may load: files of this service, nothing inline; no string becomes a script."""
HEADERS = (
    (b"content-security-policy", CONTENT.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=()"),
)
"""On every answer."""
DIGITS = 20
"""Of a length, at most: what has more is no number of bytes."""
OPEN = ("/healthz", "/readyz")
"""Paths that answer however much is under way."""
_REQUEST_ID = re.compile(rb"[0-9a-f]{8}[0-9a-f-]{8,56}")
"""What is taken for the ID of a request from a caller: a UUID, or as many hexadecimal digits. The
log repeats it, so it may not be words."""


class TooLarge(HTTPException):
    """A body that went on beyond what is allowed.

    Of the framework's kind: any other that comes up while a body is read it takes for a body that
    cannot be understood.
    """

    def __init__(self) -> None:
        super().__init__(413)


class Gate:
    """Bounds on what comes in, and headers on what goes out.

    Args:
        app: what is behind it.
        body: bytes of a request, at most.
        waiting: requests under way at once.
        rates: counts each caller's requests; None for as many as they like.
        known: whether a caller's `Authorization` is one that was good.
        fault: what is said of an error that nobody has foreseen; the server says it if not given,
            without these headers.
    """

    def __init__(
        self,
        app: App,
        *,
        body: int,
        waiting: int,
        rates: "Rates | None",
        known: Callable[[bytes], bool] = lambda given: False,
        fault: "Callable[[Message, Exception], Said] | None" = None,
    ) -> None:
        self.app, self.body, self.waiting, self.rates = app, body, waiting, rates
        self.known, self.fault = known, fault
        self.under_way = 0

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """One request, or what the server itself has to say."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        given = next((value for name, value in scope["headers"] if name == b"x-request-id"), b"")
        request = ours = secrets.token_hex(8)
        if _REQUEST_ID.fullmatch(given):
            # A caller may send an ID twice, and two lists under one name would be one.
            request = given.decode()
            ours = f"{request}-{ours}"
        scope["request_id"], scope["list_id"] = request, ours
        begun = False

        async def answered(message: Message) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                begun = True
                given = {name for name, _ in message["headers"]}
                message["headers"] = [
                    *message["headers"],
                    *(one for one in HEADERS if one[0] not in given),
                    (b"x-request-id", request.encode()),
                ]
            await send(message)

        refusal = self._refusal(scope)
        if refusal is not None:
            await refuse(answered, *refusal)
            return
        left = self.body

        async def counted() -> Message:
            nonlocal left
            message = await receive()
            left -= len(message.get("body", b""))
            if left < 0:
                raise TooLarge
            return message

        self.under_way += 1
        try:
            await self.app(scope, counted, answered)
        except TooLarge:
            if not begun:
                await refuse(answered, *self.too_large())
        except Exception as error:
            if begun or self.fault is None:
                raise
            await refuse(answered, *self.fault(scope, error))
        finally:
            self.under_way -= 1

    def _refusal(self, scope: Message) -> Said | None:
        headers = dict(scope["headers"])
        length = headers.get(b"content-length", b"0")
        if not length.isdigit() or len(length) > DIGITS or int(length) > self.body:
            return self.too_large()
        if scope["path"] in OPEN:
            return None
        if self.under_way >= self.waiting:
            return 503, "busy", "more requests are under way than can be", "try again", 1
        if self.rates is not None and (wait := self.rates.wait(self._caller(scope, headers))):
            return 429, "rate", "more requests than this caller may make", "wait", wait
        return None

    def _caller(self, scope: Message, headers: Mapping[bytes, bytes]) -> bytes:
        """Whose requests are counted: those of a key, else of an address.

        Only a key that was good: whoever makes keys up would be another caller with each.
        """
        key = headers.get(b"authorization", b"")
        return key if self.known(key) else (scope.get("client") or ("",))[0].encode()

    def too_large(self) -> Said:
        """What is said of a body that is."""
        hint = f"send at most {self.body:,} bytes at a time"
        return 413, "too_large", "the body is larger than allowed", hint, 0


async def refuse(send: Send, status: int, code: str, message: str, hint: str, wait: int) -> None:
    """Answer with an error, without anything behind the gate."""
    import orjson

    body = orjson.dumps({"error": {"code": code, "message": message, "hint": hint, "where": None}})
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    if wait:
        headers.append((b"retry-after", b"%d" % wait))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


class Rates:
    """So many requests a minute for each caller, told by a bucket that fills up again.

    Args:
        a_minute: requests, and how many may come at once after a rest.
        callers: that are remembered; the one that was quiet the longest is forgotten first.
        clock: seconds.
    """

    def __init__(
        self,
        a_minute: int,
        *,
        callers: int = 100_000,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.a_minute, self.callers, self.clock = a_minute, callers, clock
        self._left: OrderedDict[bytes, tuple[float, float]] = OrderedDict()

    def wait(self, caller: bytes) -> int:
        """Seconds to wait, or 0 where this request may go on; it is counted then."""
        now, most = self.clock(), float(self.a_minute)
        left, since = self._left.pop(caller, (most, now))
        left = min(most, left + (now - since) * most / 60)
        allowed = left >= 1
        self._left[caller] = (left - allowed, now)
        while len(self._left) > self.callers:
            self._left.popitem(last=False)
        return 0 if allowed else max(1, round((1 - left) * 60 / most))
