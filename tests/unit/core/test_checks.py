"""What Temporal would take and then make harm of is refused before it is accepted."""

import pytest

from ringback.core.checks import MOST_SCHEMAS, Checks
from ringback.domain.callback import Callback
from ringback.domain.errors import (
    AnswerTooLargeError,
    NoCancelRequestedError,
    StoreUnavailableError,
    WrongResultError,
)
from ringback.domain.outcome import Canceled, Completed, Failed
from ringback.domain.terms import terms_of
from ringback.store.sql_store import SqlStore
from ringback.testing import ExactResults, FakeActivities
from ringback.testing.in_memory_database import InMemoryDatabase
from tests import factories
from tests.unit.core.stage import asked

SCHEMA = '{"approved":true}'


@pytest.fixture
def checks(store: SqlStore, activities: FakeActivities) -> Checks:
    return Checks(store, activities, ExactResults())


@pytest.fixture
async def callback(store: SqlStore, activities: FakeActivities) -> Callback:
    ref = factories.activity_ref()
    activities.schedule(ref)
    return await asked(store, activities, ref, result_schema=SCHEMA)


async def test_a_result_of_the_activity_s_type_passes(checks: Checks, callback: Callback) -> None:
    await checks.check(terms_of(callback), Completed(SCHEMA.encode()))


async def test_any_other_result_is_refused_with_where_it_is_wrong(
    checks: Checks, callback: Callback
) -> None:
    with pytest.raises(WrongResultError, match="/a: not") as caught:
        await checks.check(terms_of(callback), Completed(b"1"))

    assert [problem.path for problem in caught.value.problems] == ["/a"]


async def test_no_result_at_all_is_checked_too(checks: Checks, callback: Callback) -> None:
    with pytest.raises(WrongResultError):
        await checks.check(terms_of(callback), Completed(None))


async def test_a_failure_is_no_result(checks: Checks, callback: Callback) -> None:
    await checks.check(terms_of(callback), Failed("no"))


async def test_a_schema_is_read_once(
    checks: Checks, database: InMemoryDatabase, callback: Callback
) -> None:
    await checks.check(terms_of(callback), Completed(SCHEMA.encode()))
    database.is_available = False

    await checks.check(terms_of(callback), Completed(SCHEMA.encode()))


async def test_no_schema_is_checked_within_a_commit(checks: Checks, callback: Callback) -> None:
    terms, right = terms_of(callback), Completed(SCHEMA.encode())
    await checks.check(terms, right)

    assert not checks.check_at_once(terms, right)


async def test_schemas_do_not_fill_the_memory(
    checks: Checks,
    store: SqlStore,
    database: InMemoryDatabase,
    activities: FakeActivities,
    callback: Callback,
) -> None:
    others = []
    for number in range(MOST_SCHEMAS):
        ref = factories.activity_ref()
        activities.schedule(ref)
        other = await asked(store, activities, ref, result_schema=str(number))
        others.append((terms_of(other), Completed(str(number).encode())))
        await checks.check(*others[-1])
        await checks.check(terms_of(callback), Completed(SCHEMA.encode()))
    database.is_available = False

    for known in (*others[1:], (terms_of(callback), Completed(SCHEMA.encode()))):
        await checks.check(*known)
    with pytest.raises(StoreUnavailableError):
        await checks.check(*others[0])


async def test_without_its_schema_a_result_is_not_let_in(
    checks: Checks, database: InMemoryDatabase, callback: Callback
) -> None:
    database.is_available = False

    with pytest.raises(StoreUnavailableError):
        await checks.check(terms_of(callback), Completed(b"1"))


@pytest.mark.parametrize("outcome", [Failed("no", details=b"[123456]"), Canceled(b"123456")])
async def test_what_temporal_would_cut_is_refused(
    checks: Checks, activities: FakeActivities, callback: Callback, outcome: Failed | Canceled
) -> None:
    activities.largest = 5
    activities.request_cancel(callback.ref)

    with pytest.raises(AnswerTooLargeError):
        await checks.check(terms_of(callback), outcome)


async def test_a_cancellation_needs_somebody_who_asked_for_it(
    checks: Checks, activities: FakeActivities, callback: Callback
) -> None:
    with pytest.raises(NoCancelRequestedError):
        await checks.check(terms_of(callback), Canceled(None))

    activities.request_cancel(callback.ref)
    await checks.check(terms_of(callback), Canceled(None))
