"""Several hooks as one: each gets every event."""

import inspect
from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final

import pytest

from ringback.core.hooks import NO_HOOKS, Hooks, HooksOfAll
from ringback.domain.errors import UnknownCallbackError
from ringback.domain.ids import CallbackId

REFUSAL: Final = UnknownCallbackError()

EVENTS: Final[dict[str, Callable[[Hooks], None]]] = {
    "callback_opened": lambda hooks: hooks.callback_opened(CallbackId("cb_1"), is_new=True),
    "answers_accepted": lambda hooks: hooks.answers_accepted([]),
    "answer_repeated": lambda hooks: hooks.answer_repeated(),
    "answer_refused": lambda hooks: hooks.answer_refused(REFUSAL),
    "outcomes_settled": lambda hooks: hooks.outcomes_settled([]),
    "outcome_applied": lambda hooks: hooks.outcome_applied(timedelta(seconds=1)),
    "delivery_postponed": lambda hooks: hooks.delivery_postponed(),
    "poll_ended": lambda hooks: hooks.poll_ended("polled"),
    "heartbeats_received": lambda hooks: hooks.heartbeats_received(3),
    "heartbeat_sent": lambda hooks: hooks.heartbeat_sent(),
    "webhook_ended": lambda hooks: hooks.webhook_ended("sent"),
    "notification_ended": lambda hooks: hooks.notification_ended("mail", "sent"),
    "source_request_ended": lambda hooks: hooks.source_request_ended("stripe", "accepted"),
    "queue_message_ended": lambda hooks: hooks.queue_message_ended("payments", "stored"),
    "queue_changed": lambda hooks: hooks.queue_changed("payments", is_connected=True),
    "event_dead": lambda hooks: hooks.event_dead("stripe"),
    "key_refused": lambda hooks: hooks.key_refused("revoked"),
    "commit_ended": lambda hooks: hooks.commit_ended("answers", 3, 0.1),
    "limit_reached": lambda hooks: hooks.limit_reached("link"),
    "body_bytes_changed": lambda hooks: hooks.body_bytes_changed(1),
    "rows_purged": lambda hooks: hooks.rows_purged("callbacks", 1),
}


class Recorder(Hooks):
    """Records the name and the arguments of every call."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []

    def __getattribute__(self, name: str) -> Any:
        if name not in EVENTS:
            return super().__getattribute__(name)
        return lambda *args, **kwargs: self.calls.append((name, args, kwargs))


@pytest.mark.parametrize("event", EVENTS)
def test_every_hook_gets_the_event_unchanged(event: str) -> None:
    alone, first, second = Recorder(), Recorder(), Recorder()

    EVENTS[event](alone)
    EVENTS[event](HooksOfAll(first, second))
    EVENTS[event](NO_HOOKS)

    assert alone.calls == first.calls == second.calls
    assert [call[0] for call in first.calls] == [event]


def test_all_events_are_passed_on() -> None:
    events = {name for name, _ in inspect.getmembers(Hooks, inspect.isfunction)}

    assert events == set(EVENTS)
    assert events <= set(vars(HooksOfAll))
