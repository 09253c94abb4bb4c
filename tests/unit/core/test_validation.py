"""Answers that Temporal would accept and then handle badly are rejected."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from ringback.core.opening import CallbackOpener
from ringback.core.services import run_services
from ringback.core.validation import MOST_SCHEMAS, MOST_TERMS, AnswerValidator
from ringback.domain.callback import Callback
from ringback.domain.errors import (
    AnswerTooLargeError,
    NoCancelRequestedError,
    StoreUnavailableError,
    UnknownCallbackError,
    WrongResultError,
)
from ringback.domain.outcome import Canceled, Completed, Failed
from ringback.domain.terms import to_terms
from ringback.store.sql_store import SqlStore
from ringback.testing import ExactResults, FakeActivities, ManualClock
from ringback.testing.in_memory_database import InMemoryDatabase
from tests import factories
from tests.unit.core.callbacks import open_callback

SCHEMA = '{"approved":true}'


@pytest.fixture
def checks(store: SqlStore, activities: FakeActivities) -> AnswerValidator:
    return AnswerValidator(store, activities, ExactResults())


@pytest.fixture
async def callback(store: SqlStore, activities: FakeActivities) -> Callback:
    ref = factories.activity_ref()
    activities.schedule(ref)
    return await open_callback(store, activities, ref, result_schema=SCHEMA)


async def test_result_that_matches_the_schema_is_accepted(
    checks: AnswerValidator, callback: Callback
) -> None:
    await checks.check(to_terms(callback), Completed(SCHEMA.encode()))


async def test_result_that_does_not_match_is_rejected_with_the_path(
    checks: AnswerValidator, callback: Callback
) -> None:
    with pytest.raises(WrongResultError, match="/a: not") as caught:
        await checks.check(to_terms(callback), Completed(b"1"))

    assert [problem.path for problem in caught.value.problems] == ["/a"]


async def test_missing_result_is_checked_as_null(
    checks: AnswerValidator, callback: Callback
) -> None:
    with pytest.raises(WrongResultError):
        await checks.check(to_terms(callback), Completed(None))


async def test_failure_is_not_checked_against_the_schema(
    checks: AnswerValidator, callback: Callback
) -> None:
    await checks.check(to_terms(callback), Failed("no"))


async def test_schema_is_read_once(
    checks: AnswerValidator, database: InMemoryDatabase, callback: Callback
) -> None:
    await checks.check(to_terms(callback), Completed(SCHEMA.encode()))
    database.is_available = False

    await checks.check(to_terms(callback), Completed(SCHEMA.encode()))


async def test_terms_are_read_once_and_together(
    database: InMemoryDatabase, store: SqlStore, checks: AnswerValidator
) -> None:
    callbacks = await store.open([factories.request() for _ in range(3)])
    ids = [callback.id for callback in callbacks]

    async with run_services(checks):
        first = await asyncio.gather(*map(checks.terms, ids))
        database.is_available = False
        again = await asyncio.gather(*map(checks.terms, ids))

    assert first == again == [to_terms(callback) for callback in callbacks]


async def test_unknown_callback_has_no_terms_until_it_is_opened(
    store: SqlStore, checks: AnswerValidator
) -> None:
    request = factories.request()

    async with run_services(checks):
        before = await checks.terms(request.id)
        (callback,) = await store.open([request])
        after = await checks.terms(request.id)

    assert (before, after) == (None, to_terms(callback))


async def test_answer_to_callback_that_was_opened_here_needs_no_read(
    database: InMemoryDatabase,
    store: SqlStore,
    activities: FakeActivities,
    clock: ManualClock,
    checks: AnswerValidator,
) -> None:
    ref = factories.activity_ref()
    activities.schedule(ref)
    opening = CallbackOpener(store, store, activities, clock=clock, on_opened=checks.remember)

    async with run_services(opening, checks):
        callback = await opening.open(factories.request(ref=ref))
        database.is_available = False
        terms = await checks.terms(callback.id)

    assert terms == to_terms(callback)


async def test_terms_do_not_fill_the_memory(
    database: InMemoryDatabase, store: SqlStore, checks: AnswerValidator
) -> None:
    (first,) = await store.open([factories.request()])
    others = [replace(first, id=factories.callback_id()) for _ in range(MOST_TERMS)]

    async with run_services(checks):
        await checks.terms(first.id)
        for other in others:
            checks.remember(other)
        database.is_available = False
        known = [await checks.terms(other.id) for other in others]
        with pytest.raises(StoreUnavailableError):
            await checks.terms(first.id)

    assert known == [to_terms(other) for other in others]


async def test_cancel_request_is_checked_in_the_run_after_a_reset(
    checks: AnswerValidator, store: SqlStore, activities: FakeActivities
) -> None:
    ref = factories.activity_ref()
    activities.schedule(ref)
    before = await open_callback(store, activities, ref, follow_reset=True)
    later = replace(ref, run_id="another-run")
    activities.schedule(later)
    activities.request_cancel(later)
    started_at = before.attempt_started_at + timedelta(seconds=1)
    await store.open([
        factories.request(ref=later, attempt=2, attempt_started_at=started_at, follow_reset=True)
    ])

    await checks.check(to_terms(before), Canceled(None))

    assert activities.looks[-1] == [later]


async def test_cancellation_for_an_unknown_callback_is_unknown(
    checks: AnswerValidator, callback: Callback
) -> None:
    terms = replace(to_terms(callback), callback_id=factories.callback_id())

    with pytest.raises(UnknownCallbackError):
        await checks.check(terms, Canceled(None))


async def test_schemas_do_not_fill_the_memory(
    checks: AnswerValidator,
    store: SqlStore,
    database: InMemoryDatabase,
    activities: FakeActivities,
    callback: Callback,
) -> None:
    others = []
    for number in range(MOST_SCHEMAS):
        ref = factories.activity_ref()
        activities.schedule(ref)
        other = await open_callback(store, activities, ref, result_schema=str(number))
        others.append((to_terms(other), Completed(str(number).encode())))
        await checks.check(*others[-1])
        await checks.check(to_terms(callback), Completed(SCHEMA.encode()))
    database.is_available = False

    for known in (*others[1:], (to_terms(callback), Completed(SCHEMA.encode()))):
        await checks.check(*known)
    with pytest.raises(StoreUnavailableError):
        await checks.check(*others[0])


async def test_result_is_not_accepted_while_its_schema_cannot_be_read(
    checks: AnswerValidator, database: InMemoryDatabase, callback: Callback
) -> None:
    database.is_available = False

    with pytest.raises(StoreUnavailableError):
        await checks.check(to_terms(callback), Completed(b"1"))


@pytest.mark.parametrize("outcome", [Failed("no", details=b"[123456]"), Canceled(b"123456")])
async def test_answer_that_temporal_would_cut_is_rejected(
    checks: AnswerValidator,
    activities: FakeActivities,
    callback: Callback,
    outcome: Failed | Canceled,
) -> None:
    activities.largest = 5
    activities.request_cancel(callback.ref)

    with pytest.raises(AnswerTooLargeError):
        await checks.check(to_terms(callback), outcome)


async def test_cancellation_without_a_request_is_rejected(
    checks: AnswerValidator, activities: FakeActivities, callback: Callback
) -> None:
    with pytest.raises(NoCancelRequestedError):
        await checks.check(to_terms(callback), Canceled(None))

    activities.request_cancel(callback.ref)
    await checks.check(to_terms(callback), Canceled(None))
