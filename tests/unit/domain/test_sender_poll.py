"""When polls of the sender are due, and what their steps change."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from ringback.domain.audit import AuditKind
from ringback.domain.callback import Callback, State
from ringback.domain.deadlines import POLL_GRACE, SenderPoll, next_poll_due_at, reopened
from ringback.domain.liveness import PollState, TrackedCallback
from ringback.domain.opening import Next, find_or_create, next_of
from ringback.domain.options import CallbackOptions, check_options
from ringback.domain.polling import (
    POSTPONED_BY,
    PollingStopped,
    PollProgress,
    PollReport,
    PollStep,
    apply_poll_change,
)
from tests import factories
from tests.factories import NOW

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)


def tracked(**options: Any) -> TrackedCallback:
    request = factories.request(poll=True, **options)
    opened = find_or_create(None, request, NOW).callback
    return TrackedCallback(replace(opened, submitted_at=NOW), PollState(NOW))


def with_step(of: TrackedCallback, step: PollStep, at: datetime) -> TrackedCallback:
    progress = PollProgress(of.callback.id, of.callback.attempt_started_at, step)
    return apply_poll_change(of, progress, at)


def with_next_attempt(of: TrackedCallback, at: datetime, **options: Any) -> TrackedCallback:
    request = factories.request(ref=of.callback.ref, attempt=2, poll=True, **options)
    return replace(of, callback=find_or_create(of.callback, request, at).callback)


def reported(of: TrackedCallback, at: datetime, found: str = "not yet") -> TrackedCallback:
    report = PollReport(of.callback.id, of.callback.attempt, found)
    return apply_poll_change(of, report, at)


@pytest.mark.parametrize(
    ("options", "deadline", "expected"),
    [
        ({}, HOUR, None),
        ({"poll": True}, HOUR, HOUR),
        ({"poll": True, "poll_every": MINUTE}, HOUR, MINUTE),
        ({"poll": True, "poll_every": 2 * HOUR}, HOUR, HOUR),
        ({"poll": True, "poll_every": MINUTE}, None, MINUTE),
        ({"poll": True, "poll_every": MINUTE}, timedelta(0), None),
    ],
)
def test_next_poll_is_due_at_the_interval_or_at_the_deadline(
    options: dict[str, Any], deadline: timedelta | None, expected: timedelta | None
) -> None:
    deadline_at = None if deadline is None else NOW + deadline

    due_at = next_poll_due_at(NOW, CallbackOptions(**options), deadline_at)

    assert due_at == (None if expected is None else NOW + expected)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"poll_every": MINUTE}, "poll_every needs poll"),
        ({"poll": True}, "poll needs a deadline"),
        ({"poll": True, "deadline": HOUR, "attempts": "current"}, "attempts='any'"),
        ({"poll": True, "deadline": HOUR, "policy": {}}, "exclude each other"),
        ({"poll": True, "poll_every": timedelta(milliseconds=1)}, "at least one second"),
    ],
)
def test_options_that_do_not_fit_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        check_options(options)


@pytest.mark.parametrize(
    "options", [{"deadline": HOUR}, {"poll_every": MINUTE}, {"deadline": HOUR, "poll_every": None}]
)
def test_options_that_fit_are_accepted(options: dict[str, Any]) -> None:
    check_options({"poll": True, **options})


def test_default_waits_for_the_poll_at_the_deadline_but_not_for_long() -> None:
    callback = tracked(deadline=HOUR).callback

    assert callback.default_due_at == NOW + HOUR + POLL_GRACE
    assert callback.deadline_at == NOW + HOUR


def test_default_waits_no_more_once_polls_are_over() -> None:
    before = tracked(deadline=HOUR)
    started_at = before.callback.attempt_started_at
    stopped = PollingStopped(before.callback.id, started_at, "no attempt is left")

    after = apply_poll_change(before, stopped, NOW)

    assert after.callback.default_due_at == NOW + HOUR
    assert after.callback.sender_poll == SenderPoll(is_over=True)
    assert [(one.kind, one.facts) for one in after.happened] == [
        (AuditKind.POLLING_STOPPED, {"reason": "no attempt is left"})
    ]


def test_requested_poll_is_made_by_the_next_attempt() -> None:
    waiting = tracked(poll_every=MINUTE)

    requested = with_step(waiting, PollStep.REQUESTED, NOW + MINUTE)
    sent = with_step(requested, PollStep.SENT, NOW + MINUTE)
    again = with_next_attempt(sent, NOW + MINUTE, poll_every=MINUTE)

    assert next_of(waiting.callback) is Next.WAIT
    assert sent.callback.sender_poll.due_at == NOW + 2 * MINUTE
    assert next_of(again.callback) is Next.POLL
    assert [(one.kind, one.facts) for one in requested.happened] == [
        (AuditKind.POLL_REQUESTED, {"attempt": 1})
    ]


def test_poll_that_cannot_be_requested_now_is_postponed() -> None:
    after = with_step(tracked(poll_every=MINUTE), PollStep.POSTPONED, NOW + MINUTE)

    assert after.callback.sender_poll == SenderPoll(NOW + MINUTE + POSTPONED_BY)
    assert after.happened == ()


def test_report_makes_the_next_poll_due_after_the_interval() -> None:
    requested = with_step(tracked(poll_every=MINUTE), PollStep.REQUESTED, NOW + MINUTE)

    after = reported(requested, NOW + MINUTE + POLL_GRACE)

    assert after.callback.sender_poll == SenderPoll(NOW + 2 * MINUTE)
    entry = after.happened[-1]
    assert (entry.kind, entry.facts) == (AuditKind.POLLED, {"attempt": 1, "found": "not yet"})
    assert next_of(after.callback) is Next.WAIT


def test_report_of_the_poll_at_the_deadline_lets_the_default_be_used_now() -> None:
    requested = with_step(tracked(deadline=HOUR), PollStep.REQUESTED, NOW + HOUR)

    after = reported(requested, NOW + HOUR + MINUTE / 6)

    assert after.callback.sender_poll.is_over
    assert after.callback.default_due_at == NOW + HOUR


def test_poll_that_began_before_the_deadline_is_repeated_there() -> None:
    waiting = tracked(deadline=HOUR, poll_every=HOUR - MINUTE / 6)
    requested = with_step(waiting, PollStep.REQUESTED, NOW + HOUR - MINUTE / 6)

    after = reported(requested, NOW + HOUR + MINUTE / 6)

    assert after.callback.sender_poll == SenderPoll(NOW + HOUR)


def test_error_of_a_poll_is_recorded_by_its_type() -> None:
    requested = with_step(tracked(poll_every=MINUTE), PollStep.REQUESTED, NOW)
    report = PollReport(requested.callback.id, 1, "an error", "OSError")

    after = apply_poll_change(requested, report, NOW)

    assert after.happened[-1].facts == {"attempt": 1, "found": "an error", "error": "OSError"}


def test_report_of_an_accepted_answer_is_recorded_and_ends_the_polls() -> None:
    requested = with_step(tracked(poll_every=MINUTE), PollStep.REQUESTED, NOW)
    accepted = replace(requested, callback=replace(requested.callback, state=State.ACCEPTED))

    after = reported(accepted, NOW, "an answer")

    assert after.callback.sender_poll == SenderPoll(is_over=True)
    assert after.happened[-1].facts["found"] == "an answer"


@pytest.mark.parametrize("attempt", [1, 3])
def test_report_that_nobody_waits_for_changes_nothing(attempt: int) -> None:
    waiting = tracked(poll_every=MINUTE)
    if attempt == 3:
        waiting = with_step(waiting, PollStep.REQUESTED, NOW)
    report = PollReport(waiting.callback.id, attempt, "not yet")

    assert apply_poll_change(waiting, report, NOW) is waiting


@pytest.mark.parametrize("is_answered", [False, True])
def test_step_of_an_earlier_attempt_or_after_an_answer_changes_nothing(
    *, is_answered: bool
) -> None:
    waiting = tracked(poll_every=MINUTE)
    state = State.ACCEPTED if is_answered else State.OPEN
    waiting = replace(waiting, callback=replace(waiting.callback, state=state))
    started_at = waiting.callback.attempt_started_at if is_answered else NOW - MINUTE
    progress = PollProgress(waiting.callback.id, started_at, PollStep.REQUESTED)

    assert apply_poll_change(waiting, progress, NOW) is waiting


@pytest.mark.parametrize(
    ("before", "options", "expected"),
    [
        (SenderPoll(NOW), CallbackOptions(), SenderPoll()),
        (
            SenderPoll(is_over=True),
            CallbackOptions(poll=True, poll_every=MINUTE),
            SenderPoll(is_over=True),
        ),
        (SenderPoll(), CallbackOptions(poll=True, poll_every=MINUTE), SenderPoll(NOW + MINUTE)),
        (SenderPoll(NOW), CallbackOptions(poll=True, poll_every=MINUTE), SenderPoll(NOW)),
        (
            SenderPoll(NOW, requested_at=NOW),
            CallbackOptions(poll=True, poll_every=MINUTE / 6),
            SenderPoll(NOW + POLL_GRACE, NOW),
        ),
        (
            SenderPoll(NOW + HOUR),
            CallbackOptions(poll=True, poll_every=MINUTE),
            SenderPoll(NOW + MINUTE),
        ),
        (
            SenderPoll(NOW + HOUR, requested_at=NOW + HOUR),
            CallbackOptions(poll=True, poll_every=MINUTE),
            SenderPoll(NOW + MINUTE, NOW + HOUR),
        ),
    ],
    ids=["polls no more", "over", "polls now", "unchanged", "requested", "shorter", "set back"],
)
def test_later_attempt_decides_on_the_next_poll(
    before: SenderPoll, options: CallbackOptions, expected: SenderPoll
) -> None:
    assert reopened(before, NOW, options=options, deadline_at=NOW + HOUR) == expected


def test_attempt_that_was_started_for_the_poll_at_the_deadline_is_followed_by_no_other() -> None:
    requested = SenderPoll(NOW, requested_at=NOW + HOUR)
    options = CallbackOptions(poll=True, poll_every=MINUTE)

    after = reopened(requested, NOW + HOUR, options=options, deadline_at=NOW + HOUR)

    assert after == SenderPoll(None, NOW + HOUR)


def test_report_of_a_request_in_the_future_makes_the_next_poll_due_from_now_on() -> None:
    requested = with_step(tracked(poll_every=MINUTE, deadline=HOUR), PollStep.REQUESTED, NOW + HOUR)

    after = reported(requested, NOW)

    assert after.callback.sender_poll == SenderPoll(NOW + MINUTE)


def test_options_of_the_latest_attempt_count() -> None:
    waiting = tracked(poll_every=MINUTE)

    again: Callback = with_next_attempt(waiting, NOW, poll_every=HOUR).callback

    assert again.options.poll_every == HOUR
