"""Callbacks, their outcomes, and the audit trail."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the first three tables."""
    _make_callbacks()
    _make_outcomes()
    _make_events()


def _make_callbacks() -> None:
    op.create_table(
        "callbacks",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("activity_key", sa.Text, nullable=False),
        sa.Column("round", sa.Integer, nullable=False),
        sa.Column("namespace", sa.Text, nullable=False),
        sa.Column("workflow_id", sa.Text, nullable=False),
        sa.Column("run_id", sa.Text, nullable=False),
        sa.Column("activity_id", sa.Text, nullable=False),
        sa.Column("scheduled_at", sa.BigInteger, nullable=False),
        sa.Column("workflow_type", sa.Text, nullable=False),
        sa.Column("activity_type", sa.Text, nullable=False),
        sa.Column("task_queue", sa.Text, nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("opened_at", sa.BigInteger, nullable=False),
        sa.Column("submitted_at", sa.BigInteger),
        sa.Column("deadline_at", sa.BigInteger),
        sa.Column("closed_at", sa.BigInteger),
        sa.Column("expired_because", sa.Text),
        sa.Column("verbs", sa.Integer, nullable=False),
        sa.Column("key_id", sa.Text, nullable=False),
        sa.Column("link_expires_at", sa.BigInteger, nullable=False),
        sa.UniqueConstraint("activity_key", "round", name="uq_callbacks_activity_key_round"),
    )
    is_open = sa.text("closed_at IS NULL")
    op.create_index(
        "ix_callbacks_not_closed",
        "callbacks",
        ["id"],
        sqlite_where=is_open,
        postgresql_where=is_open,
    )


def _make_outcomes() -> None:
    op.create_table(
        "outcomes",
        sa.Column("callback_id", sa.Text, sa.ForeignKey("callbacks.id"), primary_key=True),
        sa.Column("outcome_id", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("body", sa.LargeBinary),
        sa.Column("fields", sa.JSON, nullable=False),
        sa.Column("accepted_at", sa.BigInteger, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("due_at", sa.BigInteger, nullable=False),
        sa.Column("claimed_by", sa.Text),
        sa.Column("tries", sa.Integer, nullable=False),
        sa.Column("trouble", sa.Text),
        sa.Column("handed_to", sa.Text),
        sa.Column("handed_attempt", sa.Integer),
        sa.Column("verdict_at", sa.BigInteger),
        sa.Column("proof", sa.JSON),
    )
    is_accepted = sa.text("state = 'accepted'")
    op.create_index(
        "ix_outcomes_due",
        "outcomes",
        ["due_at"],
        sqlite_where=is_accepted,
        postgresql_where=is_accepted,
    )


def _make_events() -> None:
    op.create_table(
        "events",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
        sa.Column("callback_id", sa.Text, sa.ForeignKey("callbacks.id"), nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("facts", sa.JSON, nullable=False),
    )
    op.create_index("ix_events_callback", "events", ["callback_id", "id"])
