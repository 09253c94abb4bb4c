"""Create the schema."""

import sqlalchemy as sa
from alembic import op

from ringback.store.migrations.columns import (
    create_access_tables,
    create_index,
    create_source_tables,
    texts,
    times,
    vacuum_early,
)

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
    _create_audit_trail()
    _create_votes()
    _create_assignments()
    _create_search_texts()
    _create_tags()
    _create_aliases()
    _create_webhooks()
    _create_notifications()
    create_access_tables()
    create_source_tables()
    vacuum_early("callbacks", "schemas", "outcomes", "audit_trail", "votes", "assignments")
    vacuum_early("search_texts")
    vacuum_early("tags", "aliases", "webhooks", "notifications", "events", "source_deliveries")


def _create_callbacks() -> None:
    op.create_table(
        "callbacks",
        sa.Column("id", sa.Text, primary_key=True),
        *texts("activity_key"),
        sa.Column("generation", sa.Integer, nullable=False),
        *texts("namespace", "workflow_id", "run_id", "activity_id"),
        *times("scheduled_at", nullable=False),
        *texts("workflow_type", "activity_type", "task_queue"),
        sa.Column("attempt", sa.Integer, nullable=False),
        *times("attempt_started_at", nullable=False),
        sa.Column("task_token", sa.LargeBinary),
        *times("opened_at", nullable=False),
        *times("submitted_at", "attempt_timeout_at", "own_deadline_at", "default_due_at"),
        *texts("schema_id", nullable=True),
        *times("closed_at"),
        sa.Column("has_bodies", sa.Boolean, nullable=False),
        *texts("expired_because", nullable=True),
        sa.Column("verbs", sa.Integer, nullable=False),
        *texts("key_id"),
        *times("link_expires_at", nullable=False),
        sa.Column("link_serial", sa.Integer, nullable=False),
        *times("heartbeat_timeout"),
        sa.Column("heartbeat_details", sa.LargeBinary),
        *times("heartbeat_received_at", "heartbeat_sent_at"),
        *times("heartbeat_due_at", "heartbeat_held_until"),
        *times("poll_due_at", nullable=False),
        *times("poll_held_until", "sender_poll_due_at", "sender_poll_requested_at"),
        sa.Column("sender_poll_is_over", sa.Boolean, nullable=False),
        *times("cancel_requested_at", "paused_at"),
        *texts("claimant", nullable=True),
        sa.Column("ballots", sa.JSON, nullable=False),
        *texts("traceparent", nullable=True),
        *times("reset_at", "deadline"),
        *texts("on_deadline_kind", nullable=True),
        sa.Column("on_deadline_body", sa.LargeBinary),
        sa.Column("on_deadline_fields", sa.JSON),
        *texts("attempts"),
        sa.Column("resume", sa.Boolean, nullable=False),
        sa.Column("poll", sa.Boolean, nullable=False),
        *times("poll_every"),
        sa.Column("follow_reset", sa.Boolean, nullable=False),
        *texts("heartbeat"),
        *times("cancel_within"),
        *(sa.Column(name, sa.Text) for name in ("cancel_url", "notify_url")),
        *(sa.Column(name, sa.Text) for name in ("title", "description")),
        sa.Column("details", sa.JSON, nullable=False),
        sa.Column("policy", sa.JSON),
        sa.Column("notify", sa.JSON, nullable=False),
        *times("remind_every"),
        sa.Column("escalate", sa.JSON, nullable=False),
        *(sa.Column(name, sa.JSON, nullable=False) for name in ("tags", "aliases", "metadata")),
        sa.UniqueConstraint(
            "activity_key", "generation", name="uq_callbacks_activity_key_generation"
        ),
    )
    has_default = f"{_NOT_CLOSED} AND default_due_at IS NOT NULL"
    has_heartbeat = f"{_NOT_CLOSED} AND heartbeat_due_at IS NOT NULL"
    create_index("ix_callbacks_not_closed", "callbacks", "id", where=_NOT_CLOSED)
    ended = ("has_bodies", "closed_at", "id")
    create_index("ix_callbacks_ended", "callbacks", *ended, where="closed_at IS NOT NULL")
    create_index("ix_callbacks_default_due", "callbacks", "default_due_at", where=has_default)
    create_index("ix_callbacks_heartbeat_due", "callbacks", "heartbeat_due_at", where=has_heartbeat)
    create_index("ix_callbacks_poll_due", "callbacks", "poll_due_at", "id", where=_NOT_CLOSED)
    has_sender_poll = f"{_NOT_CLOSED} AND sender_poll_due_at IS NOT NULL"
    due = "sender_poll_due_at"
    create_index("ix_callbacks_sender_poll_due", "callbacks", due, where=has_sender_poll)
    create_index("ix_callbacks_run", "callbacks", "run_id", where=_NOT_CLOSED)
    for name in ("own_deadline_at", "attempt_timeout_at"):
        has_deadline = f"{_NOT_CLOSED} AND {name} IS NOT NULL"
        create_index(f"ix_callbacks_{name}", "callbacks", name, where=has_deadline)
    create_index("ix_callbacks_workflow", "callbacks", "workflow_id", "id")
    create_index("ix_callbacks_expired", "callbacks", "id", where="expired_because IS NOT NULL")
    create_index("ix_callbacks_schema", "callbacks", "schema_id", where="schema_id IS NOT NULL")


def _create_schemas() -> None:
    op.create_table(
        "schemas",
        sa.Column("id", sa.Text, primary_key=True),
        *texts("text"),
        *times("used_at", nullable=False),
    )
    create_index("ix_schemas_used_at", "schemas", "used_at")


