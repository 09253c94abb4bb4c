"""Webhooks are delivered at least once, retried for a limited time, and never block one another."""

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
from ringback.domain.audit import AuditEntry, AuditKind
from ringback.domain.callback import Callback
from ringback.domain.durations import format_instant
from ringback.domain.webhook import Webhook
from ringback.ports.webhooks import (
    NotReceived,
    Received,
    Reception,
    Undeliverable,
    WebhookEnd,
    WebhookMessage,
)
from ringback.store.sql_store import SqlStore
from ringback.testing import ManualClock
from ringback.testing.in_memory_database import InMemoryDatabase
from tests import factories
from tests.loops import idle

SECOND = timedelta(seconds=1)
URL = "https://outside.example/hook?key=hush"


class Receiver:
    """Records messages, and answers as the test requires.

    Attributes:
        got: Every message, duplicates included.
        answers: The answers, in order; after them, each message is received.
        dead: The start of URLs that never get an answer.
    """

    def __init__(self) -> None:
        self.got: list[WebhookMessage] = []
        self.answers: list[Reception | Exception] = []
        self.is_listening = asyncio.Event()
        self.is_listening.set()
        self.dead: str | None = None

    async def send(self, message: WebhookMessage) -> Reception:
        self.got.append(message)
        await self.is_listening.wait()
        if self.dead is not None and message.url.startswith(self.dead):
            await asyncio.Event().wait()
        answer = self.answers.pop(0) if self.answers else Received()
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.fixture
def receiver() -> Receiver:
    return Receiver()


def make_webhook_sender(store: SqlStore, receiver: Receiver, clock: ManualClock) -> WebhookSender:
    return WebhookSender(store, receiver, clock=clock, jitter=lambda: 1.0)


@pytest.fixture
def webhook_sender(store: SqlStore, receiver: Receiver, clock: ManualClock) -> WebhookSender:
    return make_webhook_sender(store, receiver, clock)


async def expire_callback(store: SqlStore, url: str = URL) -> Callback:
    (callback,) = await store.open([factories.request(cancel_url=url)])
    await store.expire([factories.expiry(callback, "timed out")])
    return callback


async def pass_time(clock: ManualClock, time: timedelta) -> None:
    """Advance the clock by `time`, in steps shorter than every wait of the sender."""
    await idle()
    clock.advance(time)
    await idle()


async def delivered(store: SqlStore, callback: Callback) -> Sequence[AuditEntry]:
    kinds = {AuditKind.WEBHOOK_DELIVERED, AuditKind.WEBHOOK_FAILED}
    return [entry for entry in await store.audit_trail(callback.id) if entry.kind in kinds]


async def test_webhook_is_delivered_and_recorded(
    webhook_sender: WebhookSender, store: SqlStore, receiver: Receiver, clock: ManualClock
) -> None:
    callback = await expire_callback(store)

    async with run_services(webhook_sender):
        await idle()

    (message,) = receiver.got
    assert message.url == URL
    assert json.loads(message.body) == {
        "type": "callback.expired",
        "timestamp": format_instant(clock.now()),
        "data": {"callback": callback.id, "state": "expired", "reason": "timed out"},
    }
    (entry,) = await delivered(store, callback)
    assert entry.kind is AuditKind.WEBHOOK_DELIVERED


async def test_webhook_of_a_later_entry_is_sent_within_a_second(
    webhook_sender: WebhookSender, store: SqlStore, receiver: Receiver, clock: ManualClock
) -> None:
    async with run_services(webhook_sender):
        await idle()
        await expire_callback(store)
        await pass_time(clock, SECOND)

    assert len(receiver.got) == 1


