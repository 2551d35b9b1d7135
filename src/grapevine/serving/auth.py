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
from grapevine.serving.parameters import refuse_unknown

if TYPE_CHECKING:
    from grapevine.serving.store import Key, Store

KEPT_SECONDS = 5.0
"""How long a key that was looked up is remembered: no longer does one that is revoked go on."""
_bearer = HTTPBearer(
    auto_error=False, description="An API key: `grapevine keys add NAME --scope read`."
)


class Keys:
    """The keys of a store, the recently used ones at hand.

    Where the store never had one, nobody needs one; `grapevine serve` is then for this machine
    alone. Where all were revoked, nobody gets in: what was closed does not open by itself.

    Args:
        store: that keeps them.
        needed: whether one is needed whatever the store says.
        clock: seconds.
    """

    def __init__(
        self,
        store: "Store",
        *,
        needed: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.store, self.clock = store, clock
        self._known: dict[str, tuple[float, Key | None]] = {}
        self._needed, self._looked = needed, -1e9

    @property
    def needed(self) -> bool:
        """Whether whoever asks needs one."""
        if not self._needed and self.clock() - self._looked > KEPT_SECONDS:
            # Those that were revoked count too; and once there was one, nothing changes that.
            known = self._known
            if self.store.all_keys():
                self._needed = True
            elif self._known is known:  # else keys have changed meanwhile: the next one looks again
                self._looked = self.clock()
        return self._needed

    def known(self, authorization: bytes) -> bool:
        """Whether a header held a good key when it was last looked up; asks nobody."""
        if authorization[:7].lower() != b"bearer ":
            return False
        return self._known.get(authorization[7:].decode("latin-1"), (0.0, None))[1] is not None

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
        self._known, self._looked = {}, -1e9


def needs(scope: str) -> Callable[..., None]:
    """A dependency of a route: whoever asks has a key with this scope, where keys are needed."""

    def allowed(
        request: Request,
        given: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],
    ) -> None:
        keys: Keys = request.app.state.keys
        if keys.needed:
            _refuse(keys, given, scope)
        # Here, where every route comes through, and not before: strangers are told nothing.
        refuse_unknown(request)

    return allowed


def _refuse(keys: Keys, given: HTTPAuthorizationCredentials | None, scope: str) -> None:
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
