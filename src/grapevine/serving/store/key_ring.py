"""API keys of a store: made, looked up, revoked; what a key is: see `keys`."""

from collections.abc import Collection

from sqlalchemy import select, update

from grapevine.serving.store import checks, keys, tables
from grapevine.serving.store.access import Access
from grapevine.serving.store.insert import add_missing
from grapevine.serving.store.values import Key

_KEY_COLUMNS = (
    tables.api_keys.c.key_id,
    tables.api_keys.c.name,
    tables.api_keys.c.scopes,
    tables.api_keys.c.created_at,
    tables.api_keys.c.revoked_at,
)


class KeyRing(Access):
    """See `Store`."""

    def add_key(self, name: str, scopes: Collection[str]) -> str:
        """Make a key; what is returned is shown once and kept nowhere.

        Raises:
            ConfigError: a scope is not known.
        """
        allowed = keys.check_scopes(scopes)
        if reason := checks.id_fault(name):
            raise checks.Refused([checks.Fault(None, "name", reason)])
        key_id, plain, hashed = keys.new_key()
        row = {
            "key_id": key_id,
            "name": name,
            "hash": hashed,
            "scopes": " ".join(sorted(allowed)),
            "created_at": self.clock(),
            "revoked_at": None,
        }
        self._do(lambda connection: add_missing(connection, tables.api_keys, row))
        return plain

    def key(self, plain: str) -> Key | None:
        """The key that this is, or None where it is none, or was revoked."""
        key_id, secret = keys.parts(plain)
        columns = tables.api_keys.c
        asked = select(*_KEY_COLUMNS, columns.hash).where(
            columns.key_id == key_id, columns.revoked_at.is_(None)
        )
        row = self._read(lambda connection: connection.execute(asked).first())
        known = bytes(row[-1]) if row is not None else None
        return keys.key_of(tuple(row[:-1])) if keys.matches(secret, known) and row else None

    def all_keys(self) -> list[Key]:
        """All keys, those revoked too, the oldest first."""
        asked = select(*_KEY_COLUMNS).order_by(
            tables.api_keys.c.created_at, tables.api_keys.c.key_id
        )
        rows = self._read(lambda connection: connection.execute(asked).all())
        return [keys.key_of(tuple(row)) for row in rows]

    def revoke(self, key_id: str) -> bool:
        """Make a key void from now on; whether it was good before."""
        columns = tables.api_keys.c
        change = (
            update(tables.api_keys)
            .where(columns.key_id == key_id, columns.revoked_at.is_(None))
            .values(revoked_at=self.clock())
        )
        return self._do(lambda connection: connection.execute(change).rowcount) > 0
