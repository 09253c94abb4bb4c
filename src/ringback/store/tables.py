"""The tables, as the newest migration leaves them."""

from datetime import UTC, datetime, timedelta
from typing import Final

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
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

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


class Instant(TypeDecorator[datetime]):
    """An aware instant, kept as whole microseconds since 1970 in UTC: exact and sorted."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:  # noqa: ARG002 - the base class's
        """Turn an instant into microseconds."""
        return None if value is None else (value - _EPOCH) // _MICROSECOND

    def process_result_value(self, value: int | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002 - the base class's
        """Turn microseconds into an instant."""
        return None if value is None else _EPOCH + value * _MICROSECOND


metadata = MetaData()

#: One row for each question that an activity asked the outside.
callbacks = Table(
    "callbacks",
    metadata,
    Column("id", Text, primary_key=True),
    #: A digest of the activity: namespace, workflow, run, activity id and scheduled time.
    Column("activity_key", Text, nullable=False),
    Column("round", Integer, nullable=False),
    Column("namespace", Text, nullable=False),
    Column("workflow_id", Text, nullable=False),
    Column("run_id", Text, nullable=False),
    Column("activity_id", Text, nullable=False),
    Column("scheduled_at", Instant, nullable=False),
    Column("workflow_type", Text, nullable=False),
    Column("activity_type", Text, nullable=False),
    Column("task_queue", Text, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("opened_at", Instant, nullable=False),
    Column("submitted_at", Instant),
    Column("deadline_at", Instant),
    #: When a verdict was known, or that nobody waits any more; what is not closed is worth a look.
    Column("closed_at", Instant),
    Column("expired_because", Text),
    Column("verbs", Integer, nullable=False),
    Column("key_id", Text, nullable=False),
    Column("link_expires_at", Instant, nullable=False),
    UniqueConstraint("activity_key", "round", name="uq_callbacks_activity_key_round"),
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
    Column("state", Text, nullable=False),
    #: When anybody may try to deliver it; a claim moves it by its lease.
    Column("due_at", Instant, nullable=False),
    Column("claimed_by", Text),
    Column("tries", Integer, nullable=False),
    Column("trouble", Text),
    Column("handed_to", Text),
    Column("handed_attempt", Integer),
    Column("verdict_at", Instant),
    Column("proof", JSON(none_as_null=True)),
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

Index(
    "ix_callbacks_not_closed",
    callbacks.c.id,
    sqlite_where=callbacks.c.closed_at.is_(None),
    postgresql_where=callbacks.c.closed_at.is_(None),
)
Index(
    "ix_outcomes_due",
    outcomes.c.due_at,
    sqlite_where=outcomes.c.state == "accepted",
    postgresql_where=outcomes.c.state == "accepted",
)
Index("ix_events_callback", events.c.callback_id, events.c.id)
