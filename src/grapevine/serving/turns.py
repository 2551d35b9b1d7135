"""Questions that came at the same time are answered together: none waits for company.

All that a turn of the event loop has brought is answered in the next one. A service that is asked
little answers each question by itself, at once; the more it is asked, the more questions have come
by the time it is done with the ones before. No time is set for gathering, so none is lost.
"""

import asyncio
import time
from collections import deque
from typing import Any

from grapevine.serving.engine import Asked
from grapevine.serving.faults import Refusal
from grapevine.serving.service import Service

MOST = 16
"""Questions of one turn: more would save nothing, and those who came first would wait for them."""


class Turns:
    """Collects questions and answers them, in the thread of the event loop.

    Args:
        service: who answers.
        most: questions of one turn.
        patience_s: one that has waited for longer is refused (503): whoever sent it is told sooner
            than an answer would come, and those behind it have a chance.
    """

    def __init__(self, service: Service, *, most: int = MOST, patience_s: float = 1.0) -> None:
        self.service, self.most, self.patience_s = service, most, patience_s
        self._waiting: deque[tuple[float, asyncio.Future[dict[str, Any]], Asked, str]] = deque()

    def __len__(self) -> int:
        return len(self._waiting)

    async def ask(self, asked: Asked, request_id: str) -> dict[str, Any]:
        """The answer, as `Service.recommend` gives it.

        Raises:
            Refusal: it would come too late, or the store takes no more just now.
            ConfigError: it cannot be answered.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[dict[str, Any]] = loop.create_future()
        if not self._waiting:
            loop.call_soon(self._take, loop)
        self._waiting.append((time.monotonic(), future, asked, request_id))
        return await future

    def _take(self, loop: asyncio.AbstractEventLoop) -> None:
        """Answer those who came first; then let the loop look whether others came."""
        late = time.monotonic() - self.patience_s
        turn: list[tuple[asyncio.Future[dict[str, Any]], Asked, str]] = []
        while self._waiting and len(turn) < self.most:
            came, future, asked, request_id = self._waiting.popleft()
            if future.done():  # whoever asked has gone
                continue
            if came < late:
                future.set_exception(too_late())
                continue
            turn.append((future, asked, request_id))
        if self._waiting:
            loop.call_soon(self._take, loop)
        if not turn:
            return
        try:
            found = self.service.recommend_all([(asked, name) for _, asked, name in turn])
        except Exception as error:  # told to each, and the next turn begins afresh
            found = [error] * len(turn)
        for (future, _, _), said in zip(turn, found):
            if isinstance(said, Exception):
                future.set_exception(said)
            else:
                future.set_result(said)


def too_late() -> Refusal:
    """More is asked than can be answered in time."""
    return Refusal(503, "busy", "more is asked than can be answered", "send it again", wait=1)
