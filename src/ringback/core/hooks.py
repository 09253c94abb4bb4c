"""Hooks: what a gateway reports of its work to the program that runs it, and to its metrics."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from inspect import signature
from types import FunctionType
from typing import Any, Final, TypeVar

from ringback.core.metrics import Kind, Metric
from ringback.core.spans import NO_TRACER, Tracer
from ringback.domain.errors import RingbackError
from ringback.domain.ids import CallbackId
from ringback.ports.deliveries import Settlement
from ringback.ports.store import Answer

POLLED = "polled"
DELIVERED = "delivered"
SENT = "sent"
RETRYING = "retrying"
FAILED = "failed"
STORED = "stored"
DUPLICATE = "duplicate"
DEAD = "dead"
IGNORED = "ignored"
REVOKED = "revoked"
UNKNOWN = "unknown"

F = TypeVar("F", bound=Callable[..., None])

COUNTED: Final[dict[str, Metric]] = {}
"""The counters that are counted by one event each, by its name."""


def counted(
    name: str, meaning: str, values: str = "", *, starts: tuple[str, ...] = ()
) -> Callable[[F], F]:
    """Count an event of `Hooks` with a metric, whose labels are the event's parameters.

    A parameter `count` is no label but by how much to count.
    """

    def declare(event: F) -> F:
        labels = tuple(one for one in signature(event).parameters if one not in {"self", "count"})
        COUNTED[event.__name__] = Metric(name, Kind.COUNTER, meaning, labels, values, starts=starts)
        return event

    return declare


class Hooks:
    """Ignores every event; a program overrides the methods that it needs.

    Each method is called after the commit of what it reports. It is called in the event loop, so it
    must return at once, and it must not raise. Each `result`, `kind`, `channel`, `limit`, `source`
    and `queue` is one of a few names in the code or the configuration, so it may be the label of a
    metric. Ids may not.

    A new metric is an event here with `@counted`, and the call of the event. Services have these
    hooks from `app.container`, and routes have `gateway.hooks`.

    Attributes:
        tracer: Records the parts of the work.
    """

    tracer: Tracer = NO_TRACER

    def callback_opened(self, callback_id: CallbackId, *, is_new: bool) -> None:
        """An attempt has opened this callback: a new one, or one from an earlier attempt."""

    def answers_accepted(self, answers: Sequence[Answer]) -> None:
        """These answers of senders were the first for their callbacks."""

    def answer_repeated(self) -> None:
        """A sender has sent an answer that was accepted before."""

    def answer_refused(self, error: RingbackError) -> None:
        """An answer was not accepted, whichever way it came; `error` says why."""

    def outcomes_settled(self, settlements: Sequence[Settlement]) -> None:
        """The deliveries of these outcomes ended; each settlement has the verdict."""

    def outcome_applied(self, waited: timedelta) -> None:
        """An outcome was applied so long after it was accepted."""

    @counted(
        "ringback_deliveries_postponed_total",
        "Deliveries that ended without a verdict and are retried.",
    )
    def delivery_postponed(self) -> None:
        """A delivery ended without a verdict, and is retried."""

    @counted(
        "ringback_polls_total",
        "Workflow runs whose activities were polled.",
        "`polled`, `failed`",
        starts=(POLLED, FAILED),
    )
    def poll_ended(self, result: str) -> None:
        """The activities of one workflow run were polled; the result is a `POLLED` or `FAILED`."""

    @counted(
        "ringback_heartbeats_received_total",
        "Heartbeats of senders that were stored.",
    )
    def heartbeats_received(self, count: int) -> None:
        """So many heartbeats of senders were stored."""

    @counted(
        "ringback_heartbeats_sent_total",
        "Heartbeats that Temporal accepted.",
    )
    def heartbeat_sent(self) -> None:
        """Temporal has accepted a heartbeat."""

    @counted(
        "ringback_webhooks_total",
        "Tries to send a webhook.",
        "`delivered`, `retrying`, `failed`: given up",
        starts=(DELIVERED, RETRYING, FAILED),
    )
    def webhook_ended(self, result: str) -> None:
        """A try to send a webhook ended: `DELIVERED`, `RETRYING` or `FAILED`."""

    @counted(
        "ringback_notifications_total",
        "Tries to send a message to a person.",
        "channel: the configured ones, or `unknown`; result: `sent`, `retrying`, `failed`:"
        " given up",
    )
    def notification_ended(self, channel: str, result: str) -> None:
        """A try to send a message ended: `SENT`, `RETRYING` or `FAILED`."""

    @counted(
        "ringback_source_requests_total",
        "Requests of providers.",
        "source: the configured ones; result: `accepted`, `duplicate`, `handshake`, `rate_limited`,"
        " or the reason of a refusal",
    )
    def source_request_ended(self, source: str, result: str) -> None:
        """A request to a source got its reply.

        The result is `accepted`, `duplicate`, `handshake`, `rate_limited`, or the reason of a
        refusal.
        """

    @counted(
        "ringback_queue_messages_total",
        "Messages of queues.",
        "queue: the configured ones; result: `stored`, `duplicate`, `dead`: it cannot be used,"
        " `ignored`",
    )
    def queue_message_ended(self, queue: str, result: str) -> None:
        """A message of a queue was handled: `STORED`, `DUPLICATE`, `DEAD` or `IGNORED`."""

    def queue_changed(self, queue: str, *, is_connected: bool) -> None:
        """The connection to a queue was made or lost."""

    @counted(
        "ringback_dead_events_total",
        "Events that cannot be used: a rule failed, or the callback refused them.",
        "the configured sources and queues",
    )
    def event_dead(self, source: str) -> None:
        """An event of a source or queue cannot be used: a rule failed, or its callback refused."""

    @counted(
        "ringback_rejected_api_keys_total",
        "Requests with an API key that is not valid.",
        "`revoked`; `unknown`: the store does not have it, or its secret is another",
        starts=(REVOKED, UNKNOWN),
    )
    def key_refused(self, result: str) -> None:
        """A request had an API key that is not valid: `REVOKED` or `UNKNOWN`."""

    def commit_ended(self, kind: str, size: int, seconds: float) -> None:
        """A batch of `size` items was committed, or could not be."""

    @counted(
        "ringback_limited_total",
        "Requests that were rejected because of a limit.",
        "the limits of the gateway",
    )
    def limit_reached(self, limit: str) -> None:
        """A limit has refused or ended a request, a connection or a wait."""

    def body_bytes_changed(self, in_flight: int) -> None:
        """The bodies of the requests in progress now hold so many bytes of memory."""

    @counted(
        "ringback_purged_total",
        "Rows that the retention deleted.",
        "the kinds of rows",
    )
    def rows_purged(self, kind: str, count: int) -> None:
        """The retention has deleted so many rows."""


NO_HOOKS = Hooks()
"""Hooks that ignore every event."""


class HooksOfAll(Hooks):
    """Reports every event to several hooks, in order."""

    def __init__(self, *hooks: Hooks, tracer: Tracer = NO_TRACER) -> None:
        """Report to `hooks`, and record spans with `tracer`."""
        self._all = tuple(one for one in hooks if one is not NO_HOOKS)
        self.tracer = tracer


def _report_to_all(event: str) -> Callable[..., None]:
    def report(self: HooksOfAll, *args: Any, **facts: Any) -> None:
        for hooks in self._all:
            getattr(hooks, event)(*args, **facts)

    return report


for _event in [name for name, one in vars(Hooks).items() if isinstance(one, FunctionType)]:
    setattr(HooksOfAll, _event, _report_to_all(_event))
