"""The outside is told: at least once, not for ever, and nobody waits for who does not answer."""

import asyncio
import json
import logging
from collections import Counter
from collections.abc import Collection, Sequence
from datetime import timedelta

import pytest

from ringback.core.services import run_services
from ringback.core.webhook_sender import (
    BUDGET,
    FIRST_WAIT,
    HOST_SLOTS,
    LEASE,
    LONGEST_WAIT,
    SLOTS,
    WebhookSender,
)
from ringback.domain.callback import Callback
from ringback.domain.durations import format_instant
from ringback.domain.event import Event, EventKind
from ringback.domain.webhook import Webhook
from ringback.ports.webhooks import (
    Message,
    NotReceived,
    Received,
    Reception,
    Undeliverable,
    WebhookEnd,
)
from ringback.store.sql_store import SqlStore
from ringback.testing import ManualClock
from ringback.testing.in_memory_database import InMemoryDatabase
from tests import factories
from tests.loops import idle

SECOND = timedelta(seconds=1)
URL = "https://outside.example/told?key=hush"


class Outside:
    """Answers what it is told to, and remembers what it got.

    Attributes:
        got: Every message, as often as it came.
        answers: What it answers, one after the other; when they are used up, that it has it.
        dead: With what the addresses begin where nothing is ever answered.
    """

    def __init__(self) -> None:
        self.got: list[Message] = []
        self.answers: list[Reception | Exception] = []
        self.is_listening = asyncio.Event()
        self.is_listening.set()
        self.dead: str | None = None

    async def send(self, message: Message) -> Reception:
        self.got.append(message)
        await self.is_listening.wait()
        if self.dead is not None and message.url.startswith(self.dead):
            await asyncio.Event().wait()
        answer = self.answers.pop(0) if self.answers else Received()
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.fixture
def outside() -> Outside:
    return Outside()


def teller_of(store: SqlStore, outside: Outside, clock: ManualClock) -> WebhookSender:
    return WebhookSender(store, outside, clock=clock, jitter=lambda: 1.0)


@pytest.fixture
def teller(store: SqlStore, outside: Outside, clock: ManualClock) -> WebhookSender:
    return teller_of(store, outside, clock)


async def expired(store: SqlStore, url: str = URL) -> Callback:
    (callback,) = await store.open([factories.request(cancel_url=url)])
    await store.expire([factories.expiry(callback, "timed out")])
    return callback


async def passed(clock: ManualClock, time: timedelta) -> None:
    """Let `time` pass in steps that no wait of the teller's is shorter than."""
    await idle()
    clock.advance(time)
    await idle()


async def told(store: SqlStore, callback: Callback) -> Sequence[Event]:
    kinds = {EventKind.WEBHOOK_DELIVERED, EventKind.WEBHOOK_FAILED}
    return [event for event in await store.events(callback.id) if event.kind in kinds]


async def test_webhook_is_delivered_and_recorded(
    teller: WebhookSender, store: SqlStore, outside: Outside, clock: ManualClock
) -> None:
    callback = await expired(store)

    async with run_services(teller):
        await idle()

    (message,) = outside.got
    assert message.url == URL
    assert json.loads(message.body) == {
        "type": "callback.expired",
        "timestamp": format_instant(clock.now()),
        "data": {"callback": callback.id, "state": "expired", "reason": "timed out"},
    }
    (event,) = await told(store, callback)
    assert event.kind is EventKind.WEBHOOK_DELIVERED


async def test_webhook_of_a_later_event_is_sent_within_a_second(
    teller: WebhookSender, store: SqlStore, outside: Outside, clock: ManualClock
) -> None:
    async with run_services(teller):
        await idle()
        await expired(store)
        await passed(clock, SECOND)

    assert len(outside.got) == 1


async def test_failed_webhook_is_retried_with_backoff_and_the_same_content(
    teller: WebhookSender, store: SqlStore, outside: Outside, clock: ManualClock
) -> None:
    outside.answers = [NotReceived("the receiver returned 500")] * 2
    callback = await expired(store)

    async with run_services(teller):
        await passed(clock, FIRST_WAIT - SECOND / 10)
        too_early = len(outside.got)
        await passed(clock, SECOND / 10)
        await passed(clock, 2 * FIRST_WAIT - SECOND / 10)
        too_early_again = len(outside.got)
        await passed(clock, SECOND / 10)

    assert (too_early, too_early_again, len(outside.got)) == (1, 2, 3)
    assert len(set(outside.got)) == 1
    (event,) = await told(store, callback)
    assert (event.kind, event.facts["tries"]) == (EventKind.WEBHOOK_DELIVERED, 3)


async def test_retry_after_of_the_receiver_is_respected(
    teller: WebhookSender, store: SqlStore, outside: Outside, clock: ManualClock
) -> None:
    outside.answers = [NotReceived("the receiver returned 429", retry_after=timedelta(minutes=2))]
    await expired(store)

    async with run_services(teller):
        await passed(clock, timedelta(minutes=2) - SECOND)
        too_early = len(outside.got)
        await passed(clock, SECOND)

    assert (too_early, len(outside.got)) == (1, 2)


async def test_requested_wait_is_limited(
    teller: WebhookSender, store: SqlStore, outside: Outside, clock: ManualClock
) -> None:
    outside.answers = [NotReceived("the receiver returned 429", retry_after=timedelta(days=999))]
    await expired(store)

    async with run_services(teller):
        await passed(clock, LONGEST_WAIT)

    assert len(outside.got) == 2


