"""The tables of what is sent about callbacks: webhooks to programs, and messages to people."""

from sqlalchemy import JSON, Column, ForeignKey, Index, Integer, Table, Text

from ringback.store.bulk_params import Instant
from ringback.store.tables import index_where, metadata

#: Webhooks, sent or still to send.
webhooks = Table(
    "webhooks",
    metadata,
    Column("id", Text, primary_key=True),
    Column("callback_id", Text, ForeignKey("callbacks.id"), nullable=False),
    Column("url", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("at", Instant, nullable=False),
    Column("facts", JSON, nullable=False),
    #: When the next try is due; a claim postpones it by its lease.
    Column("due_at", Instant, nullable=False),
    Column("tries", Integer, nullable=False),
    #: When it was received, or given up; then `last_error` is set.
    Column("ended_at", Instant),
    Column("last_error", Text),
)

#: Messages to people: one row per callback, channel and recipient.
notifications = Table(
    "notifications",
    metadata,
    Column("id", Text, primary_key=True),
    Column("callback_id", Text, ForeignKey("callbacks.id"), nullable=False),
    Column("channel", Text, nullable=False),
    Column("recipient", Text, nullable=False),
    #: Incremented by each change of the callback, so that a change during a claim is not lost.
    Column("version", Integer, nullable=False),
    #: When the next message or try is due; `NULL` if none is until the callback changes.
    Column("due_at", Instant),
    #: The end of a claim, which also identifies it.
    Column("held_until", Instant),
    Column("tries", Integer, nullable=False),
    Column("failing_since", Instant),
    Column("last_error", Text),
    Column("sent_at", Instant),
    #: When the latest message that asks was sent.
    Column("reminded_at", Instant),
    #: A digest of what was shown last, and of its subject.
    Column("shown", Text),
    Column("subject", Text),
    #: What names the sent message in its channel.
    Column("ref", JSON(none_as_null=True)),
)

index_where(webhooks.c.ended_at.is_(None), "ix_webhooks_due", webhooks.c.due_at)
_given_up = webhooks.c.ended_at.is_not(None) & webhooks.c.last_error.is_not(None)
index_where(_given_up, "ix_webhooks_given_up", webhooks.c.ended_at)
Index("ix_webhooks_callback", webhooks.c.callback_id)
index_where(notifications.c.due_at.is_not(None), "ix_notifications_due", notifications.c.due_at)
_unsent = notifications.c.due_at.is_(None) & notifications.c.failing_since.is_not(None)
index_where(_unsent, "ix_notifications_given_up", notifications.c.failing_since)
Index("ix_notifications_callback", notifications.c.callback_id)
