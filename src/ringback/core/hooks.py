"""Hooks: what a gateway reports of its work to the program that runs it, and to its metrics."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from types import FunctionType
from typing import Any

from ringback.core.spans import NO_TRACER, Tracer
from ringback.domain.errors import RingbackError
from ringback.domain.ids import CallbackId
from ringback.ports.deliveries import Settlement
from ringback.ports.store import Answer


class Hooks:
    """Ignores every event; a program overrides the methods that it needs.

    Each method is called after the commit of what it reports. It is called in the event loop, so it
    must return at once, and it must not raise. Each `result`, `kind`, `channel`, `limit`, `source`
    and `queue` is one of a few names in the code or the configuration, so it may be the label of a
    metric. Ids may not.

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

    def delivery_postponed(self) -> None:
        """A delivery ended without a verdict, and is retried."""

    def poll_ended(self, result: str) -> None:
        """The activities of one workflow run were polled; the result is a `POLLED` or `FAILED`."""

    def heartbeats_received(self, count: int) -> None:
        """So many heartbeats of senders were stored."""

    def heartbeat_sent(self) -> None:
        """Temporal has accepted a heartbeat."""

    def webhook_ended(self, result: str) -> None:
        """A try to send a webhook ended: `DELIVERED`, `RETRYING` or `FAILED`."""

    def notification_ended(self, channel: str, result: str) -> None:
        """A try to send a message ended: `SENT`, `RETRYING` or `FAILED`."""

    def source_request_ended(self, source: str, result: str) -> None:
        """A request to a source got its reply.

        The result is `accepted`, `duplicate`, `handshake`, `rate_limited`, or the reason of a
        refusal.
        """

    def queue_message_ended(self, queue: str, result: str) -> None:
        """A message of a queue was handled: `STORED`, `DUPLICATE`, `DEAD` or `IGNORED`."""

    def queue_changed(self, queue: str, *, is_connected: bool) -> None:
        """The connection to a queue was made or lost."""

    def event_dead(self, source: str) -> None:
        """An event of a source or queue cannot be used: a rule failed, or its callback refused."""

    def key_refused(self, result: str) -> None:
        """A request had an API key that is not valid: `REVOKED` or `UNKNOWN`."""

    def commit_ended(self, kind: str, size: int, seconds: float) -> None:
        """A batch of `size` items was committed, or could not be."""

    def limit_reached(self, limit: str) -> None:
        """A limit has refused or ended a request, a connection or a wait."""

    def body_bytes_changed(self, in_flight: int) -> None:
        """The bodies of the requests in progress now hold so many bytes of memory."""

    def rows_purged(self, kind: str, count: int) -> None:
        """The retention has deleted so many rows."""


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
