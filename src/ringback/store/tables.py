"""The tables, as the newest migration leaves them."""

from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
)

from ringback.store.bulk_params import Duration, Instant

metadata = MetaData()

#: One row per callback.
callbacks = Table(
    "callbacks",
    metadata,
    Column("id", Text, primary_key=True),
    #: A digest of the activity: namespace, workflow, run, activity id and scheduled time; without
    #: the run, where the callback follows a reset of the workflow.
    Column("activity_key", Text, nullable=False),
    Column("generation", Integer, nullable=False),
    Column("namespace", Text, nullable=False),
    Column("workflow_id", Text, nullable=False),
    Column("run_id", Text, nullable=False),
    Column("activity_id", Text, nullable=False),
    Column("scheduled_at", Instant, nullable=False),
    Column("workflow_type", Text, nullable=False),
    Column("activity_type", Text, nullable=False),
    Column("task_queue", Text, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("attempt_started_at", Instant, nullable=False),
    Column("task_token", LargeBinary),
    Column("opened_at", Instant, nullable=False),
    Column("submitted_at", Instant),
    #: When Temporal times out the attempt.
    Column("attempt_timeout_at", Instant),
    #: The activity's own deadline, as an operator may have extended it.
    Column("own_deadline_at", Instant),
    #: When the default answer is accepted; `NULL` once another answer is.
    Column("default_due_at", Instant),
    #: Refers to `schemas`. Without a foreign key, which would lock rows: `result_schemas` deletes
    #: only what no callback has.
    Column("schema_id", Text),
    #: When the final verdict was stored or the callback expired.
    Column("closed_at", Instant),
    #: Whether bodies of answers are stored; retention drops them.
    Column("has_bodies", Boolean, nullable=False),
    Column("expired_because", Text),
    Column("verbs", Integer, nullable=False),
    Column("key_id", Text, nullable=False),
    Column("link_expires_at", Instant, nullable=False),
    #: Links with a lower serial are revoked.
    Column("link_serial", Integer, nullable=False),
    Column("heartbeat_timeout", Duration),
    #: The details of the last heartbeat that was received.
    Column("heartbeat_details", LargeBinary),
    Column("heartbeat_received_at", Instant),
    Column("heartbeat_sent_at", Instant),
    #: When the next heartbeat is due; a claim postpones it by its lease. `NULL` if none will be.
    Column("heartbeat_due_at", Instant),
    #: The end of a claim or a postponement.
    Column("heartbeat_held_until", Instant),
    #: When the next poll is due; a claim postpones it by its lease.
    Column("poll_due_at", Instant, nullable=False),
    Column("poll_held_until", Instant),
    #: When a poll of the sender is due; a claim postpones it by its lease.
    Column("sender_poll_due_at", Instant),
    Column("sender_poll_requested_at", Instant),
    #: No more polls of the sender are possible.
    Column("sender_poll_is_over", Boolean, nullable=False),
    Column("cancel_requested_at", Instant),
    Column("paused_at", Instant),
    #: The user who has claimed it.
    Column("claimant", Text),
    Column("ballots", JSON, nullable=False),
    #: The trace context of the attempt that created the callback.
    Column("traceparent", Text),
    #: When a poll found that an operator had reset the latest attempt.
    Column("reset_at", Instant),
    #: The options, in columns of their names. Some are the latest attempt's.
    Column("deadline", Duration),
    Column("on_deadline_kind", Text),
    Column("on_deadline_body", LargeBinary),
    Column("on_deadline_fields", JSON(none_as_null=True)),
    Column("attempts", Text, nullable=False),
    Column("resume", Boolean, nullable=False),
    Column("poll", Boolean, nullable=False),
    Column("poll_every", Duration),
    Column("follow_reset", Boolean, nullable=False),
    Column("heartbeat", Text, nullable=False),
    Column("cancel_within", Duration),
    Column("cancel_url", Text),
    Column("notify_url", Text),
    Column("title", Text),
    Column("description", Text),
    Column("details", JSON, nullable=False),
    Column("policy", JSON(none_as_null=True)),
    Column("notify", JSON, nullable=False),
    Column("remind_every", Duration),
    Column("escalate", JSON, nullable=False),
    Column("tags", JSON, nullable=False),
    Column("aliases", JSON, nullable=False),
    Column("metadata", JSON, nullable=False),
    UniqueConstraint("activity_key", "generation", name="uq_callbacks_activity_key_generation"),
)

#: The first answer to each callback: the primary key rejects all others.
outcomes = Table(
    "outcomes",
    metadata,
    Column("callback_id", Text, ForeignKey("callbacks.id"), primary_key=True),
    Column("outcome_id", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("body", LargeBinary),
    Column("fields", JSON, nullable=False),
    Column("accepted_at", Instant, nullable=False),
    #: A default answer, accepted at the deadline.
    Column("is_default", Boolean, nullable=False),
    Column("state", Text, nullable=False),
    #: When the next try is due; a claim postpones it by its lease.
    Column("due_at", Instant, nullable=False),
    Column("claimed_by", Text),
    Column("tries", Integer, nullable=False),
    #: The attempt that was current when a try began, until its effect is confirmed.
    Column("unconfirmed_attempt", Integer),
    Column("unconfirmed_started_at", Instant),
    #: The start of an attempt that certainly did not end with this outcome.
    Column("not_applied_started_at", Instant),
    Column("last_error", Text),
    Column("delivered_inline_to", Text),
    Column("delivered_inline_attempt", Integer),
    Column("verdict_at", Instant),
    Column("proof", JSON(none_as_null=True)),
    #: The newest entry of the audit trail before it. `accepted` has no row there: a write less.
    Column("after_entry", BigInteger, nullable=False),
)

#: The audit trail.
audit_trail = Table(
    "audit_trail",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("callback_id", Text, ForeignKey("callbacks.id"), nullable=False),
    Column("at", Instant, nullable=False),
    Column("kind", Text, nullable=False),
    Column("facts", JSON, nullable=False),
)

#: The votes of people; one person has one per callback.
votes = Table(
    "votes",
    metadata,
    Column("callback_id", Text, ForeignKey("callbacks.id"), primary_key=True),
    #: The user's key, by which names are compared.
    Column("voter", Text, primary_key=True),
    Column("user", Text, nullable=False),
    Column("groups", JSON, nullable=False),
    Column("proof", Text, nullable=False),
    Column("via", Text),
    Column("approved", Boolean, nullable=False),
    Column("reason", Text),
    Column("body", LargeBinary),
    Column("digest", Text, nullable=False),
    Column("at", Instant, nullable=False),
)

#: The inboxes that contain a callback: `user:…` and `group:…` without regard to case, and that of
#: everybody. Callbacks without people rules have no rows.
assignments = Table(
    "assignments",
    metadata,
    Column("inbox", Text, primary_key=True),
    Column("callback_id", Text, ForeignKey("callbacks.id"), primary_key=True),
    #: The deadline of the callback; the year 9999 if it has none.
    Column("due_at", Instant, nullable=False),
    #: When the callback was answered or expired.
    Column("ended_at", Instant),
    #: When something that inboxes show has changed.
    Column("changed_at", Instant, nullable=False),
)

#: What searches in inboxes read: one row per callback with people rules.
search_texts = Table(
    "search_texts",
    metadata,
    Column("callback_id", Text, ForeignKey("callbacks.id"), primary_key=True),
    Column("text", Text, nullable=False),
)

#: Tags by which callbacks are found.
tags = Table(
    "tags",
    metadata,
    Column("tag", Text, primary_key=True),
    Column("callback_id", Text, ForeignKey("callbacks.id"), primary_key=True),
)

#: The aliases that callbacks have or had. An alias is in use while its newest row, the one that is
#: not taken over, leads to a callback that is not closed: closing a callback writes nothing here.
aliases = Table(
    "aliases",
    metadata,
    Column("alias", Text, primary_key=True),
    Column("callback_id", Text, ForeignKey("callbacks.id"), primary_key=True),
    Column("namespace", Text, nullable=False),
    #: When another callback got the alias.
    Column("taken_over_at", Instant),
)


def index_where(
    condition: ColumnElement[bool], name: str, *columns: Column[Any], unique: bool = False
) -> None:
    """Index only the rows that meet `condition`, on both dialects."""
    Index(name, *columns, unique=unique, sqlite_where=condition, postgresql_where=condition)


_not_closed = callbacks.c.closed_at.is_(None)
index_where(_not_closed, "ix_callbacks_not_closed", callbacks.c.id)
#: For retention, which deletes the callbacks that ended first, and drops bodies before that.
index_where(
    callbacks.c.closed_at.is_not(None),
    "ix_callbacks_ended",
    callbacks.c.has_bodies,
    callbacks.c.closed_at,
    callbacks.c.id,
)
_has_default = _not_closed & callbacks.c.default_due_at.is_not(None)
index_where(_has_default, "ix_callbacks_default_due", callbacks.c.default_due_at)
#: The state comes first: otherwise SQLite uses `ix_outcomes_state` and sorts every due outcome.
index_where(
    outcomes.c.state == "accepted",
    "ix_outcomes_due",
    outcomes.c.state,
    outcomes.c.due_at,
    outcomes.c.callback_id,
    #: For the age of the oldest, which is then read from the index alone.
    outcomes.c.accepted_at,
)
_heartbeats = _not_closed & callbacks.c.heartbeat_due_at.is_not(None)
index_where(_heartbeats, "ix_callbacks_heartbeat_due", callbacks.c.heartbeat_due_at)
index_where(_not_closed, "ix_callbacks_poll_due", callbacks.c.poll_due_at, callbacks.c.id)
_sender_polls = _not_closed & callbacks.c.sender_poll_due_at.is_not(None)
index_where(_sender_polls, "ix_callbacks_sender_poll_due", callbacks.c.sender_poll_due_at)
index_where(_not_closed, "ix_callbacks_run", callbacks.c.run_id)
for _deadline in (callbacks.c.own_deadline_at, callbacks.c.attempt_timeout_at):
    index_where(_not_closed & _deadline.is_not(None), f"ix_callbacks_{_deadline.name}", _deadline)
Index("ix_assignments_callback", assignments.c.callback_id)
Index("ix_assignments_changed", assignments.c.changed_at)
_by_due = (assignments.c.inbox, assignments.c.due_at, assignments.c.callback_id)
index_where(assignments.c.ended_at.is_(None), "ix_assignments_open", *_by_due)
_by_end = (assignments.c.inbox, assignments.c.ended_at, assignments.c.callback_id)
index_where(assignments.c.ended_at.is_not(None), "ix_assignments_ended", *_by_end)
Index("ix_votes_voter", votes.c.voter, votes.c.at, votes.c.callback_id)
#: For pages: each index ends with the column by which pages are ordered.
Index("ix_outcomes_state", outcomes.c.state, outcomes.c.callback_id)
Index("ix_callbacks_workflow", callbacks.c.workflow_id, callbacks.c.id)
index_where(callbacks.c.expired_because.is_not(None), "ix_callbacks_expired", callbacks.c.id)
Index("ix_audit_trail_callback", audit_trail.c.callback_id, audit_trail.c.id)
Index("ix_tags_callback", tags.c.callback_id)
_is_newest = aliases.c.taken_over_at.is_(None)
index_where(_is_newest, "ix_aliases_newest", aliases.c.alias, aliases.c.namespace, unique=True)
Index("ix_aliases_callback", aliases.c.callback_id)
