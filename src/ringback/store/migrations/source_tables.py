"""The tables of what sources sent."""

import sqlalchemy as sa
from alembic import op

from ringback.store.migrations.columns import create_index, texts, times

_WAITS = "due_at IS NOT NULL"


def create_source_tables() -> None:
    """Create the tables and indexes of deliveries and their events."""
    op.create_table(
        "source_deliveries",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("digest", sa.Text, nullable=False, unique=True),
        *texts("source"),
        *texts("delivery_key", nullable=True),
        sa.Column("headers", sa.JSON, nullable=False),
        sa.Column("body", sa.LargeBinary),
        *times("received_at", nullable=False),
    )
    op.create_table(
        "events",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("delivery_id", sa.Text, sa.ForeignKey("source_deliveries.id"), nullable=False),
        sa.Column("position", sa.Integer, nullable=False),
        *texts("namespace", "source"),
        *times("received_at", nullable=False),
        *texts("state"),
        *texts("action", "alias", nullable=True),
        sa.Column("body", sa.LargeBinary),
        *times("waits_until", nullable=False),
        *times("due_at"),
        sa.Column("tries", sa.Integer, nullable=False),
        *texts("reason", "callback_id", nullable=True),
        *times("ended_at"),
    )
    with_body = "body IS NOT NULL"
    create_index("ix_source_deliveries_with_body", "source_deliveries", "id", where=with_body)
    create_index("ix_events_due", "events", "due_at", "received_at", where=_WAITS)
    create_index("ix_events_alias", "events", "alias", where=_WAITS)
    create_index("ix_events_delivery", "events", "delivery_id", "position")
    create_index("ix_events_source", "events", "source", "id")
    create_index("ix_events_callback", "events", "callback_id", "id")
