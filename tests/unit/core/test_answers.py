"""The first outcome is stored durably, and every sender gets a true reply."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

import pytest

from ringback.core.answers import AnswerService
from ringback.core.receipt import Receipt
from ringback.core.services import caught, run_services
from ringback.domain.audit import AuditKind
from ringback.domain.callback import Callback, State
from ringback.domain.errors import (
    AnsweredDifferentlyError,
    ExpiredCallbackError,
    NoCancelRequestedError,
    StoreUnavailableError,
    TemporalUnreachableError,
    UnknownCallbackError,
    WrongResultError,
)
from ringback.domain.ids import OutcomeId
from ringback.domain.outcome import Canceled, Completed, Failed, Outcome
from ringback.domain.terms import Terms
from ringback.store.sql_store import SqlStore
from ringback.testing import FakeActivities
from ringback.testing.in_memory_database import InMemoryDatabase
from tests import factories


@pytest.fixture
def wake_ups() -> list[str]:
    return []


@pytest.fixture
async def answer_service(
    store: SqlStore, activities: FakeActivities, wake_ups: list[str]
) -> AsyncIterator[AnswerService]:
    answer_service = make_answer_service(store, activities, lambda: wake_ups.append("accepted"))
    async with run_services(answer_service):
        yield answer_service


def make_answer_service(
    store: SqlStore, activities: FakeActivities, on_accepted: Callable[[], None]
) -> AnswerService:
    numbers = iter(range(10_000))
    return factories.answer_service(
        store,
        activities,
        new_outcome_id=lambda: OutcomeId(f"oc_{next(numbers)}"),
        on_accepted=on_accepted,
    )


@dataclass(kw_only=True)
class SlowActivities(FakeActivities):
    """Validation takes a while."""

    is_asked: asyncio.Event = field(default_factory=asyncio.Event)
    may_tell: asyncio.Event = field(default_factory=asyncio.Event)
    slow_for: type[Outcome] = Failed

    async def check(self, terms: Terms, outcome: Outcome) -> None:
        self.is_asked.set()
        if isinstance(outcome, self.slow_for):
            await self.may_tell.wait()
        await super().check(terms, outcome)


@pytest.fixture
async def callback(store: SqlStore, activities: FakeActivities) -> Callback:
    (callback,) = await store.open([factories.request()])
    activities.schedule(callback.ref)
    return callback


async def test_answer_is_stored_when_the_receipt_is_returned(
    answer_service: AnswerService, store: SqlStore, callback: Callback, wake_ups: list[str]
) -> None:
    receipt = await answer_service.accept(callback.id, Completed(b"1"))

    assert (receipt.state, receipt.is_duplicate) == (State.ACCEPTED, False)
    assert (await store.find([callback.id]))[callback.id].state is State.ACCEPTED
    assert wake_ups == ["accepted"]


async def test_link_revoked_during_validation_rejects_the_answer(
    store: SqlStore,
) -> None:
    activities = SlowActivities()
    (callback,) = await store.open([factories.request()])
    activities.schedule(callback.ref)
    answer_service = make_answer_service(store, activities, lambda: None)

    async with run_services(answer_service), asyncio.TaskGroup() as group:
        taken = group.create_task(
            caught(answer_service.accept(callback.id, Failed("no"), serial=callback.link_serial))
        )
        await activities.is_asked.wait()
        await store.revoke(callback.id)
        activities.may_tell.set()

    assert isinstance(taken.result(), UnknownCallbackError)
    assert (await store.find([callback.id]))[callback.id].state is State.OPEN


async def test_same_answer_again_gets_the_same_receipt(
    answer_service: AnswerService, callback: Callback, wake_ups: list[str]
) -> None:
    first = await answer_service.accept(callback.id, Completed(b'{"a": 1}'))

    again = await answer_service.accept(callback.id, Completed(b'{"a":1}'))

    assert again.is_duplicate
    assert again.accepted_at == first.accepted_at
    assert wake_ups == ["accepted"]


async def test_second_different_answer_is_rejected_and_stored_as_evidence(
    answer_service: AnswerService, store: SqlStore, callback: Callback
) -> None:
    first = await answer_service.accept(callback.id, Completed(b"1"))

    with pytest.raises(AnsweredDifferentlyError) as caught:
        await answer_service.accept(callback.id, Completed(b"2"))

    assert caught.value.accepted_at == first.accepted_at
    kinds = [entry.kind for entry in await store.audit_trail(callback.id)]
    assert kinds[-1] is AuditKind.ANSWERED_DIFFERENTLY


async def test_one_of_many_concurrent_answers_wins(
    answer_service: AnswerService, callback: Callback
) -> None:
    results = await asyncio.gather(
        *(answer_service.accept(callback.id, Completed(str(n).encode())) for n in range(20)),
        return_exceptions=True,
    )

    refused = [result for result in results if isinstance(result, AnsweredDifferentlyError)]
    winners = [result for result in results if isinstance(result, Receipt)]
    assert (len(winners), len(refused)) == (1, 19)


async def test_answer_to_an_unknown_callback_is_unknown(answer_service: AnswerService) -> None:
    with pytest.raises(UnknownCallbackError):
        await answer_service.accept(factories.callback_id(), Completed(b"1"))


async def test_answer_to_an_expired_callback_returns_the_reason(
    answer_service: AnswerService, store: SqlStore, callback: Callback
) -> None:
    await store.expire([factories.expiry(callback, "timed out")])

    with pytest.raises(ExpiredCallbackError, match="timed out"):
        await answer_service.accept(callback.id, Completed(b"1"))


async def test_answer_that_cannot_be_stored_is_not_accepted(
    answer_service: AnswerService,
    database: InMemoryDatabase,
    callback: Callback,
    wake_ups: list[str],
) -> None:
    database.is_available = False

    with pytest.raises(StoreUnavailableError):
        await answer_service.accept(callback.id, Completed(b"1"))

    assert wake_ups == []


async def test_cancellation_without_a_request_is_not_stored(
    answer_service: AnswerService, store: SqlStore, callback: Callback
) -> None:
    with pytest.raises(NoCancelRequestedError):
        await answer_service.accept(callback.id, Canceled(None))

    assert (await store.find([callback.id]))[callback.id].state is State.OPEN


async def test_requested_cancellation_is_accepted(
    answer_service: AnswerService, activities: FakeActivities, callback: Callback
) -> None:
    activities.request_cancel(callback.ref)

    assert (await answer_service.accept(callback.id, Canceled(None))).state is State.ACCEPTED


async def test_cancellation_reported_while_temporal_is_away_must_be_sent_again(
    answer_service: AnswerService, store: SqlStore, activities: FakeActivities, callback: Callback
) -> None:
    """If no cancellation was requested, accepting the report would block the real answer."""
    activities.is_reachable = False

    with pytest.raises(TemporalUnreachableError):
        await answer_service.accept(callback.id, Canceled(None))

    assert (await store.find([callback.id]))[callback.id].state is State.OPEN


async def test_second_report_of_a_cancellation_is_a_duplicate(
    answer_service: AnswerService, activities: FakeActivities, callback: Callback
) -> None:
    activities.request_cancel(callback.ref)
    await answer_service.accept(callback.id, Canceled(None))

    assert (await answer_service.accept(callback.id, Canceled(None))).is_duplicate


async def test_result_that_does_not_match_is_rejected_with_and_without_cache(
    answer_service: AnswerService, store: SqlStore, activities: FakeActivities
) -> None:
    requests = [factories.request(result_schema="1") for _ in range(3)]
    for callback in await store.open(requests):
        activities.schedule(callback.ref)
        # The schema is read for the first answer, and cached for the others.
        with pytest.raises(WrongResultError):
            await answer_service.accept(callback.id, Completed(b"2"))

        assert (await store.find([callback.id]))[callback.id].state is State.OPEN


async def test_invalid_answer_does_not_fail_the_others_of_its_batch(
    answer_service: AnswerService, store: SqlStore, activities: FakeActivities
) -> None:
    first, *others = await store.open([factories.request(result_schema="1") for _ in range(4)])
    for callback in (first, *others):
        activities.schedule(callback.ref)
    await answer_service.accept(first.id, Completed(b"1"))

    results = await asyncio.gather(
        *(
            answer_service.accept(one.id, Completed(body))
            for one, body in zip(others, (b"1", b"2", b"1"), strict=True)
        ),
        return_exceptions=True,
    )

    assert [type(one) for one in results] == [Receipt, WrongResultError, Receipt]


async def test_wrong_answer_by_revoked_link_returns_unknown(
    answer_service: AnswerService, store: SqlStore
) -> None:
    (callback,) = await store.open([factories.request(result_schema="1")])
    await store.revoke(callback.id)

    with pytest.raises(UnknownCallbackError):
        await answer_service.accept(callback.id, Completed(b"2"), serial=callback.link_serial)


async def test_invalid_answer_after_another_one_returns_conflict_and_is_stored_as_evidence(
    answer_service: AnswerService, store: SqlStore
) -> None:
    (callback,) = await store.open([factories.request(result_schema="1")])
    await answer_service.accept(callback.id, Completed(b"1"))

    with pytest.raises(AnsweredDifferentlyError):
        await answer_service.accept(callback.id, Completed(b"2"))

    assert [entry.kind for entry in await store.audit_trail(callback.id)][-1] is (
        AuditKind.ANSWERED_DIFFERENTLY
    )


async def test_wrong_answer_to_expired_callback_returns_expired(
    answer_service: AnswerService, store: SqlStore
) -> None:
    (callback,) = await store.open([factories.request(result_schema="1")])
    await store.expire([factories.expiry(callback, "timed out")])

    with pytest.raises(ExpiredCallbackError, match="timed out"):
        await answer_service.accept(callback.id, Completed(b"2"))


async def test_repeated_cancellation_is_a_duplicate_while_temporal_is_away(
    answer_service: AnswerService, activities: FakeActivities, callback: Callback
) -> None:
    activities.request_cancel(callback.ref)
    first = await answer_service.accept(callback.id, Canceled(None))
    activities.is_reachable = False

    again = await answer_service.accept(callback.id, Canceled(None))

    assert (again.is_duplicate, again.accepted_at) == (True, first.accepted_at)


async def test_slow_validation_does_not_block_other_answers(
    store: SqlStore,
) -> None:
    activities = SlowActivities(slow_for=Completed)
    slow, quick = await store.open([factories.request(), factories.request()])
    answer_service = make_answer_service(store, activities, lambda: None)

    async with run_services(answer_service), asyncio.TaskGroup() as group:
        first = group.create_task(answer_service.accept(slow.id, Completed(b"1")))
        await activities.is_asked.wait()
        second = await answer_service.accept(quick.id, Failed("no"))
        activities.may_tell.set()

    assert (second.state, first.result().state) == (State.ACCEPTED, State.ACCEPTED)