async def test_webhook_fails_after_the_budget_with_its_reason(
    teller: WebhookSender, store: SqlStore, outside: Outside, clock: ManualClock
) -> None:
    outside.answers = [NotReceived("the receiver returned 500")] * 1000
    callback = await expired(store)

    async with run_services(teller):
        while not await told(store, callback):
            await passed(clock, timedelta(hours=1))
        tries = len(outside.got)
        await passed(clock, BUDGET)

    (event,) = await told(store, callback)
    assert event.kind is EventKind.WEBHOOK_FAILED
    assert event.facts["reason"] == "the receiver returned 500"
    assert BUDGET <= event.at - callback.opened_at <= BUDGET + LONGEST_WAIT
    assert 20 < tries < 50
    assert len(outside.got) == tries


async def test_undeliverable_webhook_is_not_retried(
    teller: WebhookSender, store: SqlStore, outside: Outside, clock: ManualClock
) -> None:
    outside.answers = [Undeliverable("the receiver returned 410")]
    callback = await expired(store)

    async with run_services(teller):
        await passed(clock, BUDGET)

    assert len(outside.got) == 1
    (event,) = await told(store, callback)
    assert (event.kind, event.facts["reason"]) == (
        EventKind.WEBHOOK_FAILED,
        "the receiver returned 410",
    )


async def test_killed_process_is_followed_by_the_same_message(
    store: SqlStore, database: InMemoryDatabase, outside: Outside, clock: ManualClock
) -> None:
    class Killed(SqlStore):
        async def end_webhooks(self, ends: Sequence[WebhookEnd]) -> None:
            """Keep nothing: the process has ended."""

    dead = Killed(database)
    callback = await expired(store)
    async with run_services(teller_of(dead, outside, clock)):
        await idle()

    async with run_services(teller_of(store, outside, clock)):
        await passed(clock, LEASE - SECOND)
        too_early = len(outside.got)
        await passed(clock, SECOND)

    first, again = outside.got
    assert too_early == 1
    assert first == again
    (event,) = await told(store, callback)
    assert event.kind is EventKind.WEBHOOK_DELIVERED


async def test_two_gateways_send_a_webhook_once(
    store: SqlStore, outside: Outside, clock: ManualClock
) -> None:
    for _ in range(10):
        await expired(store)

    async with run_services(*(teller_of(store, outside, clock) for _ in range(2))):
        await passed(clock, SECOND)

    assert len(outside.got) == len(set(outside.got)) == 10


async def test_slow_receiver_does_not_block_other_receivers(
    teller: WebhookSender, store: SqlStore, outside: Outside, clock: ManualClock
) -> None:
    outside.is_listening.clear()
    await expired(store)

    async with run_services(teller):
        await idle()
        await expired(store)
        await passed(clock, SECOND)
        started = len(outside.got)
        outside.is_listening.set()
        await idle()

    assert started == 2


@pytest.mark.parametrize(
    "url",
    ["https://dead.example/told", "https://dead.example:8443?a", "https://dead.example"],
)
async def test_dead_receiver_does_not_block_other_receivers(
    teller: WebhookSender, store: SqlStore, outside: Outside, clock: ManualClock, url: str
) -> None:
    outside.dead = url
    for _ in range(2 * SLOTS):
        await expired(store, url)
    await expired(store, "https://dead.example.org/told")

    async with run_services(teller):
        await passed(clock, SECOND)
        for _ in range(SLOTS):
            await expired(store)
        await passed(clock, SECOND)

    received = Counter(message.url for message in outside.got)
    assert received == {url: HOST_SLOTS, URL: SLOTS, "https://dead.example.org/told": 1}


async def test_full_origins_do_not_cause_busy_claims(
    database: InMemoryDatabase, outside: Outside, clock: ManualClock
) -> None:
    class Counted(SqlStore):
        claims = 0

        async def claim_webhooks(
            self, *, limit: int, lease: timedelta, excluded: Collection[str] = ()
        ) -> Sequence[Webhook]:
            self.claims += 1
            return await super().claim_webhooks(limit=limit, lease=lease, excluded=excluded)

    counted = Counted(database)
    outside.dead = URL
    for _ in range(SLOTS):
        await expired(counted)

    async with run_services(teller_of(counted, outside, clock)):
        await passed(clock, SECOND)
        before = counted.claims
        await passed(clock, SECOND)

    assert counted.claims == before + 1


async def test_webhooks_in_flight_never_exceed_the_slots(
    teller: WebhookSender, store: SqlStore, outside: Outside, clock: ManualClock
) -> None:
    outside.is_listening.clear()
    await expired(store)

    async with run_services(teller):
        await idle()
        for number in range(SLOTS):
            await expired(store, f"https://outside-{number}.example")
        await passed(clock, SECOND)
        started = len(outside.got)
        outside.is_listening.set()
        await idle()

    assert started == SLOTS
    assert len(outside.got) == SLOTS + 1


async def test_bug_in_the_sender_stops_nothing_and_logs_no_url(
    teller: WebhookSender,
    store: SqlStore,
    outside: Outside,
    clock: ManualClock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    outside.answers = [RuntimeError(URL)]
    callback = await expired(store)

    with caplog.at_level(logging.INFO):
        async with run_services(teller):
            await passed(clock, FIRST_WAIT)

    assert len(outside.got) == 2
    assert [event.kind for event in await told(store, callback)] == [EventKind.WEBHOOK_DELIVERED]
    assert "a bug in Ringback: RuntimeError" in [
        getattr(record, "reason", None) for record in caplog.records
    ]
    assert "hush" not in str([record.__dict__ for record in caplog.records])


async def test_poller_continues_after_an_error_of_the_store(
    teller: WebhookSender,
    store: SqlStore,
    database: InMemoryDatabase,
    outside: Outside,
    clock: ManualClock,
) -> None:
    await expired(store)
    database.is_available = False

    async with run_services(teller):
        await passed(clock, SECOND)
        database.is_available = True
        await passed(clock, SECOND)

    assert len(outside.got) == 1
