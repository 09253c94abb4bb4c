"""Services report what they did to the hooks, with a name for the result."""

from collections.abc import Sequence
from typing import Any, Final

import pytest

from ringback.app.container import Parts
from ringback.core.group_commit import GroupCommit
from ringback.core.hooks import Hooks
from ringback.core.services import run_services
from ringback.core.webhook_sender import LONGEST_WAIT, WebhookSender
from ringback.domain.errors import StoreUnavailableError
from ringback.domain.event import EventState
from ringback.domain.policy import Policy
from ringback.ports.events import NewEvent
from ringback.ports.webhooks import NotReceived, Undeliverable
from ringback.store.sql_store import SqlStore
from ringback.testing import FakeActivities, ManualClock
from tests import factories
from tests.contract.events import RUN, delivery, event
from tests.fake_edges import fake_edges
from tests.loops import idle
from tests.unit.core.callbacks import open_callback
from tests.unit.core.queue_house import consuming
from tests.unit.core.test_webhook_sender import Receiver, expire_callback, pass_time

EVENTS: Final = frozenset({
    *("poll_ended", "webhook_ended", "queue_message_ended", "queue_changed", "commit_ended"),
    "event_dead",
})


class Recorder(Hooks):
    """Records the arguments of some events."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []

    def __getattribute__(self, name: str) -> Any:
        if name not in EVENTS:
            return super().__getattribute__(name)
        return lambda *args, **more: self.calls.append((name, *args, *more.values()))

    def of(self, name: str) -> list[tuple[Any, ...]]:
        return [call[1:] for call in self.calls if call[0] == name]


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


async def test_each_try_of_a_webhook_is_reported(
    store: SqlStore, clock: ManualClock, recorder: Recorder
) -> None:
    receiver = Receiver()
    receiver.answers = [NotReceived("HTTP 500"), Undeliverable("HTTP 410")]
    sender = WebhookSender(store, receiver, clock=clock, jitter=lambda: 1.0, hooks=recorder)
    await expire_callback(store)

    async with run_services(sender):
        await pass_time(clock, LONGEST_WAIT)
        await expire_callback(store)
        await pass_time(clock, LONGEST_WAIT)

    assert recorder.of("webhook_ended") == [("retrying",), ("failed",), ("delivered",)]


async def test_messages_of_a_queue_are_reported_by_what_became_of_them(
    clock: ManualClock, recorder: Recorder
) -> None:
    async with consuming(clock, is_trusted=True, hooks=recorder) as house:
        house.broker.publish(b"1", key="m1", ringback_alias="a")
        house.broker.publish(b"1", key="m1", ringback_alias="a")
        house.broker.publish(b"1", key="m2", ringback_link="nonsense")
        await idle()

    results = sorted(result for _, result in recorder.of("queue_message_ended"))
    assert results == ["dead", "duplicate", "stored"]
    assert [is_up for _, is_up in recorder.of("queue_changed")] == [False, True]


async def test_events_that_cannot_be_used_are_reported_at_once_or_when_a_callback_refuses(
    store: SqlStore, activities: FakeActivities, clock: ManualClock, recorder: Recorder
) -> None:
    parts = Parts(fake_edges(store, activities, clock, hooks=recorder))
    ref = factories.activity_ref()
    activities.schedule(ref)
    policy = Policy(assignees=("user:ada",))
    await open_callback(store, activities, ref, aliases=(RUN,), policy=policy)

    async with run_services(parts.answer_service, parts.event_service):
        for _ in range(2):
            dead = NewEvent(factories.event_id(), EventState.DEAD, reason="no JSON")
            await parts.event_service.store(delivery(dead, event(None)))
        before = recorder.of("event_dead")
        await parts.event_service.store(delivery(event(body=b'{"approved": true}'), key="d2"))
        await idle()

    assert (before, recorder.of("event_dead")) == ([("github",)], [("github",)] * 2)


async def test_polled_runs_are_reported_and_failed_ones_too(
    store: SqlStore, activities: FakeActivities, clock: ManualClock, recorder: Recorder
) -> None:
    (callback,) = await store.open([factories.request()])
    activities.schedule(callback.ref)
    poller = Parts(fake_edges(store, activities, clock, hooks=recorder)).poller

    for is_reachable in (True, False):
        activities.is_reachable = is_reachable
        clock.advance(LONGEST_WAIT)
        await poller.poll()

    assert recorder.of("poll_ended") == [("polled",), ("failed",)]


async def test_commit_is_reported_with_its_size_whether_it_succeeds_or_not(
    recorder: Recorder,
) -> None:
    async def commit(items: Sequence[int]) -> Sequence[int]:
        if 0 in items:
            msg = "the test made it unavailable"
            raise StoreUnavailableError(msg)
        return items

    commits: GroupCommit[int, int] = GroupCommit(commit, kind="answers", hooks=recorder)

    async with run_services(commits):
        assert await commits.submit(1) == 1
        with pytest.raises(StoreUnavailableError):
            await commits.submit(0)

    assert [call[:2] for call in recorder.of("commit_ended")] == [("answers", 1), ("answers", 1)]
    assert all(seconds >= 0 for _, _, seconds in recorder.of("commit_ended"))