async def test_failed_webhook_is_retried_with_backoff_and_the_same_content(
    webhook_sender: WebhookSender, store: SqlStore, receiver: Receiver, clock: ManualClock
) -> None:
    receiver.answers = [NotReceived("the receiver returned 500")] * 2
    callback = await expire_callback(store)

    async with run_services(webhook_sender):
        await pass_time(clock, FIRST_WAIT - SECOND / 10)
        too_early = len(receiver.got)
        await pass_time(clock, SECOND / 10)
        await pass_time(clock, 2 * FIRST_WAIT - SECOND / 10)
        too_early_again = len(receiver.got)
        await pass_time(clock, SECOND / 10)

    assert (too_early, too_early_again, len(receiver.got)) == (1, 2, 3)
    assert len(set(receiver.got)) == 1
    (entry,) = await delivered(store, callback)
    assert (entry.kind, entry.facts["tries"]) == (AuditKind.WEBHOOK_DELIVERED, 3)


async def test_retry_after_of_the_receiver_is_respected(
    webhook_sender: WebhookSender, store: SqlStore, receiver: Receiver, clock: ManualClock
) -> None:
    receiver.answers = [NotReceived("the receiver returned 429", retry_after=timedelta(minutes=2))]
    await expire_callback(store)

    async with run_services(webhook_sender):
        await pass_time(clock, timedelta(minutes=2) - SECOND)
        too_early = len(receiver.got)
        await pass_time(clock, SECOND)

    assert (too_early, len(receiver.got)) == (1, 2)


async def test_requested_wait_is_limited(
    webhook_sender: WebhookSender, store: SqlStore, receiver: Receiver, clock: ManualClock
) -> None:
    receiver.answers = [NotReceived("the receiver returned 429", retry_after=timedelta(days=999))]
    await expire_callback(store)

    async with run_services(webhook_sender):
        await pass_time(clock, LONGEST_WAIT)

    assert len(receiver.got) == 2


async def test_webhook_fails_after_the_budget_with_its_reason(
    webhook_sender: WebhookSender, store: SqlStore, receiver: Receiver, clock: ManualClock
) -> None:
    receiver.answers = [NotReceived("the receiver returned 500")] * 1000
    callback = await expire_callback(store)

    async with run_services(webhook_sender):
        while not await delivered(store, callback):
            await pass_time(clock, timedelta(hours=1))
        tries = len(receiver.got)
        await pass_time(clock, BUDGET)

    (entry,) = await delivered(store, callback)
    assert entry.kind is AuditKind.WEBHOOK_FAILED
    assert entry.facts["reason"] == "the receiver returned 500"
    assert BUDGET <= entry.at - callback.opened_at <= BUDGET + LONGEST_WAIT
    assert 20 < tries < 50
    assert len(receiver.got) == tries


async def test_undeliverable_webhook_is_not_retried(
    webhook_sender: WebhookSender, store: SqlStore, receiver: Receiver, clock: ManualClock
) -> None:
    receiver.answers = [Undeliverable("the receiver returned 410")]
    callback = await expire_callback(store)

    async with run_services(webhook_sender):
        await pass_time(clock, BUDGET)

    assert len(receiver.got) == 1
    (entry,) = await delivered(store, callback)
    assert (entry.kind, entry.facts["reason"]) == (
        AuditKind.WEBHOOK_FAILED,
        "the receiver returned 410",
    )


async def test_killed_process_is_followed_by_the_same_message(
    store: SqlStore, database: InMemoryDatabase, receiver: Receiver, clock: ManualClock
) -> None:
    class Killed(SqlStore):
        async def end_webhooks(self, ends: Sequence[WebhookEnd]) -> None:
            """Keep nothing: the process has ended."""

    dead = Killed(database)
    callback = await expire_callback(store)
    async with run_services(make_webhook_sender(dead, receiver, clock)):
        await idle()

    async with run_services(make_webhook_sender(store, receiver, clock)):
        await pass_time(clock, LEASE - SECOND)
        too_early = len(receiver.got)
        await pass_time(clock, SECOND)

    first, again = receiver.got
    assert too_early == 1
    assert first == again
    (entry,) = await delivered(store, callback)
    assert entry.kind is AuditKind.WEBHOOK_DELIVERED


async def test_two_gateways_send_a_webhook_once(
    store: SqlStore, receiver: Receiver, clock: ManualClock
) -> None:
    for _ in range(10):
        await expire_callback(store)

    async with run_services(*(make_webhook_sender(store, receiver, clock) for _ in range(2))):
        await pass_time(clock, SECOND)

    assert len(receiver.got) == len(set(receiver.got)) == 10


