"""The tables, as the newest migration leaves them."""

from datetime import UTC, datetime, timedelta
from typing import Final

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
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
    false,
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
    #: A digest of the activity: namespace, workflow, run, activity id and scheduled time; without
    #: the run, where the callback follows a reset of the workflow.
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
    Column("attempt_started_at", Instant, nullable=False, server_default="0"),
    Column("task_token", LargeBinary),
    Column("opened_at", Instant, nullable=False),
    Column("submitted_at", Instant),
    #: When Temporal times the attempt out.
    Column("timeout_at", Instant),
    #: The activity's own deadline.
    Column("answer_by", Instant),
    #: When the default answer is taken; empty once there is another one.
    Column("default_due_at", Instant),
    Column("on_deadline_kind", Text),
    Column("on_deadline_body", LargeBinary),
    Column("on_deadline_fields", JSON(none_as_null=True)),
    Column("attempts", Text, nullable=False, server_default="any"),
    Column("follows_reset", Boolean, nullable=False, server_default=false()),
    #: In `schemas`, where nothing is ever deleted: a foreign key would only be a row that all lock.
    Column("schema_id", Text),
    #: When a verdict was known, or that nobody waits any more; what is not closed is worth a look.
    Column("closed_at", Instant),
    Column("expired_because", Text),
    Column("verbs", Integer, nullable=False),
    Column("key_id", Text, nullable=False),
    Column("link_expires_at", Instant, nullable=False),
    UniqueConstraint("activity_key", "round", name="uq_callbacks_activity_key_round"),
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
    Column("is_default", Boolean, nullable=False, server_default=false()),
    Column("state", Text, nullable=False),
    #: When anybody may try to deliver it; a claim moves it by its lease.
    Column("due_at", Instant, nullable=False),
    Column("claimed_by", Text),
    Column("tries", Integer, nullable=False),
    #: The attempt that had asked when a try began, while nothing shows whether it ended with this.
    Column("unproven_attempt", Integer),
    Column("unproven_started_at", Instant),
    #: The attempt, by its start, that is known not to have ended with this.
    Column("untaken_started_at", Instant),
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
_has_default = callbacks.c.closed_at.is_(None) & callbacks.c.default_due_at.is_not(None)
Index(
    "ix_callbacks_default_due",
    callbacks.c.default_due_at,
    sqlite_where=_has_default,
    postgresql_where=_has_default,
)
Index(
    "ix_outcomes_due",
    outcomes.c.due_at,
    sqlite_where=outcomes.c.state == "accepted",
    postgresql_where=outcomes.c.state == "accepted",
)
Index("ix_events_callback", events.c.callback_id, events.c.id)
