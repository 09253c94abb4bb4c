"""A gateway reports each step of a callback to the program that runs it, after the commit."""

from collections.abc import Sequence

import pytest

from ringback.core.delivery import Deliverer
from ringback.core.hooks import Hooks
from ringback.core.opening import CallbackOpener
from ringback.core.services import run_services
from ringback.core.verdict_waiter import VerdictWaiter
from ringback.domain.callback import State
from ringback.domain.errors import StoreUnavailableError
from ringback.domain.ids import CallbackId
from ringback.domain.outcome import Completed
from ringback.ports.deliveries import Settlement
from ringback.ports.store import Answer
from ringback.store.sql_store import SqlStore
from ringback.testing import FakeActivities, ManualClock
from ringback.testing.in_memory_database import InMemoryDatabase
from tests import factories
from tests.loops import idle


class Recorder(Hooks):
    """Records what it is called with."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, CallbackId]] = []

    def callback_opened(self, callback_id: CallbackId, *, is_new: bool) -> None:
        self.calls.append(("opened" if is_new else "reopened", callback_id))

    def answers_accepted(self, answers: Sequence[Answer]) -> None:
        self.calls += [("accepted", answer.callback_id) for answer in answers]

    def outcomes_settled(self, settlements: Sequence[Settlement]) -> None:
        self.calls += [(one.verdict.value, one.callback_id) for one in settlements]


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


async def test_hooks_report_opened_accepted_and_applied_once_each(
    store: SqlStore, activities: FakeActivities, clock: ManualClock, recorder: Recorder
) -> None:
    ref = factories.activity_ref()
    activities.schedule(ref)
    opener = CallbackOpener(store, store, activities, clock=clock, hooks=recorder)
    answer_service = factories.answer_service(store, activities, hooks=recorder)
    deliverer = Deliverer(
        *(store, activities, VerdictWaiter(store, clock)),
        clock=clock,
        jitter=lambda: 1.0,
        owner="me",
        hooks=recorder,
    )

    async with run_services(opener, answer_service):
        callback = await opener.open(factories.request(ref=ref))
        await answer_service.accept(callback.id, Completed(b"1"))
        await answer_service.accept(callback.id, Completed(b"1"))
    async with run_services(deliverer):
        await idle()

    assert recorder.calls == [
        ("opened", callback.id),
        ("accepted", callback.id),
        (State.APPLIED.value, callback.id),
    ]


async def test_hooks_report_no_answer_that_could_not_be_stored(
    store: SqlStore,
    database: InMemoryDatabase,
    activities: FakeActivities,
    recorder: Recorder,
) -> None:
    (callback,) = await store.open([factories.request()])
    answer_service = factories.answer_service(store, activities, hooks=recorder)

    async with run_services(answer_service):
        database.is_available = False
        with pytest.raises(StoreUnavailableError):
            await answer_service.accept(callback.id, Completed(b"1"))

    assert recorder.calls == []
