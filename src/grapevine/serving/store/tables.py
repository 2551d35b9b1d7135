"""The tables of the event store, the same over SQLite and PostgreSQL."""

from sqlalchemy import (
    BigInteger,
    Column,
    Double,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
)

# Bytes decide what is equal and what comes first, on every server and whatever its locale is.
NAME = Text().with_variant(Text(collation="C"), "postgresql")
# SQLite numbers rows by itself only where the type is spelt INTEGER.
NUMBER = BigInteger().with_variant(Integer, "sqlite")

metadata = MetaData()

events = Table(
    "events",
    metadata,
    # The order of arrival: clocks may be set back, this is not.
    Column("id", NUMBER, Identity(), primary_key=True),
    Column("event_id", NAME, nullable=False),
    Column("user_id", NAME, nullable=False),
    Column("item_id", NAME, nullable=False),
    Column("behaviour", NAME, nullable=False),
    Column("timestamp", BigInteger, nullable=False),
    Column("value", Double),
    Column("session_id", NAME),
    Column("request_id", NAME),
    Column("arrived", BigInteger, nullable=False),
    UniqueConstraint("event_id", name="events_event_id"),
    Index("events_user", "user_id", "id"),
    Index("events_item", "item_id"),
)

exposures = Table(
    "exposures",
    metadata,
    Column("id", NUMBER, Identity(), primary_key=True),
    Column("request_id", NAME, nullable=False),
    Column("user_id", NAME, nullable=False),
    Column("item_id", NAME, nullable=False),
    Column("rank", Integer, nullable=False),
    Column("score", Double, nullable=False),
    Column("propensity", Double, nullable=False),
    Column("experiment", NAME, nullable=False),
    Column("arm", NAME, nullable=False),
    Column("model", NAME, nullable=False),
    Column("shown_at", BigInteger, nullable=False),
    UniqueConstraint("request_id", "experiment", "item_id", name="exposures_once"),
    Index("exposures_user", "user_id", "shown_at"),
    Index("exposures_experiment", "experiment", "id"),
)

experiments = Table(
    "experiments",
    metadata,
    Column("name", NAME, primary_key=True),
    Column("definition", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("changed_at", BigInteger, nullable=False),
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("key_id", NAME, primary_key=True),
    Column("name", NAME, nullable=False),
    Column("hash", LargeBinary, nullable=False),
    Column("scopes", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("revoked_at", BigInteger),
)

# What was said of items since: the fields of each as JSON, none where it was deleted.
items = Table(
    "items",
    metadata,
    Column("item_id", NAME, primary_key=True),
    Column("fields", Text),
    # Rises with every change, so that another server can ask what is new.
    Column("number", BigInteger, nullable=False),
    Column("changed_at", BigInteger, nullable=False),
    Index("items_number", "number"),
)

# Users who must leave the next dataset, vectors and checkpoints, by a salted hash.
marks = Table(
    "marks",
    metadata,
    Column("mark", NAME, primary_key=True),
    Column("forgotten_at", BigInteger, nullable=False),
)

# The salt, and a row that is written to see whether writing works again.
state = Table(
    "state",
    metadata,
    Column("name", NAME, primary_key=True),
    Column("value", LargeBinary, nullable=False),
)

PERSONAL = (events, exposures)
"""Tables whose rows belong to a user, each with a column `user_id`."""
