"""The table of all metrics, from which the code that counts and the documentation are made.

No label has a value per callback, workflow or person, and no metric has an id, a link, a task
token or a payload.
"""

from dataclasses import dataclass
from enum import Enum
from typing import Final


class Kind(Enum):
    """How the value of a metric changes."""

    COUNTER = "counter"
    """It counts what this process did since its start."""

    GAUGE = "gauge"
    """It is read when it is scraped."""

    HISTOGRAM = "histogram"
    """It counts what this process did, by size."""


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric.

    Attributes:
        name: The name, which ends with the unit or, of a counter, with `_total`.
        meaning: What it measures, in a sentence; also its help in the exposition.
        labels: The names of its labels.
        values: The values that the labels may have, in words.
        buckets: The upper bounds of a histogram's buckets.
    """

    name: str
    kind: Kind
    meaning: str
    labels: tuple[str, ...] = ()
    values: str = ""
    buckets: tuple[float, ...] = ()


_SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_LONG: Final = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 3600.0)
_SIZES: Final = (1, 2, 4, 8, 16, 32, 64, 128, 256)

#: The gauges that a gateway reads from the store.
CALLBACKS: Final = Metric(
    "ringback_callbacks",
    Kind.GAUGE,
    "Callbacks in the store by state, counted about once a minute.",
    ("state",),
    "`open`, `accepted`, `applied`, `superseded`, `parked`, `expired`",
)
OLDEST_UNDELIVERED: Final = Metric(
    "ringback_oldest_undelivered_age_seconds",
    Kind.GAUGE,
    "Age of the oldest outcome that is accepted and not yet delivered; 0 if there is none.",
)
OLDEST_OVERDUE: Final = Metric(
    "ringback_oldest_overdue_age_seconds",
    Kind.GAUGE,
    "How long ago the earliest deadline of an open callback passed; 0 if none has.",
)
EVENTS_WAITING: Final = Metric(
    "ringback_events_waiting",
    Kind.GAUGE,
    "Events of sources that wait for their callback.",
)
OLDEST_EVENT: Final = Metric(
    "ringback_oldest_waiting_event_age_seconds",
    Kind.GAUGE,
    "Age of the oldest event that waits for its callback; 0 if there is none.",
)
STORE_UP: Final = Metric(
    "ringback_store_up",
    Kind.GAUGE,
    "1 if the store could be read, else 0; then the gauges of the store are absent.",
)
LINK_KEYS_MISSING: Final = Metric(
    "ringback_link_keys_missing",
    Kind.GAUGE,
    "Link keys of open callbacks that this process does not have: their senders get 404. Read about"
    " once a minute.",
)
STORE_WRITABLE: Final = Metric(
    "ringback_store_writable",
    Kind.GAUGE,
    "1 if a small write was committed for this scrape, else 0: then answers get 503.",
)

#: The gauges of this process.
TEMPORAL_UP: Final = Metric(
    "ringback_temporal_up",
    Kind.GAUGE,
    "1 if Temporal could be used at the last check, which happens every 10 seconds, else 0.",
)
BUILD_INFO: Final = Metric(
    "ringback_build_info",
    Kind.GAUGE,
    "Always 1.",
    ("version", "python"),
    "the versions of Ringback and Python",
)
QUEUE_CONNECTED: Final = Metric(
    "ringback_queue_connected",
    Kind.GAUGE,
    "1 if this process is connected to the queue, else 0.",
    ("queue",),
    "the configured queues",
)
BODY_BYTES: Final = Metric(
    "ringback_body_bytes_in_flight",
    Kind.GAUGE,
    "Bytes of memory that the bodies of the requests in progress hold.",
)

#: What this process counts.
OPENED: Final = Metric(
    "ringback_opened_total",
    Kind.COUNTER,
    "Requests of attempts that opened a callback.",
    ("result",),
    "`opened`: a new callback; `reopened`: a later attempt",
)
ANSWERS: Final = Metric(
    "ringback_answers_total",
    Kind.COUNTER,
    "Answers of senders, whichever way they came.",
    ("result",),
    "`accepted`, `duplicate`, `conflict`: a different answer was first, `refused`",
)
REFUSED: Final = Metric(
    "ringback_answers_refused_total",
    Kind.COUNTER,
    "Answers that were refused or in conflict, by reason.",
    ("reason",),
    "the last part of the `type` of the [error](errors.md), such as `answered-differently`",
)
ACCEPT_TO_APPLIED: Final = Metric(
    "ringback_accept_to_applied_seconds",
    Kind.HISTOGRAM,
    "Time from accepting an outcome to the commit that says it was applied.",
    buckets=_LONG,
)
DELIVERIES: Final = Metric(
    "ringback_deliveries_total",
    Kind.COUNTER,
    "Deliveries that ended with a verdict.",
    ("verdict",),
    "`applied`, `superseded`, `parked`",
)
POSTPONED: Final = Metric(
    "ringback_deliveries_postponed_total",
    Kind.COUNTER,
    "Deliveries that ended without a verdict and are retried.",
)
POLLS: Final = Metric(
    "ringback_polls_total",
    Kind.COUNTER,
    "Workflow runs whose activities were polled.",
    ("result",),
    "`polled`, `failed`",
)
HEARTBEATS_RECEIVED: Final = Metric(
    "ringback_heartbeats_received_total",
    Kind.COUNTER,
    "Heartbeats of senders that were stored.",
)
HEARTBEATS_SENT: Final = Metric(
    "ringback_heartbeats_sent_total",
    Kind.COUNTER,
    "Heartbeats that Temporal accepted.",
)
WEBHOOKS: Final = Metric(
    "ringback_webhooks_total",
    Kind.COUNTER,
    "Tries to send a webhook.",
    ("result",),
    "`delivered`, `retrying`, `failed`: given up",
)
NOTIFICATIONS: Final = Metric(
    "ringback_notifications_total",
    Kind.COUNTER,
    "Tries to send a message to a person.",
    ("channel", "result"),
    "channel: the configured ones, or `unknown`; result: `sent`, `retrying`, `failed`: given up",
)
SOURCE_REQUESTS: Final = Metric(
    "ringback_source_requests_total",
    Kind.COUNTER,
    "Requests of providers.",
    ("source", "result"),
    "source: the configured ones; result: `accepted`, `duplicate`, `handshake`, `rate_limited`, or"
    " the reason of a refusal",
)
QUEUE_MESSAGES: Final = Metric(
    "ringback_queue_messages_total",
    Kind.COUNTER,
    "Messages of queues.",
    ("queue", "result"),
    "queue: the configured ones; result: `stored`, `duplicate`, `dead`: it cannot be used,"
    " `ignored`",
)
DEAD_EVENTS: Final = Metric(
    "ringback_dead_events_total",
    Kind.COUNTER,
    "Events that cannot be used: a rule failed, or the callback refused them.",
    ("source",),
    "the configured sources and queues",
)
KEYS_REFUSED: Final = Metric(
    "ringback_rejected_api_keys_total",
    Kind.COUNTER,
    "Requests with an API key that is not valid.",
    ("result",),
    "`revoked`; `unknown`: the store does not have it, or its secret is another",
)
COMMIT_SIZE: Final = Metric(
    "ringback_commit_size",
    Kind.HISTOGRAM,
    "Items that share one commit.",
    ("kind",),
    "`answers`, `votes`, `openings`, `settlements`, `heartbeats`, `events`",
    buckets=_SIZES,
)
COMMIT_SECONDS: Final = Metric(
    "ringback_commit_seconds",
    Kind.HISTOGRAM,
    "Time of one commit.",
    ("kind",),
    "as above",
    buckets=_SECONDS,
)
LIMITED: Final = Metric(
    "ringback_limited_total",
    Kind.COUNTER,
    "Requests that were rejected because of a limit.",
    ("limit",),
    "the limits of the gateway",
)
PURGED: Final = Metric(
    "ringback_purged_total",
    Kind.COUNTER,
    "Rows that the retention deleted.",
    ("kind",),
    "the kinds of rows",
)

METRICS: Final = (
    *(CALLBACKS, OLDEST_UNDELIVERED, OLDEST_OVERDUE, EVENTS_WAITING, OLDEST_EVENT),
    *(STORE_UP, STORE_WRITABLE, LINK_KEYS_MISSING, TEMPORAL_UP, BUILD_INFO, QUEUE_CONNECTED),
    BODY_BYTES,
    *(OPENED, ANSWERS, REFUSED, ACCEPT_TO_APPLIED, DELIVERIES, POSTPONED, POLLS),
    *(HEARTBEATS_RECEIVED, HEARTBEATS_SENT, WEBHOOKS, NOTIFICATIONS, SOURCE_REQUESTS),
    *(QUEUE_MESSAGES, DEAD_EVENTS, KEYS_REFUSED, COMMIT_SIZE, COMMIT_SECONDS, LIMITED, PURGED),
)
"""All of them, in the order of the documentation."""

READ: Final = frozenset({
    *(CALLBACKS, OLDEST_UNDELIVERED, OLDEST_OVERDUE, EVENTS_WAITING, OLDEST_EVENT),
    *(STORE_UP, STORE_WRITABLE, LINK_KEYS_MISSING, TEMPORAL_UP),
})
"""Those that are read at each scrape."""
