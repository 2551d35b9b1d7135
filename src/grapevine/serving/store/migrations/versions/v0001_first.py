"""The first schema: events, exposures, experiments, keys, marks."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_NAME = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
_NUMBER = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Make every table."""
    op.create_table(
        "events",
        sa.Column("id", _NUMBER, sa.Identity(), primary_key=True),
        sa.Column("event_id", _NAME, nullable=False),
        sa.Column("user_id", _NAME, nullable=False),
        sa.Column("item_id", _NAME, nullable=False),
        sa.Column("behaviour", _NAME, nullable=False),
        sa.Column("timestamp", sa.BigInteger, nullable=False),
        sa.Column("value", sa.Double),
        sa.Column("session_id", _NAME),
        sa.Column("request_id", _NAME),
        sa.Column("arrived", sa.BigInteger, nullable=False),
        sa.UniqueConstraint("event_id", name="events_event_id"),
    )
    op.create_index("events_user", "events", ["user_id", "id"])
    op.create_index("events_item", "events", ["item_id"])
    op.create_table(
        "exposures",
        sa.Column("id", _NUMBER, sa.Identity(), primary_key=True),
        sa.Column("request_id", _NAME, nullable=False),
        sa.Column("user_id", _NAME, nullable=False),
        sa.Column("item_id", _NAME, nullable=False),
        sa.Column("rank", sa.Integer, nullable=False),
        sa.Column("score", sa.Double, nullable=False),
        sa.Column("propensity", sa.Double, nullable=False),
        sa.Column("experiment", _NAME, nullable=False),
        sa.Column("arm", _NAME, nullable=False),
        sa.Column("model", _NAME, nullable=False),
        sa.Column("shown_at", sa.BigInteger, nullable=False),
        sa.UniqueConstraint("request_id", "experiment", "item_id", name="exposures_once"),
    )
    op.create_index("exposures_user", "exposures", ["user_id", "shown_at"])
    op.create_index("exposures_experiment", "exposures", ["experiment", "id"])
    op.create_table(
        "experiments",
        sa.Column("name", _NAME, primary_key=True),
        sa.Column("definition", sa.Text, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("changed_at", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "api_keys",
        sa.Column("key_id", _NAME, primary_key=True),
        sa.Column("name", _NAME, nullable=False),
        sa.Column("hash", sa.LargeBinary, nullable=False),
        sa.Column("scopes", sa.Text, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("revoked_at", sa.BigInteger),
    )
    op.create_table(
        "marks",
        sa.Column("mark", _NAME, primary_key=True),
        sa.Column("forgotten_at", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "state",
        sa.Column("name", _NAME, primary_key=True),
        sa.Column("value", sa.LargeBinary, nullable=False),
    )
