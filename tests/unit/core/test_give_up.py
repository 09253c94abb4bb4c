"""An operator gives a parked answer up, and Temporal is asked first."""

from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, Final

import pytest

from ringback.core.give_up import GIVE_UP_TRIES, GiveUpRequest, GiveUpService
from ringback.core.hooks import Hooks
from ringback.core.verdict_waiter import VerdictWaiter
from ringback.core.verdicts import TRIES_WITHOUT_A_TRACE
from ringback.domain.activity_state import LastFailure
from ringback.domain.audit import AuditKind
from ringback.domain.callback import Accepted, Callback, State
from ringback.domain.ending import describe_end, why_ended
from ringback.domain.errors import (
    NotParkedError,
    StoreUnavailableError,
    TemporalMisconfiguredError,
    TemporalUnreachableError,
    UnknownCallbackError,
)
from ringback.domain.ids import to_identity
from ringback.domain.opening import Next, next_of
from ringback.domain.operation_errors import StillNeededError
from ringback.domain.options import Attempts
from ringback.domain.outcome import Completed, Failed, Outcome
from ringback.ports.deliveries import GiveUp
from ringback.store.sql_store import SqlStore
from ringback.testing import FakeActivities, ManualClock
from tests import factories
from tests.unit.core.callbacks import open_and_answer, open_callback, reload

LEASE: Final = timedelta(seconds=30)
ADA = GiveUpRequest("k1", name="ada", reason="its workflow was deleted")
RETRYABLE = Failed("card declined")
TIMEOUT = LastFailure("timeout", "activity timed out", None)


class RecordedVerdicts(Hooks):
    """Records the verdicts that are reported."""

    def __init__(self) -> None:
        self.verdicts: list[State] = []

    def outcomes_settled(self, settlements: Any) -> None:
        self.verdicts += [settlement.verdict for settlement in settlements]


@pytest.fixture
def hooks() -> RecordedVerdicts:
    return RecordedVerdicts()


@pytest.fixture
def service(
    store: SqlStore, activities: FakeActivities, clock: ManualClock, hooks: RecordedVerdicts
) -> GiveUpService:
    verdicts = VerdictWaiter(store, clock)
    return GiveUpService(store, store, activities, verdicts=verdicts, hooks=hooks)


async def parked(
    store: SqlStore, activities: FakeActivities, outcome: Outcome | None = None, **options: Any
) -> Callback:
    """Return a callback whose answer was claimed once, and then parked."""
    callback = await open_and_answer(store, activities, outcome, **options)
    return await park(store, callback)


async def park(store: SqlStore, callback: Callback) -> Callback:
    (claimed,) = await store.claim("me", limit=1, lease=LEASE)
    assert claimed.id == callback.id
    reason: dict[str, object] = {"reason": "the test parked it"}
    await store.settle([factories.settlement(claimed, State.PARKED, reason)])
    return await reload(store, callback)


def accepted_of(callback: Callback) -> Accepted:
    assert callback.accepted is not None
    return callback.accepted


def proof_of(callback: Callback) -> dict[str, object]:
    return accepted_of(callback).proof or {}


async def facts_of(store: SqlStore, callback: Callback, kind: AuditKind) -> list[dict[str, object]]:
    trail = await store.audit_trail(callback.id)
    return [entry.facts for entry in trail if entry.kind is kind]


async def test_answer_of_a_terminated_workflow_becomes_superseded_with_name_and_reason(
    service: GiveUpService, store: SqlStore, activities: FakeActivities, hooks: RecordedVerdicts
) -> None:
    callback = await parked(store, activities, Completed(b'"late"'))
    activities.close_workflow(callback.ref, how="workflow terminated")

    given_up = await service.give_up(callback.id, ADA)

    assert given_up.state is State.SUPERSEDED
    assert accepted_of(given_up).outcome == Completed(b'"late"')
    assert proof_of(given_up)["closed"] == "workflow terminated"
    assert proof_of(given_up)["given up by"] == "ada"
    assert await facts_of(store, callback, AuditKind.GIVEN_UP) == [
        {"by": "k1", "name": "ada", "reason": "its workflow was deleted"}
    ]
    assert await facts_of(store, callback, AuditKind.SUPERSEDED) == [proof_of(given_up)]
    assert hooks.verdicts == [State.SUPERSEDED]
    assert "workflow terminated" in (why_ended(given_up) or "")
    end = describe_end(given_up)
    assert end is not None
    assert end.sentence.endswith("Not applied: answered.")


