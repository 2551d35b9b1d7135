"""Who may do what: an API key names its scopes, and each route the one that it needs.

"read" is to ask; "write" to send events; "admin" to forget users, swap models, set experiments, and
look after keys.
"""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from grapevine.serving.faults import Refusal

if TYPE_CHECKING:
    from grapevine.serving.store import Key, Store

KEPT_SECONDS = 5.0
"""How long a key that was looked up is remembered: no longer does one that is revoked go on."""
_bearer = HTTPBearer(
    auto_error=False, description="An API key: `grapevine keys add NAME --scope read`."
)


class Keys:
    """The keys of a store, the recently used ones at hand.

    Where the store has none, nobody needs one; `grapevine serve` is then for this machine alone.
    """

    def __init__(self, store: "Store", *, clock: Callable[[], float] = time.monotonic) -> None:
        self.store, self.clock = store, clock
        self._known: dict[str, tuple[float, Key | None]] = {}
        self._any = (-1e9, False)

    @property
    def any(self) -> bool:
        """Whether there are keys, so that one is needed."""
        if self.clock() - self._any[0] > KEPT_SECONDS:
            known = self._known
            good = any(one.revoked_at is None for one in self.store.all_keys())
            if self._known is not known:
                return good  # keys have changed meanwhile: the next one looks again
            self._any = (self.clock(), good)
            return good
        return self._any[1]

    def scopes(self, plain: str) -> frozenset[str]:
        """What a key is for; nothing if there is no such key."""
        # What is looked up while keys change goes into the book that is thrown away with them.
        known = self._known
        at, key = known.get(plain, (-1e9, None))
        if self.clock() - at > KEPT_SECONDS:
            key = self.store.key(plain)
            if len(known) > 10_000:
                known.clear()
            known[plain] = (self.clock(), key)
        return frozenset() if key is None else frozenset(key.scopes)

    def changed(self) -> None:
        """A key was made or revoked in this process: it counts from the next request on."""
        self._known, self._any = {}, (-1e9, False)


def needs(scope: str) -> Callable[..., None]:
    """A dependency of a route: whoever asks has a key with this scope, where keys are needed."""

    def allowed(
        request: Request,
        given: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],
    ) -> None:
        keys: Keys = request.app.state.keys
        if not keys.any:
            return
        if given is None:
            raise Refusal(401, "no_key", "an API key is needed", "send `Authorization: Bearer KEY`")
        scopes = keys.scopes(given.credentials)
        if not scopes:
            raise Refusal(401, "unknown_key", "there is no such API key", "ask whoever runs this")
        if scope not in scopes:
            raise Refusal(
                403, "scope", f"this key is for {', '.join(sorted(scopes))}, not for {scope}",
                "use a key with that scope",
            )  # fmt: skip

    return allowed
