"""Create the schema."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_NOT_CLOSED = "closed_at IS NULL"


def upgrade() -> None:
    """Create all tables and indexes."""
    _create_callbacks()
    _create_schemas()
    _create_outcomes()
    _create_events()
    _create_tags()
    _create_webhooks()
    _create_api_keys()


def _create_callbacks() -> None:
    op.create_table(
        "callbacks",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("activity_key", sa.Text, nullable=False),
        sa.Column("generation", sa.Integer, nullable=False),
        sa.Column("namespace", sa.Text, nullable=False),
        sa.Column("workflow_id", sa.Text, nullable=False),
        sa.Column("run_id", sa.Text, nullable=False),
        sa.Column("activity_id", sa.Text, nullable=False),
        sa.Column("scheduled_at", sa.BigInteger, nullable=False),
        sa.Column("workflow_type", sa.Text, nullable=False),
        sa.Column("activity_type", sa.Text, nullable=False),
        sa.Column("task_queue", sa.Text, nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("attempt_started_at", sa.BigInteger, nullable=False),
        sa.Column("task_token", sa.LargeBinary),
        sa.Column("opened_at", sa.BigInteger, nullable=False),
        sa.Column("submitted_at", sa.BigInteger),
        sa.Column("attempt_timeout_at", sa.BigInteger),
        sa.Column("own_deadline_at", sa.BigInteger),
        sa.Column("default_due_at", sa.BigInteger),
        sa.Column("schema_id", sa.Text),
        sa.Column("closed_at", sa.BigInteger),
        sa.Column("expired_because", sa.Text),
        sa.Column("verbs", sa.Integer, nullable=False),
        sa.Column("key_id", sa.Text, nullable=False),
        sa.Column("link_expires_at", sa.BigInteger, nullable=False),
        sa.Column("link_serial", sa.Integer, nullable=False),
        sa.Column("heartbeat_timeout", sa.BigInteger),
        sa.Column("details", sa.LargeBinary),
        sa.Column("heartbeat_received_at", sa.BigInteger),
        sa.Column("heartbeat_sent_at", sa.BigInteger),
        sa.Column("heartbeat_due_at", sa.BigInteger),
        sa.Column("heartbeat_held_until", sa.BigInteger),
        sa.Column("poll_due_at", sa.BigInteger, nullable=False),
        sa.Column("poll_held_until", sa.BigInteger),
        sa.Column("cancel_requested_at", sa.BigInteger),
        sa.Column("paused_at", sa.BigInteger),
        sa.Column("reset_at", sa.BigInteger),
        sa.Column("deadline", sa.BigInteger),
        sa.Column("on_deadline_kind", sa.Text),
        sa.Column("on_deadline_body", sa.LargeBinary),
        sa.Column("on_deadline_fields", sa.JSON),
        sa.Column("attempts", sa.Text, nullable=False),
        sa.Column("resume", sa.Boolean, nullable=False),
        sa.Column("follow_reset", sa.Boolean, nullable=False),
        sa.Column("heartbeat", sa.Text, nullable=False),
        sa.Column("cancel_within", sa.BigInteger),
        sa.Column("cancel_url", sa.Text),
        sa.Column("notify_url", sa.Text),
        sa.Column("title", sa.Text),
        sa.Column("tags", sa.JSON, nullable=False),
        sa.Column("metadata", sa.JSON, nullable=False),
        sa.UniqueConstraint(
            "activity_key", "generation", name="uq_callbacks_activity_key_generation"
        ),
    )
    has_default = f"{_NOT_CLOSED} AND default_due_at IS NOT NULL"
    has_heartbeat = f"{_NOT_CLOSED} AND heartbeat_due_at IS NOT NULL"
    _create_index("ix_callbacks_not_closed", "callbacks", "id", where=_NOT_CLOSED)
    _create_index("ix_callbacks_default_due", "callbacks", "default_due_at", where=has_default)
    _create_index(
        "ix_callbacks_heartbeat_due", "callbacks", "heartbeat_due_at", where=has_heartbeat
    )
    _create_index("ix_callbacks_poll_due", "callbacks", "poll_due_at", "id", where=_NOT_CLOSED)
    _create_index("ix_callbacks_run", "callbacks", "run_id", where=_NOT_CLOSED)
    _create_index("ix_callbacks_workflow", "callbacks", "workflow_id", "id")
    _create_index("ix_callbacks_expired", "callbacks", "id", where="expired_because IS NOT NULL")


def _create_schemas() -> None:
    op.create_table(
        "schemas",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("text", sa.Text, nullable=False),
    )


def _create_outcomes() -> None:
    op.create_table(
        "outcomes",
        sa.Column("callback_id", sa.Text, sa.ForeignKey("callbacks.id"), primary_key=True),
        sa.Column("outcome_id", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("body", sa.LargeBinary),
        sa.Column("fields", sa.JSON, nullable=False),
        sa.Column("accepted_at", sa.BigInteger, nullable=False),
        sa.Column("is_default", sa.Boolean, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("due_at", sa.BigInteger, nullable=False),
        sa.Column("claimed_by", sa.Text),
        sa.Column("tries", sa.Integer, nullable=False),
        sa.Column("unconfirmed_attempt", sa.Integer),
        sa.Column("unconfirmed_started_at", sa.BigInteger),
        sa.Column("not_applied_started_at", sa.BigInteger),
        sa.Column("last_error", sa.Text),
        sa.Column("delivered_inline_to", sa.Text),
        sa.Column("delivered_inline_attempt", sa.Integer),
        sa.Column("verdict_at", sa.BigInteger),
        sa.Column("proof", sa.JSON),
        sa.Column("after_event", sa.BigInteger, nullable=False),
    )
    due = ("state", "due_at", "callback_id")
    _create_index("ix_outcomes_due", "outcomes", *due, where="state = 'accepted'")
    _create_index("ix_outcomes_state", "outcomes", "state", "callback_id")


def _create_events() -> None:
    op.create_table(
        "events",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
        sa.Column("callback_id", sa.Text, sa.ForeignKey("callbacks.id"), nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("facts", sa.JSON, nullable=False),
    )
    _create_index("ix_events_callback", "events", "callback_id", "id")


def _create_tags() -> None:
    op.create_table(
        "tags",
        sa.Column("tag", sa.Text, primary_key=True),
        sa.Column("callback_id", sa.Text, sa.ForeignKey("callbacks.id"), primary_key=True),
    )
    _create_index("ix_tags_callback", "tags", "callback_id")


def _create_webhooks() -> None:
    op.create_table(
        "webhooks",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("callback_id", sa.Text, sa.ForeignKey("callbacks.id"), nullable=False),
        sa.Column("url", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("facts", sa.JSON, nullable=False),
        sa.Column("due_at", sa.BigInteger, nullable=False),
        sa.Column("tries", sa.Integer, nullable=False),
        sa.Column("ended_at", sa.BigInteger),
        sa.Column("last_error", sa.Text),
    )
    _create_index("ix_webhooks_due", "webhooks", "due_at", where="ended_at IS NULL")
    _create_index("ix_webhooks_callback", "webhooks", "callback_id")


def _create_api_keys() -> None:
    op.create_table(
        "api_keys",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("role", sa.Text, nullable=False),
        sa.Column("digest", sa.LargeBinary, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("revoked_at", sa.BigInteger),
    )


def _create_index(name: str, table: str, *columns: str, where: str | None = None) -> None:
    condition = None if where is None else sa.text(where)
    op.create_index(name, table, list(columns), sqlite_where=condition, postgresql_where=condition)
