"""The contract of every store for polls of senders."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from ringback.domain.audit import AuditKind
from ringback.domain.callback import Callback
from ringback.domain.deadlines import POLL_GRACE, SenderPoll
from ringback.domain.ids import CallbackId
from ringback.domain.outcome import Completed
from ringback.domain.polling import (
    PollingStopped,
    PollProgress,
    PollReport,
    PollStep,
)
from ringback.testing import ManualClock
from tests import factories
from tests.contract.stores import LEASE, SECOND, Store, found, kinds

MINUTE = timedelta(minutes=1)


async def open_polled(store: Store, *, is_submitted: bool = True, **options: Any) -> Callback:
    request = factories.request(poll=True, **{"poll_every": MINUTE, **options})
    (callback,) = await store.open([request])
    if is_submitted:
        await store.mark_submitted([callback.id])
    return await found(store, callback.id)


async def claimed(store: Store, limit: int = 10) -> list[CallbackId]:
    return [one.id for one in await store.claim_sender_polls(limit=limit, lease=LEASE)]


def progress(of: Callback, step: PollStep) -> PollProgress:
    return PollProgress(of.id, of.attempt_started_at, step)


class SenderPollsContract:
    async def test_sender_is_polled_when_it_is_due_and_submitted(
        self, store: Store, clock: ManualClock
    ) -> None:
        callback = await open_polled(store)
        await open_polled(store, is_submitted=False)
        await open_polled(store, poll_every=2 * MINUTE)
        early = await claimed(store)
        clock.advance(MINUTE)

        assert early == []
        assert await claimed(store) == [callback.id]

    async def test_claimed_poll_of_a_sender_is_claimed_again_after_its_lease(
        self, store: Store, clock: ManualClock
    ) -> None:
        callback = await open_polled(store)
        clock.advance(MINUTE)
        await claimed(store)
        clock.advance(LEASE - SECOND)
        nothing = await claimed(store)
        clock.advance(SECOND)

        assert nothing == []
        assert await claimed(store) == [callback.id]

    async def test_longest_due_polls_of_senders_are_claimed_first(
        self, store: Store, clock: ManualClock
    ) -> None:
        late = await open_polled(store, poll_every=2 * MINUTE)
        early = await open_polled(store)
        clock.advance(3 * MINUTE)

        assert await claimed(store, limit=1) == [early.id]
        assert await claimed(store, limit=1) == [late.id]

    async def test_answered_or_expired_callback_has_no_poll_of_its_sender(
        self, store: Store, clock: ManualClock
    ) -> None:
        answered, expired = [await open_polled(store) for _ in range(2)]
        await store.accept([factories.answer(answered.id, Completed(b"1"))])
        await store.expire([factories.expiry(expired)])
        clock.advance(MINUTE)

        assert await claimed(store) == []
        assert (await found(store, answered.id)).sender_poll.due_at is None

    async def test_steps_of_a_poll_are_stored(self, store: Store, clock: ManualClock) -> None:
        callback = await open_polled(store)
        clock.advance(MINUTE)

        await store.save_sender_polls([progress(callback, PollStep.REQUESTED)])
        await store.save_sender_polls([progress(callback, PollStep.SENT)])

        now = callback.opened_at + MINUTE
        assert (await found(store, callback.id)).sender_poll == SenderPoll(now + MINUTE, now)
        assert (await kinds(store, callback.id))[-1] is AuditKind.POLL_REQUESTED

    async def test_later_attempt_ends_the_steps_of_the_one_before(
        self, store: Store, clock: ManualClock
    ) -> None:
        callback = await open_polled(store)
        clock.advance(MINUTE)
        await store.save_sender_polls([progress(callback, PollStep.REQUESTED)])
        request = factories.request(ref=callback.ref, attempt=2, poll=True, poll_every=MINUTE)
        await store.open([request])

        await store.save_sender_polls([progress(callback, PollStep.POSTPONED)])
        await store.save_sender_polls([PollReport(callback.id, 2, "not yet")])

        now = callback.opened_at + MINUTE
        assert (await found(store, callback.id)).sender_poll == SenderPoll(now + MINUTE)
        assert (await kinds(store, callback.id))[-1] is AuditKind.POLLED

    async def test_default_is_due_at_its_deadline_once_polling_has_stopped(
        self, store: Store, clock: ManualClock
    ) -> None:
        callback = await open_polled(store, deadline=MINUTE)
        other = await open_polled(store, deadline=MINUTE)
        stopped = PollingStopped(callback.id, callback.attempt_started_at, "no attempt is left")
        await store.save_sender_polls([stopped])
        clock.advance(MINUTE)
        at_once = await store.accept_defaults([callback.id, other.id], factories.outcome_id)
        clock.advance(POLL_GRACE)
        after_grace = await store.accept_defaults([other.id], factories.outcome_id)

        assert list(at_once) == [callback.id]
        assert list(after_grace) == [other.id]

    async def test_extended_deadline_has_a_poll_of_its_own(
        self, store: Store, clock: ManualClock
    ) -> None:
        callback = await open_polled(store, deadline=MINUTE, poll_every=None)
        clock.advance(MINUTE)
        await store.save_sender_polls([progress(callback, PollStep.REQUESTED)])
        await store.save_sender_polls([PollReport(callback.id, 1, "not yet")])

        extension = await store.extend(callback.id, 2 * MINUTE)

        assert extension.was_extended
        due_at = callback.opened_at + 3 * MINUTE
        assert (await found(store, callback.id)).sender_poll == SenderPoll(due_at)

    async def test_report_of_an_unknown_callback_is_ignored(self, store: Store) -> None:
        unknown: Sequence[PollReport] = [PollReport(factories.callback_id(), 1, "not yet")]

        await store.save_sender_polls(unknown)
