"""What a poll of Temporal and a heartbeat change in a callback, and when they change nothing."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from ringback.domain.activity_state import HeartbeatResponse, Pending
from ringback.domain.audit import AuditKind
from ringback.domain.callback import State
from ringback.domain.durations import format_instant
from ringback.domain.liveness import (
    PollResult,
    PollState,
    ReceivedHeartbeat,
    SentHeartbeat,
    TrackedCallback,
    apply_poll_result,
    apply_received_heartbeat,
    apply_sent_heartbeat,
)
from ringback.domain.opening import find_or_create
from ringback.domain.options import HeartbeatBy
from tests import factories
from tests.factories import NOW

SECOND = timedelta(seconds=1)
TIMEOUT = timedelta(seconds=10)
CALM = HeartbeatResponse(cancel_requested=False, paused=False, reset=False)


def tracked(**options: Any) -> TrackedCallback:
    request = factories.request(heartbeat_timeout=TIMEOUT, **options)
    return TrackedCallback(find_or_create(None, request, NOW).callback, PollState(NOW))


def polled(of: TrackedCallback, **pending: Any) -> PollResult:
    facts: dict[str, Any] = {
        "attempt": 1,
        "is_started": True,
        "started_at": of.callback.attempt_started_at,
        "cancel_requested": False,
        "paused": False,
        "attempt_timeout_at": None,
        "last_failure": None,
        "heartbeat_timeout": TIMEOUT,
    }
    return PollResult(
        of.callback.id, of.callback.attempt_started_at, Pending(**facts | pending), poll_in=SECOND
    )


def sent(of: TrackedCallback) -> SentHeartbeat:
    received_at = of.callback.heartbeat_state.heartbeat_received_at
    return SentHeartbeat(of.callback.id, of.callback.attempt_started_at, received_at, CALM)


def test_poll_of_an_earlier_attempt_changes_nothing() -> None:
    now = tracked()
    later = replace(now.callback, attempt_started_at=NOW + SECOND)

    assert apply_poll_result(replace(now, callback=later), polled(now), NOW) == replace(
        now, callback=later
    )


@pytest.mark.parametrize("state", [state for state in State if state is not State.OPEN])
def test_poll_of_a_callback_that_is_not_open_changes_nothing(state: State) -> None:
    now = tracked()
    closed = replace(now, callback=replace(now.callback, state=state))

    assert apply_poll_result(closed, polled(now), NOW) == closed


def test_poll_schedules_the_next_heartbeat_unless_one_is_claimed() -> None:
    due = tracked(heartbeat=HeartbeatBy.GATEWAY)
    due_at = NOW + TIMEOUT
    due = replace(
        due,
        callback=replace(
            due.callback,
            heartbeat_state=replace(due.callback.heartbeat_state, heartbeat_due_at=due_at),
        ),
    )
    claimed = replace(due, poll_state=replace(due.poll_state, heartbeat_held_until=NOW + SECOND))

    after_poll = apply_poll_result(due, polled(due), NOW).callback.heartbeat_state
    while_claimed = apply_poll_result(claimed, polled(due), NOW).callback.heartbeat_state

    assert after_poll.heartbeat_due_at == NOW + TIMEOUT / 4
    assert while_claimed.heartbeat_due_at == due_at


def test_poll_that_shows_a_cancellation_reports_when_it_is_due() -> None:
    before = tracked(cancel_within=SECOND)

    after = apply_poll_result(before, polled(before, cancel_requested=True), NOW)

    (entry,) = after.happened
    assert entry.kind is AuditKind.CANCEL_REQUESTED
    assert entry.facts == {"until": format_instant(NOW + SECOND)}
    assert apply_poll_result(after, polled(before, cancel_requested=True), NOW).happened == (entry,)


def test_heartbeat_sent_for_an_earlier_attempt_changes_nothing() -> None:
    before = tracked()
    later = replace(before, callback=replace(before.callback, attempt_started_at=NOW + SECOND))

    assert apply_sent_heartbeat(later, sent(before), NOW) == later


@pytest.mark.parametrize("state", [State.APPLIED, State.SUPERSEDED, State.EXPIRED])
def test_heartbeat_sent_for_a_closed_callback_changes_nothing(state: State) -> None:
    before = tracked()
    closed = replace(before, callback=replace(before.callback, state=state))

    assert apply_sent_heartbeat(closed, sent(before), NOW) == closed


def test_heartbeat_received_since_the_claim_is_due_after_the_one_that_was_sent() -> None:
    before = tracked()
    received, _ = apply_received_heartbeat(
        before, ReceivedHeartbeat(before.callback.id, b"1"), NOW, lease=SECOND
    )

    only_sent = apply_sent_heartbeat(received, sent(received), NOW).callback.heartbeat_state
    since = apply_sent_heartbeat(received, sent(before), NOW).callback.heartbeat_state

    assert only_sent.heartbeat_due_at is None
    assert since.heartbeat_due_at == NOW + TIMEOUT / 2


@pytest.mark.parametrize("state", [state for state in State if state is not State.OPEN])
def test_heartbeat_received_for_a_callback_that_is_not_open_changes_nothing(state: State) -> None:
    before = tracked()
    closed = replace(before, callback=replace(before.callback, state=state))

    after, receipt = apply_received_heartbeat(
        closed, ReceivedHeartbeat(closed.callback.id, b"1"), NOW, lease=SECOND
    )

    assert after == closed
    assert not receipt.is_due
