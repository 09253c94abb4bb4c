"""The tables of events: what sources sent, and what became of it."""

from sqlalchemy import JSON, Column, ForeignKey, Index, Integer, LargeBinary, Table, Text

from ringback.store.bulk_params import Instant
from ringback.store.tables import index_where, metadata

#: The verified requests of sources, byte for byte.
deliveries = Table(
    "source_deliveries",
    metadata,
    #: The id of the first event in it.
    Column("id", Text, primary_key=True),
    #: Of the source, the delivery key and the body: equal deliveries are stored once.
    Column("digest", Text, nullable=False, unique=True),
    Column("source", Text, nullable=False),
    Column("delivery_key", Text),
    Column("headers", JSON, nullable=False),
    #: `NULL` once retention has dropped it.
    Column("body", LargeBinary),
    Column("received_at", Instant, nullable=False),
)

#: The events in them.
events = Table(
    "events",
    metadata,
    Column("id", Text, primary_key=True),
    Column("delivery_id", Text, ForeignKey("source_deliveries.id"), nullable=False),
    Column("position", Integer, nullable=False),
    Column("namespace", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("received_at", Instant, nullable=False),
    Column("state", Text, nullable=False),
    Column("action", Text),
    Column("alias", Text),
    Column("body", LargeBinary),
    Column("waits_until", Instant, nullable=False),
    #: When a process may claim it; `NULL` once it waits no longer.
    Column("due_at", Instant),
    Column("tries", Integer, nullable=False),
    Column("reason", Text),
    Column("callback_id", Text),
    Column("ended_at", Instant),
)

_has_body = deliveries.c.body.is_not(None)
index_where(_has_body, "ix_source_deliveries_with_body", deliveries.c.id)
_waits = events.c.due_at.is_not(None)
_due = (events.c.due_at, events.c.received_at)
index_where(_waits, "ix_events_due", *_due)
index_where(_waits, "ix_events_alias", events.c.alias)
Index("ix_events_delivery", events.c.delivery_id, events.c.position)
Index("ix_events_source", events.c.source, events.c.id)
Index("ix_events_callback", events.c.callback_id, events.c.id)
