"""API keys: which there are, a new one, and one that is good no more; while the service runs."""

import re
from collections.abc import Iterable
from ipaddress import ip_address
from typing import Any

from fastapi import APIRouter, Depends, Request, Response

from grapevine.serving.auth import Keys, needs
from grapevine.serving.faults import SAID, Refusal
from grapevine.serving.reply import reply, service_of
from grapevine.serving.segments import IdInPath
from grapevine.serving.shapes.keys import KeyMade, KeysTold, KeyTold, KeyWanted
from grapevine.serving.store import Key

HERE = frozenset({"localhost", "127.0.0.1", "[::1]"})
"""How this machine is called by itself."""
_PORT = re.compile(r":[0-9]*$")
FORWARDED = ("forwarded", "x-forwarded-for", "x-real-ip")
"""What a proxy tells of a caller: it asks for somebody else, from this machine or not."""


def from_here(request: Request) -> None:
    """A dependency: as long as nobody needs a key, only this machine itself may look after keys.

    Whoever made the first one would have locked everybody else out. A page of another site that a
    browser of this machine shows has another name in `Host`, as has what comes through a proxy.
    """
    keys: Keys = request.app.state.keys
    if keys.needed:
        return
    caller = request.client.host if request.client else ""
    called = _PORT.sub("", request.headers.get("host", ""))
    through = any(one in request.headers for one in FORWARDED)
    if through or called not in HERE or not _is_loopback(caller):
        raise Refusal(
            403, "not_from_here", "as long as there is no API key, only this machine may make one",
            "ask at 127.0.0.1, without a proxy; or `grapevine keys add` before the service starts",
        )  # fmt: skip


router = APIRouter(
    prefix="/v1/keys",
    tags=["keys"],
    responses=SAID,
    dependencies=[Depends(needs("admin")), Depends(from_here)],
)


@router.get("", response_model=KeysTold)
def listed(request: Request) -> Response:
    """All keys, those revoked too, the oldest first; never the keys themselves."""
    return reply({"keys": [_told(one) for one in service_of(request).store.all_keys()]})


@router.post("", response_model=KeyMade, status_code=201)
def add(request: Request, given: KeyWanted) -> Response:
    """Make a key: `key` is told once. From the first one on everybody needs one."""
    service, keys = service_of(request), request.app.state.keys
    with service.changing:
        if "admin" not in given.scopes and not _admins(service.store.all_keys()):
            raise Refusal(
                409, "no_admin", "nobody could look after keys any more",
                "make a key with the scope `admin` first", where=["body", "scopes"],
            )  # fmt: skip
        plain = service.store.add_key(given.name, given.scopes)
        keys.changed()
    made = service.store.key(plain)
    if made is None:
        raise Refusal(409, "revoked", "the key was revoked meanwhile", "make another")
    answer = reply({"key": plain, **_told(made)}, 201)
    answer.headers["cache-control"] = "no-store"
    return answer


@router.delete("/{key_id}", response_model=KeyTold)
def revoke(request: Request, key_id: IdInPath) -> Response:
    """Let a key be good no more, here at once, on other servers within seconds; again: the same.

    The last key with the scope `admin` stays: nobody could look after keys any more.
    """
    service, keys = service_of(request), request.app.state.keys
    with service.changing:
        found = {one.key_id: one for one in service.store.all_keys()}
        key = found.get(key_id)
        if key is None:
            raise Refusal(404, "no_key_of_id", "there is no such key", "see /v1/keys")
        if key.revoked_at is None:
            if _admins(found.values()) == {key_id}:
                raise Refusal(
                    409, "last_admin", "this is the last key with the scope `admin`",
                    "make another one first: nobody could look after keys any more",
                )  # fmt: skip
            service.store.revoke(key_id)
            keys.changed()
            key = next(one for one in service.store.all_keys() if one.key_id == key_id)
    return reply(_told(key))


def _admins(keys: Iterable[Key]) -> set[str]:
    return {one.key_id for one in keys if one.revoked_at is None and "admin" in one.scopes}


def _is_loopback(address: str) -> bool:
    try:
        return ip_address(address).is_loopback
    except ValueError:
        return False


def _told(key: Key) -> dict[str, Any]:
    return {
        "key_id": key.key_id,
        "name": key.name,
        "scopes": sorted(key.scopes),
        "created_at": key.created_at,
        "revoked_at": key.revoked_at,
    }
