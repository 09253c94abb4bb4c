"""A verdict says only what is proved."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from ringback.core.activity_poller import explain_end
from ringback.core.delivery_failures import is_failure_of
from ringback.core.verdicts import TRIES_WITHOUT_A_TRACE, judge, may_send_by_token
from ringback.domain.activity_state import Ended, LastFailure, Pending, Unknown
from ringback.domain.callback import Accepted, Callback, State
from ringback.domain.durations import format_instant
from ringback.domain.ids import OutcomeId, to_identity
from ringback.domain.options import Attempts, CallbackOptions
from ringback.domain.outcome import Completed, Failed, Outcome
from tests import factories
from tests.factories import NOW

OURS = to_identity(OutcomeId("oc_1"))
EARLIER = NOW - timedelta(seconds=1)


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


FINAL = Failed("no", "T", non_retryable=True)
RETRIED = Failed("no", "T")
OWN = LastFailure("application", "the reply was lost", "GatewayUnavailableError")
CAUSED = LastFailure("application", "own", "Own", causes=frozenset({OURS}))
BY_TEXT = LastFailure("application", "no", "T", "GoSDK")
ENCODED = LastFailure("application", "Encoded failure", "T", "GoSDK", is_encoded=True)


@pytest.mark.parametrize(
    ("failure", "verdict"),
    [
        (LastFailure("application", "no", "T", OURS), State.APPLIED),
        (LastFailure("application", "Encoded failure", "T", OURS, is_encoded=True), State.APPLIED),
        (CAUSED, State.APPLIED),
        (BY_TEXT, State.APPLIED),
        (OWN, State.SUPERSEDED),
        (replace(OWN, message="Encoded failure", is_encoded=True), State.SUPERSEDED),
        (ENCODED, State.PARKED),
        (replace(ENCODED, message="no"), State.PARKED),
        (None, State.PARKED),
    ],
)
@pytest.mark.parametrize("outcome", [FINAL, RETRIED], ids=["final", "retryable"])
def test_failure_that_was_delivered_inline_is_applied_if_the_attempt_failed_with_it(
    callback: Callback, outcome: Failed, failure: LastFailure | None, verdict: State
) -> None:
    """A worker that did not get the gateway's reply fails the attempt too."""
    handed = replace(accepted(outcome, handed=2), unconfirmed_attempt=2, unconfirmed_started_at=NOW)
    end = Ended("failed", NOW, "the worker", 7, 2, NOW, None, failure)

    settlement = judge(callback, handed, end)

    assert settlement is not None
    assert settlement.verdict is verdict
    assert ("attempt 2" in str(settlement.proof.get("reason"))) is (verdict is State.PARKED)


@pytest.mark.parametrize(
    ("failure", "verdict"),
    [(BY_TEXT, State.SUPERSEDED), (ENCODED, State.SUPERSEDED), (CAUSED, State.APPLIED)],
)
def test_failure_that_was_not_delivered_inline_is_not_recognized_by_its_text(
    callback: Callback, failure: LastFailure, verdict: State
) -> None:
    end = Ended("failed", NOW, "the worker", 7, 1, NOW, None, failure)

    settlement = judge(callback, accepted(FINAL), end)

    assert settlement is not None
    assert settlement.verdict is verdict


@pytest.mark.parametrize(("outcome", "verdict"), [(RETRIED, State.APPLIED), (FINAL, None)])
def test_attempt_that_failed_because_of_its_answer_is_followed_by_one_that_gets_a_final_one_again(
    callback: Callback, outcome: Failed, verdict: State | None
) -> None:
    handed = replace(
        accepted(outcome, handed=1), unconfirmed_attempt=1, unconfirmed_started_at=EARLIER
    )

    settlement = judge(callback, handed, pending(2, CAUSED))

    assert (settlement and settlement.verdict) is verdict


def test_cause_of_a_timeout_is_not_how_the_attempt_ended() -> None:
    timeout = LastFailure("timeout", "too late", None, causes=frozenset({OURS}))

    assert not is_failure_of(accepted(FINAL, handed=1), timeout)


def test_encoded_failure_of_an_earlier_attempt_proves_nothing(callback: Callback) -> None:
    handed = replace(
        accepted(RETRIED, handed=1), unconfirmed_attempt=1, unconfirmed_started_at=EARLIER
    )
    found = pending(2, ENCODED)
    end = Ended("timed out", NOW, "", 7, 2, NOW, ENCODED)

    settlements = [judge(callback, handed, found), judge(callback, handed, end)]

    assert [one and one.verdict for one in settlements] == [State.PARKED, State.PARKED]


def test_after_a_reset_another_attempt_with_the_number_is_not_the_one_that_got_the_result(
    callback: Callback,
) -> None:
    handed = replace(accepted(handed=1), unconfirmed_attempt=1, unconfirmed_started_at=EARLIER)
    other, same = (
        judge(callback, handed, Ended("completed", NOW, "the worker", 7, 1, started_at))
        for started_at in (NOW, EARLIER)
    )

    assert (other and other.verdict, same and same.verdict) == (State.SUPERSEDED, State.APPLIED)


def test_signed_failure_is_applied_whatever_number_a_reset_gave_its_attempt(
    callback: Callback,
) -> None:
    handed = replace(
        accepted(RETRIED, handed=2), unconfirmed_attempt=2, unconfirmed_started_at=EARLIER
    )
    signed, told_by_text = (
        judge(callback, handed, pending(1, failure)) for failure in (SIGNED, BY_TEXT)
    )

    assert signed is not None
    assert signed.verdict is State.APPLIED
    assert told_by_text is not None
    assert told_by_text.verdict is State.PARKED


@pytest.mark.parametrize(
    ("attempt", "before_started_at", "verdict"),
    [
        (2, EARLIER, None),
        (2, NOW, State.PARKED),  # an operator reset it, and this is how another attempt 1 ended
        (1, EARLIER, None),  # an operator reset it while it ran
    ],
)
def test_attempt_before_is_identified_by_its_start_time_where_that_shows(
    callback: Callback, attempt: int, before_started_at: datetime, verdict: State | None
) -> None:
    sent = replace(
        accepted(RETRIED, tries=2), unconfirmed_attempt=1, unconfirmed_started_at=EARLIER
    )
    found = replace(
        pending(attempt, UNSIGNED),
        is_started=False,
        started_at=None,
        before_started_at=before_started_at,
    )

    settlement = judge(callback, sent, found)

    assert (settlement and settlement.verdict) is verdict


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