@pytest.mark.parametrize("tries", [1, TRIES_WITHOUT_A_TRACE])
async def test_answer_of_a_deleted_workflow_becomes_superseded_with_what_temporal_said(
    service: GiveUpService, store: SqlStore, activities: FakeActivities, tries: int
) -> None:
    callback = await open_and_answer(store, activities)
    for _ in range(tries - 1):
        (claimed,) = await store.claim("me", limit=1, lease=LEASE)
        await store.postpone([factories.postponement(claimed, timedelta(0))])
    callback = await park(store, callback)
    activities.forget(callback.ref)

    given_up = await service.give_up(callback.id, GiveUpRequest("k1"))

    assert given_up.state is State.SUPERSEDED
    assert proof_of(given_up) == {"given up by": "k1", "reason": "no such activity"}
    assert await facts_of(store, callback, AuditKind.GIVEN_UP) == [{"by": "k1"}]
    assert (why_ended(given_up) or "").startswith("an operator gave it up")
    end = describe_end(given_up)
    assert end is not None
    assert end.sentence.endswith("Unproven whether it was applied: answered.")


async def test_answer_that_its_activity_still_waits_for_stays_parked(
    service: GiveUpService, store: SqlStore, activities: FakeActivities, hooks: RecordedVerdicts
) -> None:
    callback = await parked(store, activities)

    with pytest.raises(StillNeededError, match=f"ringback redeliver {callback.id}"):
        await service.give_up(callback.id, ADA)

    assert await reload(store, callback) == callback
    assert await facts_of(store, callback, AuditKind.GIVEN_UP) == []
    assert hooks.verdicts == []


async def test_answer_that_continues_an_activity_stays_parked(
    service: GiveUpService, store: SqlStore, activities: FakeActivities
) -> None:
    callback = await parked(store, activities, resume=True)

    with pytest.raises(StillNeededError):
        await service.give_up(callback.id, ADA)


@pytest.mark.parametrize("temporal_is_gone", [False, True])
async def test_nothing_changes_while_temporal_is_away(
    *, temporal_is_gone: bool, service: GiveUpService, store: SqlStore, activities: FakeActivities
) -> None:
    callback = await parked(store, activities)
    activities.close_workflow(callback.ref, how="workflow terminated")
    activities.is_reachable = False

    with pytest.raises(TemporalUnreachableError):
        await service.give_up(callback.id, replace(ADA, temporal_is_gone=temporal_is_gone))

    assert await reload(store, callback) == callback


async def test_another_temporal_decides_nothing_unless_the_operator_knows_that_its_own_is_gone(
    service: GiveUpService, store: SqlStore, activities: FakeActivities
) -> None:
    callback = await parked(store, activities)
    activities.unserved = frozenset({callback.ref.namespace})

    with pytest.raises(TemporalMisconfiguredError, match="--temporal-is-gone"):
        await service.give_up(callback.id, ADA)
    untouched = await reload(store, callback)
    given_up = await service.give_up(callback.id, replace(ADA, temporal_is_gone=True))

    assert untouched == callback
    assert given_up.state is State.SUPERSEDED
    assert "is not found" in str(proof_of(given_up)["reason"])


async def test_answer_that_ended_the_activity_becomes_applied(
    service: GiveUpService, store: SqlStore, activities: FakeActivities, hooks: RecordedVerdicts
) -> None:
    callback = await parked(store, activities)
    identity = to_identity(accepted_of(callback).id)
    activities.end(callback.ref, how="completed", identity=identity)

    given_up = await service.give_up(callback.id, ADA)

    assert given_up.state is State.APPLIED
    assert proof_of(given_up)["by"] == identity
    assert hooks.verdicts == [State.APPLIED]


