"""The table of all metrics, from which the code that counts and the documentation are made.

Those that one event counts are declared there, in `core.hooks`. No label has a value per callback,
workflow or person, and no metric has an id, a link, a task token or a payload.
"""

from typing import Final

from ringback.core.hooks import COUNTED
from ringback.core.metrics import Kind, Metric

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

#: What this process counts in a way of its own.
OPENED: Final = Metric(
    "ringback_opened_total",
    Kind.COUNTER,
    "Requests of attempts that opened a callback.",
    ("result",),
    "`opened`: a new callback; `reopened`: a later attempt",
    starts=("opened", "reopened"),
)
ANSWERS: Final = Metric(
    "ringback_answers_total",
    Kind.COUNTER,
    "Answers of senders, whichever way they came.",
    ("result",),
    "`accepted`, `duplicate`, `conflict`: a different answer was first, `refused`",
    starts=("accepted", "duplicate", "conflict", "refused"),
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
    starts=("applied", "superseded", "parked"),
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

READ: Final = (
    *(CALLBACKS, OLDEST_UNDELIVERED, OLDEST_OVERDUE, EVENTS_WAITING, OLDEST_EVENT),
    *(STORE_UP, STORE_WRITABLE, LINK_KEYS_MISSING, TEMPORAL_UP),
)
"""Those that are read at each scrape."""

METRICS: Final = (
    *READ,
    *(BUILD_INFO, QUEUE_CONNECTED, BODY_BYTES),
    *(OPENED, ANSWERS, REFUSED, ACCEPT_TO_APPLIED, DELIVERIES),
    *COUNTED.values(),
    *(COMMIT_SIZE, COMMIT_SECONDS),
)
"""All of them, in the order of the documentation."""
