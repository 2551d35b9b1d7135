"""From the schema that a store has to the one that this version writes."""

import logging
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, inspect, text

from grapevine.errors import StoreError

if TYPE_CHECKING:
    from alembic.script import ScriptDirectory

HEAD = "0002"
"""The schema that this version reads and writes."""
STEPS = Path(__file__).parent / "migrations"
_VERSION = "alembic_version"
# Of each step, and of each of its own plugins, it tells a line: nobody has asked for those.
logging.getLogger("alembic").setLevel(logging.WARNING)


def revision(connection: Connection) -> str | None:
    """The schema that is there, or None where there is none yet."""
    if not inspect(connection).has_table(_VERSION):
        return None
    return connection.execute(text(f"SELECT version_num FROM {_VERSION}")).scalar()


def check(connection: Connection, where: str) -> None:
    """Refuse a store whose schema is not the one that this version reads.

    Raises:
        StoreError: it is newer, older, or not there.
    """
    found = revision(connection)
    if found == HEAD:
        return
    if found is None:
        raise StoreError(
            f"{where}: holds no events", hint="is this the store that the service has?"
        )
    _refuse_newer(found, where)
    raise StoreError(
        f"{where}: has schema {found}, and this version reads {HEAD}",
        hint="start the service of this version on it once: that brings the schema up to date",
    )


def upgrade(connection: Connection, where: str) -> None:
    """Apply the steps that are missing, all in the transaction of the connection.

    Raises:
        StoreError: a later version of grapevine has been at work there.
    """
    found = revision(connection)
    if found == HEAD:
        return
    if found is not None:
        _refuse_newer(found, where)
    from alembic.config import Config
    from alembic.runtime.environment import EnvironmentContext

    script = _script()
    with EnvironmentContext(
        Config(), script, fn=lambda revision, _: script._upgrade_revs(HEAD, revision)
    ) as environment:
        environment.configure(connection=connection)
        environment.run_migrations()


def _refuse_newer(found: str, where: str) -> None:
    if found not in {step.revision for step in _script().walk_revisions()}:
        raise StoreError(
            f"{where}: has schema {found}, which a later version of grapevine wrote; this one "
            f"knows up to {HEAD}",
            hint="install that version again (pip install -U grapevine-rec), or restore the "
            "backup from before it",
        )


def _script() -> "ScriptDirectory":
    # Imported here: a store that is up to date need not wait for it.
    from alembic.script import ScriptDirectory

    return ScriptDirectory(str(STEPS))
