"""API keys: made at random, shown once, kept as a hash."""

import hashlib
import hmac
import secrets
from collections.abc import Collection

from grapevine.errors import unknown
from grapevine.serving.store.values import Key

SCOPES = ("read", "write", "admin")
"""Ask for lists; send events; change models, experiments and keys, and forget users."""
_PREFIX = "gv"
_NOBODY = bytes(32)


def new_key() -> tuple[str, str, bytes]:
    """The open part of a fresh key, the key itself (256 random bits), and its hash."""
    key_id, secret = secrets.token_hex(6), secrets.token_urlsafe(32)
    return key_id, f"{_PREFIX}_{key_id}_{secret}", hashed(secret)


def hashed(secret: str) -> bytes:
    """SHA-256: nobody guesses 256 random bits, so that a slow hash would only slow the service."""
    return hashlib.sha256(secret.encode()).digest()


def parts(plain: str) -> tuple[str, str]:
    """Open part and secret of a key; both empty where it is not written like one."""
    # The secret may hold underscores of its own.
    prefix, _, rest = plain.partition("_")
    key_id, _, secret = rest.partition("_")
    well = prefix == _PREFIX and key_id.isalnum() and secret and plain.isascii()
    return (key_id, secret) if well else ("", "")


def matches(secret: str, known: bytes | None) -> bool:
    """Whether a secret has this hash, in the same time whether it does, or there is none."""
    return hmac.compare_digest(hashed(secret), known or _NOBODY) and known is not None


def check_scopes(scopes: Collection[str]) -> frozenset[str]:
    """The scopes as a set.

    Raises:
        ConfigError: one is not known.
    """
    for scope in scopes:
        if scope not in SCOPES:
            raise unknown("scope", scope, SCOPES)
    return frozenset(scopes)


def key_of(row: tuple[str, str, str, int, int | None]) -> Key:
    """A key out of its row: id, name, scopes, created, revoked."""
    key_id, name, scopes, created, revoked = row
    return Key(key_id, name, frozenset(scopes.split()), created, revoked)