async def test_second_request_returns_the_same_state(
    service: GiveUpService, store: SqlStore, activities: FakeActivities, hooks: RecordedVerdicts
) -> None:
    callback = await parked(store, activities)
    activities.close_workflow(callback.ref, how="workflow terminated")
    first = await service.give_up(callback.id, ADA)
    activities.is_reachable = False

    second = await service.give_up(callback.id, replace(ADA, name="bob"))

    assert second == first
    assert hooks.verdicts == [State.SUPERSEDED]


async def test_only_a_parked_answer_is_given_up(
    service: GiveUpService, store: SqlStore, activities: FakeActivities
) -> None:
    (opened,) = await store.open([factories.request()])
    accepted = await open_and_answer(store, activities)

    with pytest.raises(NotParkedError, match="open, not parked"):
        await service.give_up(opened.id, ADA)
    with pytest.raises(NotParkedError, match="accepted, not parked"):
        await service.give_up(accepted.id, ADA)
    with pytest.raises(UnknownCallbackError, match="ringback list"):
        await service.give_up(factories.callback_id(), ADA)


@pytest.mark.parametrize("is_old_run_deleted", [False, True])
async def test_answer_that_a_reset_workflow_waits_for_stays_parked(
    *, is_old_run_deleted: bool, service: GiveUpService, store: SqlStore, activities: FakeActivities
) -> None:
    callback = await parked(store, activities, follow_reset=True)
    activities.reset_workflow(callback.ref, "the later run")
    if is_old_run_deleted:
        activities.forget(callback.ref)

    with pytest.raises(StillNeededError):
        await service.give_up(callback.id, ADA)


async def test_answer_is_given_up_if_no_run_has_its_activity(
    service: GiveUpService, store: SqlStore, activities: FakeActivities
) -> None:
    callback = await parked(store, activities, follow_reset=True)
    activities.forget(callback.ref)

    given_up = await service.give_up(callback.id, ADA)

    assert given_up.state is State.SUPERSEDED


async def test_activity_that_a_later_reset_runs_again_asks_again(
    service: GiveUpService, store: SqlStore, activities: FakeActivities
) -> None:
    callback = await parked(store, activities, Completed(b"1"), follow_reset=True)
    activities.close_workflow(callback.ref, how="workflow terminated")
    await service.give_up(callback.id, ADA)
    moved = replace(callback.ref, run_id="the later run")
    activities.schedule(moved)

    again = await open_callback(store, activities, moved, follow_reset=True)

    assert again.id != callback.id
    assert (again.state, again.generation) == (State.OPEN, 2)


async def test_result_that_was_given_up_wrongly_reaches_a_later_attempt(
    service: GiveUpService, store: SqlStore, activities: FakeActivities
) -> None:
    callback = await parked(store, activities, Completed(b"1"))
    activities.unserved = frozenset({callback.ref.namespace})
    await service.give_up(callback.id, replace(ADA, temporal_is_gone=True))
    activities.unserved = frozenset()
    activities.back_off(callback.ref, TIMEOUT)
    activities.start(callback.ref)

    later = await open_callback(store, activities, callback.ref)

    assert later.id == callback.id
    assert next_of(later) is Next.RETURN


async def test_failure_of_an_attempt_that_ended_is_given_up_while_a_later_attempt_waits(
    service: GiveUpService, store: SqlStore, activities: FakeActivities
) -> None:
    callback = await parked(store, activities, RETRYABLE)
    activities.back_off(callback.ref, TIMEOUT)
    activities.start(callback.ref)
    later = await open_callback(store, activities, callback.ref)

    given_up = await service.give_up(callback.id, ADA)

    assert later.id != callback.id
    assert given_up.state is State.SUPERSEDED
    assert proof_of(given_up) == {"given up by": "ada", "closed": "attempt 1 ended"}


async def test_failure_of_the_attempt_that_runs_stays_parked(
    service: GiveUpService, store: SqlStore, activities: FakeActivities
) -> None:
    callback = await parked(store, activities, RETRYABLE)

    with pytest.raises(StillNeededError):
        await service.give_up(callback.id, ADA)


