"""The schema: made, kept up to date, and refused where it is newer."""

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import inspect, text

from grapevine.errors import StoreError
from grapevine.serving.store import Event, Item, migrate, open_store
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


RELEASED = ("0001",)
"""Schemas that some version has written, but for the last."""


@pytest.mark.parametrize("since", RELEASED)
def test_a_store_of_every_released_schema_is_brought_up_to_date(url, since, monkeypatch):
    """With its events, keys and marks; and every step but the last is one that was released."""
    steps = [one.revision for one in migrate._script().walk_revisions()]
    assert sorted(steps) == [*RELEASED, migrate.HEAD]
    with monkeypatch.context() as older:
        older.setattr(migrate, "HEAD", since)
        with open_store(url) as store:
            store.append([Event("e1", "u1", "i1", "view", 5)]).result()
            store.forget("u2")
            key = store.add_key("web", ["read"])
    with pytest.raises(StoreError, match=f"has schema {since}, and this version reads"):
        open_store(url, read_only=True)
    with open_store(url) as store:
        assert [one.event_id for one in store.history("u1")] == ["e1"]
        assert {*store.forgotten(["u1", "u2"])} == {"u2"}
        assert store.key(key).scopes == {"read"}
        assert store.shelf.put([Item("i9", {"title": "new"})]).put == 1
    with open_store(url, read_only=True) as store:
        assert store.shelf.get("i9").fields == {"title": "new"}