def _create_outcomes() -> None:
    op.create_table(
        "outcomes",
        sa.Column("callback_id", sa.Text, sa.ForeignKey("callbacks.id"), primary_key=True),
        *texts("outcome_id", "kind"),
        sa.Column("body", sa.LargeBinary),
        sa.Column("fields", sa.JSON, nullable=False),
        *times("accepted_at", nullable=False),
        sa.Column("is_default", sa.Boolean, nullable=False),
        *texts("state"),
        *times("due_at", nullable=False),
        *texts("claimed_by", nullable=True),
        sa.Column("tries", sa.Integer, nullable=False),
        sa.Column("unconfirmed_attempt", sa.Integer),
        *times("unconfirmed_started_at", "not_applied_started_at"),
        *texts("last_error", "delivered_inline_to", nullable=True),
        sa.Column("delivered_inline_attempt", sa.Integer),
        *times("verdict_at"),
        sa.Column("proof", sa.JSON),
        *times("after_entry", nullable=False),
    )
    due = ("state", "due_at", "callback_id", "accepted_at")
    create_index("ix_outcomes_due", "outcomes", *due, where="state = 'accepted'")
    create_index("ix_outcomes_state", "outcomes", "state", "callback_id")


def _create_audit_trail() -> None:
    op.create_table(
        "audit_trail",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
        sa.Column("callback_id", sa.Text, sa.ForeignKey("callbacks.id"), nullable=False),
        *times("at", nullable=False),
        *texts("kind"),
        sa.Column("facts", sa.JSON, nullable=False),
    )
    create_index("ix_audit_trail_callback", "audit_trail", "callback_id", "id")


def _create_votes() -> None:
    op.create_table(
        "votes",
        sa.Column("callback_id", sa.Text, sa.ForeignKey("callbacks.id"), primary_key=True),
        sa.Column("voter", sa.Text, primary_key=True),
        *texts("user"),
        sa.Column("groups", sa.JSON, nullable=False),
        *texts("proof"),
        *texts("via", nullable=True),
        sa.Column("approved", sa.Boolean, nullable=False),
        *texts("reason", nullable=True),
        sa.Column("body", sa.LargeBinary),
        *texts("digest"),
        *times("at", nullable=False),
    )
    create_index("ix_votes_voter", "votes", "voter", "at", "callback_id")


def _create_assignments() -> None:
    op.create_table(
        "assignments",
        sa.Column("inbox", sa.Text, primary_key=True),
        sa.Column("callback_id", sa.Text, sa.ForeignKey("callbacks.id"), primary_key=True),
        *times("due_at", nullable=False),
        *times("ended_at"),
        *times("changed_at", nullable=False),
    )
    create_index("ix_assignments_callback", "assignments", "callback_id")
    create_index("ix_assignments_changed", "assignments", "changed_at")
    by_due = ("inbox", "due_at", "callback_id")
    create_index("ix_assignments_open", "assignments", *by_due, where="ended_at IS NULL")
    by_end = ("inbox", "ended_at", "callback_id")
    create_index("ix_assignments_ended", "assignments", *by_end, where="ended_at IS NOT NULL")


def _create_search_texts() -> None:
    op.create_table(
        "search_texts",
        sa.Column("callback_id", sa.Text, sa.ForeignKey("callbacks.id"), primary_key=True),
        *texts("text"),
    )


def _create_tags() -> None:
    op.create_table(
        "tags",
        sa.Column("tag", sa.Text, primary_key=True),
        sa.Column("callback_id", sa.Text, sa.ForeignKey("callbacks.id"), primary_key=True),
    )
    create_index("ix_tags_callback", "tags", "callback_id")


def _create_aliases() -> None:
    op.create_table(
        "aliases",
        sa.Column("alias", sa.Text, primary_key=True),
        sa.Column("callback_id", sa.Text, sa.ForeignKey("callbacks.id"), primary_key=True),
        *texts("namespace"),
        *times("taken_over_at"),
    )
    of = "taken_over_at IS NULL"
    create_index("ix_aliases_newest", "aliases", "alias", "namespace", where=of, unique=True)
    create_index("ix_aliases_callback", "aliases", "callback_id")


def _create_webhooks() -> None:
    op.create_table(
        "webhooks",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("callback_id", sa.Text, sa.ForeignKey("callbacks.id"), nullable=False),
        *texts("url", "kind"),
        *times("at", nullable=False),
        sa.Column("facts", sa.JSON, nullable=False),
        *times("due_at", nullable=False),
        sa.Column("tries", sa.Integer, nullable=False),
        *times("ended_at"),
        *texts("last_error", nullable=True),
    )
    create_index("ix_webhooks_due", "webhooks", "due_at", where="ended_at IS NULL")
    create_index(
        "ix_webhooks_given_up",
        "webhooks",
        "ended_at",
        where="ended_at IS NOT NULL AND last_error IS NOT NULL",
    )
    create_index("ix_webhooks_callback", "webhooks", "callback_id")


def _create_notifications() -> None:
    times = ("due_at", "held_until", "failing_since", "sent_at", "reminded_at")
    op.create_table(
        "notifications",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("callback_id", sa.Text, sa.ForeignKey("callbacks.id"), nullable=False),
        *texts("channel", "recipient"),
        *(sa.Column(name, sa.Integer, nullable=False) for name in ("version", "tries")),
        *(sa.Column(name, sa.BigInteger) for name in times),
        *(sa.Column(name, sa.Text) for name in ("last_error", "shown", "subject")),
        sa.Column("ref", sa.JSON),
    )
    create_index("ix_notifications_due", "notifications", "due_at", where="due_at IS NOT NULL")
    create_index(
        "ix_notifications_given_up",
        "notifications",
        "failing_since",
        where="due_at IS NULL AND failing_since IS NOT NULL",
    )
    create_index("ix_notifications_callback", "notifications", "callback_id")
