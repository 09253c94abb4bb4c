"""Batches of answers: each is judged on its own."""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime

import pytest

from ringback.core.answers import MOST_AT_ONCE, AnswerService, SentAnswer, answer_many
from ringback.core.receipt import Receipt
from ringback.core.services import run_services
from ringback.domain.activity_state import Pending
from ringback.domain.callback import ActivityExecution, State
from ringback.domain.errors import StoreUnavailableError, UnknownCallbackError
from ringback.domain.outcome import Canceled, Completed
from ringback.ports.store import Answer
from ringback.store.sql_store import SqlStore
from ringback.testing import FakeActivities
from ringback.testing.in_memory_database import InMemoryDatabase
from tests import factories
from tests.loops import idle


@pytest.fixture
async def answer_service(
    store: SqlStore, activities: FakeActivities
) -> AsyncIterator[AnswerService]:
    answer_service = factories.answer_service(store, activities)
    async with run_services(answer_service):
        yield answer_service


async def test_rejected_answer_does_not_affect_the_others(
    answer_service: AnswerService, store: SqlStore
) -> None:
    (callback,) = await store.open([factories.request()])
    answers = [
        SentAnswer(factories.callback_id(), Completed(b"1")),
        SentAnswer(callback.id, Completed(b"1")),
    ]

    unknown, receipt = await answer_many(answer_service, answers)

    assert isinstance(unknown, UnknownCallbackError)
    assert isinstance(receipt, Receipt)
    assert receipt.state is State.ACCEPTED


async def test_each_answer_gets_an_error_while_the_store_is_away(
    answer_service: AnswerService, database: InMemoryDatabase
) -> None:
    database.is_available = False

    (results,) = await answer_many(
        answer_service, [SentAnswer(factories.callback_id(), Completed(None))]
    )

    assert isinstance(results, StoreUnavailableError)


class StoreWithAMistake(SqlStore):
    """A store with a bug: it raises an unexpected exception."""

    async def accept(self, answers: Sequence[Answer]) -> Sequence[datetime | None]:
        raise ZeroDivisionError(answers)


async def test_bug_is_raised_and_not_returned_as_a_result(
    database: InMemoryDatabase, activities: FakeActivities
) -> None:
    store = StoreWithAMistake(database)
    (callback,) = await store.open([factories.request()])
    answer_service = factories.answer_service(store, activities)

    with pytest.raises(ZeroDivisionError):
        async with run_services(answer_service):
            await answer_many(answer_service, [SentAnswer(callback.id, Completed(None))])


async def test_answers_in_progress_never_exceed_the_maximum(
    answer_service: AnswerService, store: SqlStore, activities: FakeActivities
) -> None:
    requests = [factories.request(ref=factories.activity_ref()) for _ in range(3 * MOST_AT_ONCE)]
    callbacks = await store.open(requests)
    under_way: list[int] = [0]
    look = activities.poll

    async def slow(refs: Sequence[ActivityExecution]) -> Sequence[Pending | None]:
        under_way.append(under_way[-1] + 1)
        await idle()
        under_way.append(under_way[-1] - 1)
        return await look(refs)

    activities.poll = slow  # type: ignore[method-assign]  # it is slower, and the same

    results = await answer_many(
        answer_service, [SentAnswer(one.id, Canceled(None)) for one in callbacks]
    )

    assert len(results) == len(callbacks)
    assert 1 < max(under_way) <= MOST_AT_ONCE
