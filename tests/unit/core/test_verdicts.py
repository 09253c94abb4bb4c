"""A verdict says only what is proved."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from ringback.core.activity_poller import explain_end
from ringback.core.verdicts import TRIES_WITHOUT_A_TRACE, is_failure_of, judge, may_send_by_token
from ringback.domain.activity_state import Ended, LastFailure, Pending, Unknown
from ringback.domain.callback import Accepted, Callback, State
from ringback.domain.durations import format_instant
from ringback.domain.ids import OutcomeId, to_identity
from ringback.domain.options import Attempts, CallbackOptions
from ringback.domain.outcome import Completed, Failed, Outcome
from tests import factories
from tests.factories import NOW

OURS = to_identity(OutcomeId("oc_1"))


def accepted(
    outcome: Outcome | None = None, *, handed: int | None = None, tries: int = 1
) -> Accepted:
    return Accepted(
        OutcomeId("oc_1"),
        outcome or Completed(b"1"),
        NOW,
        delivered_inline_to=None if handed is None else "the worker",
        delivered_inline_attempt=handed,
        tries=tries,
    )


def pending(attempt: int, last_failure: LastFailure | None = None) -> Pending:
    return Pending(
        attempt=attempt,
        is_started=True,
        started_at=NOW,
        cancel_requested=False,
        paused=False,
        attempt_timeout_at=None,
        last_failure=last_failure,
    )


@pytest.fixture
async def callback() -> Callback:
    return await factories.opened(factories.request())


@pytest.mark.parametrize(
    ("end", "handed", "verdict"),
    [
        (Ended("completed", NOW, OURS, 7), None, State.APPLIED),
        (Ended("completed", NOW, "the worker", 7), 1, State.APPLIED),
        (Ended("completed", NOW, "the worker", 7), None, State.SUPERSEDED),
        (Ended("completed", NOW, "the worker", 7, attempt=1), 1, State.APPLIED),
        (Ended("completed", NOW, "the worker", 7, attempt=2), 1, State.SUPERSEDED),
        (Ended("failed", NOW, "the worker", 7), 1, State.SUPERSEDED),
        (Ended("completed", NOW, "ringback/oc_2", 7), None, State.SUPERSEDED),
        (Ended("timed out", NOW, "", 7), None, State.SUPERSEDED),
        (Ended("workflow terminated", NOW, "", 7), None, State.SUPERSEDED),
    ],
)
def test_identity_in_history_decides_whose_end_it_was(
    callback: Callback, end: Ended, handed: int | None, verdict: State
) -> None:
    settlement = judge(callback, accepted(handed=handed), end)

    assert settlement is not None
    assert settlement.verdict is verdict
    assert settlement.proof == {
        "closed": end.how,
        "by": end.identity,
        "at": format_instant(NOW),
        "event": 7,
    }


def test_unknown_activity_has_no_verdict_at_first(callback: Callback) -> None:
    """The gateway may talk to another server."""
    few = accepted(tries=TRIES_WITHOUT_A_TRACE - 1)

    assert judge(callback, few, Unknown("not here")) is None


def test_activity_that_stays_unknown_is_parked(callback: Callback) -> None:
    settlement = judge(callback, accepted(tries=TRIES_WITHOUT_A_TRACE), Unknown("deleted"))

    assert settlement is not None
    assert (settlement.verdict, settlement.proof) == (State.PARKED, {"reason": "deleted"})


def test_pending_activity_proves_nothing(callback: Callback) -> None:
    assert judge(callback, accepted(), pending(1)) is None


@pytest.mark.parametrize(
    ("attempt", "failure", "is_proven"),
    [
        (2, LastFailure("application", "no", "T", OURS), True),
        (1, LastFailure("application", "no", "T", OURS), True),  # an operator reset the activity
        (2, LastFailure("application", "no", "T", "PythonSDK"), False),
        (2, LastFailure("timeout", "no", "T"), False),
        (2, None, False),
    ],
)
def test_only_the_same_failure_before_a_later_attempt_is_applied(
    callback: Callback, attempt: int, failure: LastFailure | None, *, is_proven: bool
) -> None:
    settlement = judge(callback, accepted(Failed("no", "T")), pending(attempt, failure))

    assert (settlement is not None) is is_proven
    assert settlement is None or settlement.verdict is State.APPLIED


@pytest.mark.parametrize(
    ("handed", "failure", "is_ours"),
    [
        (1, LastFailure("application", "no", "T"), True),
        (None, LastFailure("application", "no", "T"), False),
        (1, LastFailure("application", "no", None), False),
        (1, LastFailure("timeout", "no", "T"), False),
        (None, LastFailure("application", "cut by the server", None, OURS), True),
    ],
)
def test_failure_is_recognized_by_source_or_by_text_if_delivered_inline(
    handed: int | None, failure: LastFailure, *, is_ours: bool
) -> None:
    assert is_failure_of(accepted(Failed("no", "T"), handed=handed), failure) is is_ours


def test_result_is_never_mistaken_for_a_failure() -> None:
    assert not is_failure_of(accepted(), LastFailure("application", "no", None, OURS))


SIGNED = LastFailure("application", "no", "T", OURS)
UNSIGNED = LastFailure("application", "no", "T", "somebody")


@pytest.mark.parametrize(
    ("attempt", "before", "verdict"),
    [
        (1, None, State.PARKED),  # an operator reset it, and this is another attempt 1
        (2, SIGNED, State.APPLIED),
        (2, UNSIGNED, State.SUPERSEDED),
        (2, None, State.PARKED),  # an operator's change cleared it
        (3, UNSIGNED, State.PARKED),
        (None, None, State.PARKED),
        (1, SIGNED, State.APPLIED),  # an operator reset the activity
    ],
)
def test_failure_is_judged_by_the_attempt_that_it_was_sent_to(
    callback: Callback,
    attempt: int | None,
    before: LastFailure | None,
    verdict: State,
) -> None:
    sent = replace(
        accepted(Failed("no", "T"), tries=2), unconfirmed_attempt=1, unconfirmed_started_at=NOW
    )
    later = NOW + timedelta(seconds=1)
    end = Ended("timed out", NOW, "", None, attempt, later, before)

    settlement = judge(callback, sent, end)

    assert settlement is not None
    assert settlement.verdict is verdict
    assert ("reason" in settlement.proof) is (verdict is State.PARKED)


@pytest.mark.parametrize(
    ("attempt", "verdict"),
    [
        (2, State.SUPERSEDED),
        (1, State.SUPERSEDED),  # an operator reset it while it ran
        (3, State.PARKED),  # in backoff; the start time is that of the previous attempt
    ],
)
def test_attempt_of_a_failure_is_identified_by_its_start_time(
    callback: Callback, attempt: int, verdict: State
) -> None:
    sent = replace(
        accepted(Failed("no", "T"), tries=2), unconfirmed_attempt=2, unconfirmed_started_at=NOW
    )

    settlement = judge(callback, sent, Ended("timed out", NOW, "", None, attempt, NOW))

    assert settlement is not None
    assert settlement.verdict is verdict


def test_proof_of_a_standalone_activity_names_no_event(callback: Callback) -> None:
    settlement = judge(callback, accepted(), Ended("completed", NOW, OURS, None))

    assert settlement is not None
    assert settlement.proof == {"closed": "completed", "by": OURS, "at": format_instant(NOW)}


def test_explain_end_explains_only_an_end() -> None:
    assert explain_end(pending(1)) is None
    assert "timed out" in str(explain_end(Ended("timed out", NOW, "", 7)))
    assert "deleted" in str(explain_end(Unknown("deleted")))


def test_each_outcome_has_an_identity_of_its_own() -> None:
    assert to_identity(OutcomeId("oc_1")) == "ringback/oc_1"
    assert to_identity(OutcomeId("oc_1")) != to_identity(OutcomeId("oc_2"))


@pytest.mark.parametrize(
    ("outcome", "changes", "fits"),
    [
        (Completed(b"1"), {"tries": 9}, True),
        (Failed("no", non_retryable=True), {"tries": 9}, True),
        (Failed("no"), {"tries": 1}, True),
        (Failed("no"), {"tries": 2}, False),
        (
            Failed("no"),
            {"tries": 1, "delivered_inline_to": "w", "delivered_inline_attempt": 1},
            False,
        ),
        (Failed("no"), {"tries": 1, "unconfirmed_started_at": NOW - timedelta(days=1)}, False),
    ],
)
def test_only_outcomes_that_are_safe_to_repeat_are_sent_by_token_first(
    callback: Callback, outcome: Outcome, changes: dict[str, Any], *, fits: bool
) -> None:
    assert may_send_by_token(callback, replace(accepted(outcome), **changes)) is fits


def test_answer_is_not_sent_by_token_with_attempts_current_or_without_a_token(
    callback: Callback,
) -> None:
    current = replace(callback, options=CallbackOptions(attempts=Attempts.CURRENT))

    assert not may_send_by_token(current, accepted())
    assert not may_send_by_token(replace(callback, task_token=None), accepted())
