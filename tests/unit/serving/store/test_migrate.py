"""The schema: made, kept up to date, and refused where it is newer."""

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import inspect, text

from grapevine.errors import StoreError
from grapevine.serving.store import migrate, open_store
from grapevine.serving.store.tables import metadata


def test_the_steps_lead_to_the_tables_that_the_code_asks(store):
    with store.backend.readers.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []
        found = {
            (table, index["name"])
            for table in metadata.tables
            for index in inspect(connection).get_indexes(table)
        }
    declared = {
        (name, index.name) for name, one in metadata.tables.items() for index in one.indexes
    }
    assert declared <= found


def test_the_last_step_is_the_schema_that_the_code_names():
    assert migrate._script().get_heads() == [migrate.HEAD]


def test_a_newer_schema_is_refused_with_what_to_do(url):
    open_store(url).close()
    with open_store(url) as store:
        newer = text("UPDATE alembic_version SET version_num = '9999'")
        store._writer.do(lambda connection: connection.execute(newer)).result()
    for read_only in (False, True):
        with pytest.raises(StoreError, match="schema 9999, which a later version") as caught:
            open_store(url, read_only=read_only)
        assert "restore the backup" in caught.value.hint


def test_steps_that_fail_leave_nothing_behind(url, monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr("alembic.op.create_index", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            open_store(url)
    with open_store(url) as store:
        assert store.counts() == {"events": 0, "exposures": 0}
