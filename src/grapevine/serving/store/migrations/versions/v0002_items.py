"""Items that were put or deleted while a model is in service."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

_NAME = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "items",
        sa.Column("item_id", _NAME, primary_key=True),
        sa.Column("fields", sa.Text),
        sa.Column("number", sa.BigInteger, nullable=False),
        sa.Column("changed_at", sa.BigInteger, nullable=False),
    )
    op.create_index("items_number", "items", ["number"])
