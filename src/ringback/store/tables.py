"""The tables, as the newest migration leaves them."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    Dialect,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
)

from ringback.store.unreadable import UNREADABLE

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


class Instant(TypeDecorator[datetime]):
    """An aware instant, kept as whole microseconds since 1970 in UTC: exact and sorted."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:  # noqa: ARG002 - the base class's
        """Turn an instant into microseconds."""
        return None if value is None else (value - _EPOCH) // _MICROSECOND

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[Any], Any]:  # noqa: ARG002 - the base class's
        """Return what turns microseconds into an instant, or into `UNREADABLE`."""
        return _read_instant

    @property
    def python_type(self) -> type:
        """The type of an instant."""
        return datetime


def _read_instant(value: Any) -> object:
    try:
        return None if value is None else to_instant(value)
    except (TypeError, OverflowError):
        return UNREADABLE


def to_instant(microseconds: int) -> datetime:
    """Return the instant that an `Instant` keeps as so many microseconds."""
    return _EPOCH + microseconds * _MICROSECOND


class Duration(TypeDecorator[timedelta]):
    """A duration, kept as whole microseconds."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: timedelta | None, dialect: Dialect) -> int | None:  # noqa: ARG002 - the base class's
        """Turn a duration into microseconds."""
        return None if value is None else value // _MICROSECOND

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[Any], Any]:  # noqa: ARG002 - the base class's
        """Return what turns microseconds into a duration, or into `UNREADABLE`."""
        return _read_duration

    @property
    def python_type(self) -> type:
        """The type of a duration."""
        return timedelta


def _read_duration(value: Any) -> object:
    try:
        return None if value is None else value * _MICROSECOND
    except (TypeError, OverflowError):
        return UNREADABLE


metadata = MetaData()

#: One row for each question that an activity asked the outside.
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
    #: When Temporal times the attempt out.
    Column("attempt_timeout_at", Instant),
    #: When the activity's own deadline passes; an operator may have extended it.
    Column("own_deadline_at", Instant),
    #: When the default answer is taken; empty once there is another one.
    Column("default_due_at", Instant),
    #: In `schemas`, where nothing is ever deleted: a foreign key would only be a row that all lock.
    Column("schema_id", Text),
    #: When a verdict was known, or that nobody waits any more; what is not closed is worth a look.
    Column("closed_at", Instant),
    Column("expired_because", Text),
    Column("verbs", Integer, nullable=False),
    Column("key_id", Text, nullable=False),
    Column("link_expires_at", Instant, nullable=False),
    #: The links of a lower serial are revoked.
    Column("link_serial", Integer, nullable=False),
    Column("heartbeat_timeout", Duration),
    #: What the outside said last in a heartbeat.
    Column("details", LargeBinary),
    Column("heartbeat_received_at", Instant),
    Column("heartbeat_sent_at", Instant),
    #: When the next heartbeat is due; a claim moves it by its lease. Empty while none is due.
    Column("heartbeat_due_at", Instant),
    #: Until when somebody has claimed it, or it was postponed.
    Column("heartbeat_held_until", Instant),
    #: When Temporal is to be asked how the activity waits; a claim moves it by its lease.
    Column("poll_due_at", Instant, nullable=False),
    Column("poll_held_until", Instant),
    Column("cancel_requested_at", Instant),
    Column("paused_at", Instant),
    #: When it was learnt that an operator reset the attempt that asked last.
    Column("reset_at", Instant),
    #: The options, each in the column of its name. `heartbeat` is the latest attempt's.
    Column("deadline", Duration),
    Column("on_deadline_kind", Text),
    Column("on_deadline_body", LargeBinary),
    Column("on_deadline_fields", JSON(none_as_null=True)),
    Column("attempts", Text, nullable=False),
    Column("follow_reset", Boolean, nullable=False),
    Column("heartbeat", Text, nullable=False),
    Column("cancel_within", Duration),
    Column("cancel_url", Text),
    Column("notify_url", Text),
    Column("title", Text),
    Column("tags", JSON, nullable=False),
    Column("metadata", JSON, nullable=False),
    UniqueConstraint("activity_key", "generation", name="uq_callbacks_activity_key_generation"),
)

#: The result schemas, each once: its id is a digest of its text.
schemas = Table(
    "schemas",
    metadata,
    Column("id", Text, primary_key=True),
    Column("text", Text, nullable=False),
)

#: The first answer to each callback; its primary key is what makes the first one win.
outcomes = Table(
    "outcomes",
    metadata,
    Column("callback_id", Text, ForeignKey("callbacks.id"), primary_key=True),
    Column("outcome_id", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("body", LargeBinary),
    Column("fields", JSON, nullable=False),
    Column("accepted_at", Instant, nullable=False),
    #: Nobody gave it: it was taken at the deadline.
    Column("is_default", Boolean, nullable=False),
    Column("state", Text, nullable=False),
    #: When anybody may try to deliver it; a claim moves it by its lease.
    Column("due_at", Instant, nullable=False),
    Column("claimed_by", Text),
    Column("tries", Integer, nullable=False),
    #: The attempt that had asked when a try began, while nothing shows whether it ended with this.
    Column("unconfirmed_attempt", Integer),
    Column("unconfirmed_started_at", Instant),
    #: The attempt, by its start, that is known not to have ended with this.
    Column("not_applied_started_at", Instant),
    Column("last_error", Text),
    Column("delivered_inline_to", Text),
    Column("delivered_inline_attempt", Integer),
    Column("verdict_at", Instant),
    Column("proof", JSON(none_as_null=True)),
    #: The newest event when it was accepted: right behind it stands that it was. There is no event
    #: of its own, which among a million callbacks would cost more than the outcome itself.
    Column("after_event", BigInteger, nullable=False),
)

#: The audit trail.
events = Table(
    "events",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("callback_id", Text, ForeignKey("callbacks.id"), nullable=False),
    Column("at", Instant, nullable=False),
    Column("kind", Text, nullable=False),
    Column("facts", JSON, nullable=False),
)

#: What callbacks can be found by.
tags = Table(
    "tags",
    metadata,
    Column("tag", Text, primary_key=True),
    Column("callback_id", Text, ForeignKey("callbacks.id"), primary_key=True),
)

#: What the outside party is still to be told, and what it was told.
webhooks = Table(
    "webhooks",
    metadata,
    Column("id", Text, primary_key=True),
    Column("callback_id", Text, ForeignKey("callbacks.id"), nullable=False),
    Column("url", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("at", Instant, nullable=False),
    Column("facts", JSON, nullable=False),
    #: When anybody may try to send it; a claim moves it by its lease.
    Column("due_at", Instant, nullable=False),
    Column("tries", Integer, nullable=False),
    #: When it was taken, or given up; `last_error` tells which.
    Column("ended_at", Instant),
    Column("last_error", Text),
)

#: Who may use the operator API; a key itself is never kept.
api_keys = Table(
    "api_keys",
    metadata,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("digest", LargeBinary, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("revoked_at", Instant),
)


def _index_where(condition: ColumnElement[bool], name: str, *columns: Column[Any]) -> None:
    """Index only the rows that meet `condition`, on both dialects."""
    Index(name, *columns, sqlite_where=condition, postgresql_where=condition)


_not_closed = callbacks.c.closed_at.is_(None)
_index_where(_not_closed, "ix_callbacks_not_closed", callbacks.c.id)
_has_default = _not_closed & callbacks.c.default_due_at.is_not(None)
_index_where(_has_default, "ix_callbacks_default_due", callbacks.c.default_due_at)
#: By the state too, or SQLite takes the index of pages instead, and sorts all that waits.
_index_where(
    outcomes.c.state == "accepted",
    "ix_outcomes_due",
    outcomes.c.state,
    outcomes.c.due_at,
    outcomes.c.callback_id,
)
_heartbeats = _not_closed & callbacks.c.heartbeat_due_at.is_not(None)
_index_where(_heartbeats, "ix_callbacks_heartbeat_due", callbacks.c.heartbeat_due_at)
_index_where(_not_closed, "ix_callbacks_poll_due", callbacks.c.poll_due_at, callbacks.c.id)
_index_where(_not_closed, "ix_callbacks_run", callbacks.c.run_id)
Index("ix_tags_callback", tags.c.callback_id)
#: What a page is found by; each ends in what pages are ordered by.
Index("ix_outcomes_state", outcomes.c.state, outcomes.c.callback_id)
Index("ix_callbacks_workflow", callbacks.c.workflow_id, callbacks.c.id)
_index_where(callbacks.c.expired_because.is_not(None), "ix_callbacks_expired", callbacks.c.id)
_index_where(webhooks.c.ended_at.is_(None), "ix_webhooks_due", webhooks.c.due_at)
Index("ix_webhooks_callback", webhooks.c.callback_id)
Index("ix_events_callback", events.c.callback_id, events.c.id)