async def test_failure_that_cannot_be_proven_is_given_up_with_that_in_the_proof(
    service: GiveUpService, store: SqlStore, activities: FakeActivities
) -> None:
    callback = await parked(store, activities, RETRYABLE)
    for _ in range(2):
        activities.back_off(callback.ref, TIMEOUT)
        activities.start(callback.ref)

    given_up = await service.give_up(callback.id, ADA)

    assert given_up.state is State.SUPERSEDED
    assert "cannot be proved" in str(proof_of(given_up)["reason"])


async def test_failure_that_ended_its_attempt_becomes_applied(
    service: GiveUpService, store: SqlStore, activities: FakeActivities
) -> None:
    callback = await parked(store, activities, RETRYABLE)
    source = to_identity(accepted_of(callback).id)
    failure = LastFailure("application", RETRYABLE.message, None, source)
    activities.back_off(callback.ref, failure)

    given_up = await service.give_up(callback.id, ADA)

    assert given_up.state is State.APPLIED


async def test_answer_of_an_earlier_attempt_is_given_up_if_only_the_current_one_counts(
    service: GiveUpService, store: SqlStore, activities: FakeActivities
) -> None:
    callback = await parked(store, activities, attempts=Attempts.CURRENT)
    activities.back_off(callback.ref, TIMEOUT)
    activities.start(callback.ref)

    given_up = await service.give_up(callback.id, ADA)

    assert given_up.state is State.SUPERSEDED
    assert proof_of(given_up)["closed"] == "attempt 1 ended"


@dataclass
class Interrupted:
    """A store in which something else happens before each verdict is stored."""

    store: SqlStore
    happens: list[Callable[[], Coroutine[Any, Any, object]]] = field(default_factory=list)
    ends: int = 0

    async def give_up(self, end: GiveUp) -> bool:
        self.ends += 1
        if self.happens:
            await self.happens.pop(0)()
        return await self.store.give_up(end)


async def test_attempt_that_opens_the_callback_after_the_lookup_keeps_its_answer(
    store: SqlStore, activities: FakeActivities, clock: ManualClock, hooks: RecordedVerdicts
) -> None:
    callback = await parked(store, activities, follow_reset=True)
    activities.close_workflow(callback.ref, how="workflow terminated")
    moved = replace(callback.ref, run_id="the later run")

    async def reset() -> None:
        activities.schedule(moved)
        await open_callback(store, activities, moved, follow_reset=True)

    interrupted = Interrupted(store, [reset])
    service = GiveUpService(
        store, interrupted, activities, verdicts=VerdictWaiter(store, clock), hooks=hooks
    )

    with pytest.raises(StillNeededError):
        await service.give_up(callback.id, ADA)

    assert (await reload(store, callback)).state is State.PARKED
    assert interrupted.ends == 1


async def test_answer_that_is_redelivered_after_the_lookup_is_not_given_up(
    store: SqlStore, activities: FakeActivities, clock: ManualClock, hooks: RecordedVerdicts
) -> None:
    callback = await parked(store, activities)
    activities.close_workflow(callback.ref, how="workflow terminated")
    interrupted = Interrupted(store, [lambda: store.redeliver(callback.id)])
    service = GiveUpService(
        store, interrupted, activities, verdicts=VerdictWaiter(store, clock), hooks=hooks
    )

    with pytest.raises(NotParkedError, match="accepted, not parked"):
        await service.give_up(callback.id, ADA)


async def test_callback_that_changes_all_the_time_may_be_given_up_later(
    store: SqlStore, activities: FakeActivities, clock: ManualClock, hooks: RecordedVerdicts
) -> None:
    callback = await parked(store, activities)
    activities.close_workflow(callback.ref, how="workflow terminated")

    async def park_again() -> None:
        await store.redeliver(callback.id)
        await park(store, callback)

    interrupted = Interrupted(store, [park_again] * GIVE_UP_TRIES)
    service = GiveUpService(
        store, interrupted, activities, verdicts=VerdictWaiter(store, clock), hooks=hooks
    )

    with pytest.raises(StoreUnavailableError, match="try again"):
        await service.give_up(callback.id, ADA)
    given_up = await service.give_up(callback.id, ADA)

    assert given_up.state is State.SUPERSEDED
    assert hooks.verdicts == [State.SUPERSEDED]