async def test_slow_receiver_does_not_block_other_receivers(
    webhook_sender: WebhookSender, store: SqlStore, receiver: Receiver, clock: ManualClock
) -> None:
    receiver.is_listening.clear()
    await expire_callback(store)

    async with run_services(webhook_sender):
        await idle()
        await expire_callback(store)
        await pass_time(clock, SECOND)
        started = len(receiver.got)
        receiver.is_listening.set()
        await idle()

    assert started == 2


@pytest.mark.parametrize(
    "url",
    ["https://dead.example/hook", "https://dead.example:8443?a", "https://dead.example"],
)
async def test_dead_receiver_does_not_block_other_receivers(
    webhook_sender: WebhookSender, store: SqlStore, receiver: Receiver, clock: ManualClock, url: str
) -> None:
    receiver.dead = url
    for _ in range(2 * SLOTS):
        await expire_callback(store, url)
    await expire_callback(store, "https://dead.example.org/hook")

    async with run_services(webhook_sender):
        await pass_time(clock, SECOND)
        for _ in range(SLOTS):
            await expire_callback(store)
        await pass_time(clock, SECOND)

    received = Counter(message.url for message in receiver.got)
    assert received == {url: HOST_SLOTS, URL: SLOTS, "https://dead.example.org/hook": 1}


async def test_full_origins_do_not_cause_busy_claims(
    database: InMemoryDatabase, receiver: Receiver, clock: ManualClock
) -> None:
    class Counted(SqlStore):
        claims = 0

        async def claim_webhooks(
            self, *, limit: int, lease: timedelta, excluded: Collection[str] = ()
        ) -> Sequence[Webhook]:
            self.claims += 1
            return await super().claim_webhooks(limit=limit, lease=lease, excluded=excluded)

    counted = Counted(database)
    receiver.dead = URL
    for _ in range(SLOTS):
        await expire_callback(counted)

    async with run_services(make_webhook_sender(counted, receiver, clock)):
        await pass_time(clock, SECOND)
        before = counted.claims
        await pass_time(clock, SECOND)

    assert counted.claims == before + 1


async def test_webhooks_in_flight_never_exceed_the_slots(
    webhook_sender: WebhookSender, store: SqlStore, receiver: Receiver, clock: ManualClock
) -> None:
    receiver.is_listening.clear()
    await expire_callback(store)

    async with run_services(webhook_sender):
        await idle()
        for number in range(SLOTS):
            await expire_callback(store, f"https://receiver-{number}.example")
        await pass_time(clock, SECOND)
        started = len(receiver.got)
        receiver.is_listening.set()
        await idle()

    assert started == SLOTS
    assert len(receiver.got) == SLOTS + 1


async def test_bug_in_the_sender_stops_nothing_and_logs_no_url(
    webhook_sender: WebhookSender,
    store: SqlStore,
    receiver: Receiver,
    clock: ManualClock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    receiver.answers = [RuntimeError(URL)]
    callback = await expire_callback(store)

    with caplog.at_level(logging.INFO):
        async with run_services(webhook_sender):
            await pass_time(clock, FIRST_WAIT)

    assert len(receiver.got) == 2
    assert [entry.kind for entry in await delivered(store, callback)] == [
        AuditKind.WEBHOOK_DELIVERED
    ]
    assert "a bug in Ringback: RuntimeError" in [
        getattr(record, "reason", None) for record in caplog.records
    ]
    assert "hush" not in str([record.__dict__ for record in caplog.records])


async def test_poller_continues_after_an_error_of_the_store(
    webhook_sender: WebhookSender,
    store: SqlStore,
    database: InMemoryDatabase,
    receiver: Receiver,
    clock: ManualClock,
) -> None:
    await expire_callback(store)
    database.is_available = False

    async with run_services(webhook_sender):
        await pass_time(clock, SECOND)
        database.is_available = True
        await pass_time(clock, SECOND)

    assert len(receiver.got) == 1
