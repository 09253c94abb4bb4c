"""Delivery: deliver accepted outcomes to Temporal, and find out how each ended."""

import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import timedelta
from functools import partial
from typing import Final

from ringback.core.delivery_failures import (
    compute_wait,
    describe_failure,
    must_park,
)
from ringback.core.delivery_pacer import MOST, DeliveryPacer
from ringback.core.group_commit import GroupCommit, acknowledged
from ringback.core.health_checks import MisconfigurationLog
from ringback.core.hooks import NO_HOOKS, Hooks
from ringback.core.resume import RESUME, waits_to_resume
from ringback.core.services import OutageLog, TaskPool, caught, run_services, task_group
from ringback.core.spans import Fact
from ringback.core.verdict_waiter import VerdictWaiter
from ringback.core.verdicts import (
    is_attempt_of_token,
    judge,
    may_be_delivered,
    may_send_by_token,
    resolve,
)
from ringback.domain.activity_state import Pending, only_pending
from ringback.domain.callback import Accepted, Callback, State
from ringback.domain.errors import (
    ActivityGoneError,
    RingbackError,
    TemporalMisconfiguredError,
    TemporalUnreachableError,
)
from ringback.domain.ids import to_identity, to_resume_identity
from ringback.domain.outcome import Canceled
from ringback.ports.activities import Activities
from ringback.ports.clock import Clock
from ringback.ports.deliveries import DeliveryQueue, Postponement, Settlement

logger = logging.getLogger(__name__)

MAX_UNSETTLED: Final = 2 * MOST
"""Maximum deliveries in progress whose verdict is not committed."""

LEASE: Final = timedelta(seconds=15)
"""How long no other process delivers a claimed outcome, normally longer than a delivery takes.

If a delivery takes longer, two processes may deliver the outcome. They use one identity, so it
counts once.
"""


class Deliverer:
    """Claims accepted outcomes, delivers each to Temporal, and settles it.

    It may be killed at any moment. Then another process claims the outcome when the lease ends, and
    the identity in Temporal's history shows whether it was applied.
    """

    def __init__(
        self,
        queue: DeliveryQueue,
        activities: Activities,
        verdicts: VerdictWaiter,
        *,
        clock: Clock,
        jitter: Callable[[], float],
        owner: str,
        hooks: Hooks = NO_HOOKS,
    ) -> None:
        """Deliver from `queue` to `activities` as `owner`; announce each verdict to `verdicts`."""
        self._hooks = hooks
        self._queue = queue
        self._activities = activities
        self._verdicts = verdicts
        self._clock = clock
        self._jitter = jitter
        self._owner = owner
        self._pacer = DeliveryPacer(clock, jitter)
        self._outages = OutageLog(logger, "claim outcomes")
        self._misconfiguration = MisconfigurationLog(clock)
        self._settling = GroupCommit(
            acknowledged(self._settle_many),
            gather=self._pacer.gather,
            kind="settlements",
            hooks=hooks,
        )
        self._postponing = GroupCommit(acknowledged(queue.postpone))

    @property
    def is_misconfigured(self) -> bool:
        """Whether a delivery recently met a wrong Temporal server, or one that rejects it."""
        return self._misconfiguration.lasts

    def wake(self) -> None:
        """Deliver soon, since an outcome was accepted in this process."""
        self._pacer.wake()

    async def run(self) -> None:
        """Deliver until canceled; then release what was claimed."""
        try:
            async with run_services(self._settling, self._postponing), task_group() as group:
                await self._deliver_with(TaskPool(group, MAX_UNSETTLED))
        finally:
            # Without it, the claims end with their leases.
            with suppress(RingbackError):
                await self._queue.release(self._owner)

    async def _deliver_with(self, pool: TaskPool) -> None:
        while True:
            self._pacer.woken.clear()
            if self._pacer.is_worth_a_claim and await self._start_as_many_as_fit(pool):
                continue
            await self._pacer.rest(self._queue.next_due, is_store_away=self._outages.lasts)

    async def _start_as_many_as_fit(self, pool: TaskPool) -> bool:
        """Return whether more may be due than were started."""
        limit = self._pacer.begin_claim(pool.free)
        if limit == 0:
            return False
        most_bytes = self._pacer.most_bytes
        claim = self._queue.claim(self._owner, limit=limit, lease=LEASE, most_bytes=most_bytes)
        due = await caught(claim)
        self._outages.record(due)
        if isinstance(due, Exception):
            return False
        for callback in due:
            delivery = pool.start(self._deliver(callback), name=f"delivery of {callback.id}")
            delivery.add_done_callback(partial(self._pacer.end_delivery, callback))
        return self._pacer.begin_deliveries(due, limit=limit)

    async def _deliver(self, callback: Callback) -> None:
        accepted = callback.accepted
        assert accepted is not None, "only accepted outcomes are due"
        facts: dict[str, Fact] = {
            "ringback.callback_id": callback.id,
            "ringback.tries": accepted.tries,
            "ringback.accepted_at": accepted.accepted_at.isoformat(),
        }
        with self._hooks.tracer.span("deliver", links=(callback.traceparent,), facts=facts) as span:
            verdict = await self._deliver_once(callback, accepted)
            ended = "postponed" if verdict is None else verdict.verdict.value
            span.note({"ringback.verdict": ended})
            if verdict is None or verdict.verdict is State.PARKED:
                span.fail(ended)

    async def _deliver_once(self, callback: Callback, accepted: Accepted) -> Settlement | None:
        """Deliver, and settle the verdict; without one, postpone the delivery and return `None`."""
        ended = await caught(self._encode_and_send(callback, accepted))
        if isinstance(ended, TemporalMisconfiguredError):
            self._misconfiguration.record(ended)
        if isinstance(ended, Settlement):
            verdict = ended
        elif must_park(accepted, ended, self._clock.now()):
            proof: dict[str, object] = {"reason": describe_failure(ended)}
            verdict = Settlement(callback.id, accepted.tries, State.PARKED, proof)
        else:
            # If its slot were free before that, a busy Temporal would get other deliveries.
            with self._pacer.slot():
                await self._postpone(callback, accepted, ended)
            # Its retry may be due before anything else.
            self._pacer.woken.set()
            return None
        await self._settling.submit(verdict)
        if verdict.verdict is State.APPLIED:
            self._hooks.outcome_applied(self._clock.now() - accepted.accepted_at)
        return verdict

    async def _encode_and_send(
        self, callback: Callback, accepted: Accepted
    ) -> Settlement | Pending | None:
        try:
            outcome = RESUME if callback.is_resumed else accepted.outcome
            encoded = await self._activities.encode(callback, outcome)
        finally:
            self._pacer.end_encoding(callback.id)
        with self._pacer.slot(), self._pacer.request():
            return await self._send(callback, accepted, encoded)

    async def _send(
        self, callback: Callback, accepted: Accepted, encoded: object
    ) -> Settlement | Pending | None:
        """Deliver, and return the verdict.

        Without one, return the activity's pending state, or `None` if Temporal does not know it.
        """
        if callback.is_resumed:
            return await self._resume(callback, accepted, encoded)
        if may_send_by_token(callback, accepted):
            send = partial(self._activities.deliver_to_attempt, callback, encoded)
            # Gone: this outcome or something else ended the attempt, or an operator reset it.
            with suppress(ActivityGoneError):
                return await self._end(send, callback, accepted)
        return await self._resolve_and_send(callback, accepted, encoded)

    async def _resolve_and_send(
        self, callback: Callback, accepted: Accepted, encoded: object
    ) -> Settlement | Pending | None:
        resolved_at = self._clock.monotonic()
        there, found = await resolve(self._activities, callback)
        accepted = there.accepted or accepted
        if not may_be_delivered(callback, accepted, found):
            return judge(callback, accepted, found) or only_pending(found)
        self._check_lease(resolved_at)
        # Ids may now belong to another attempt or, if the workflow chose them, to another activity.
        # The token belongs to one attempt only.
        by_token = is_attempt_of_token(callback, found)
        send = self._activities.deliver_to_attempt if by_token else self._activities.deliver
        try:
            return await self._end(partial(send, there, encoded), there, accepted)
        except ActivityGoneError:
            there, found = await resolve(self._activities, callback)
            return judge(callback, there.accepted or accepted, found) or only_pending(found)

    async def _resume(
        self, callback: Callback, accepted: Accepted, encoded: object
    ) -> Settlement | Pending | None:
        """End the attempt that waits, so that the next one receives the outcome inline.

        Temporal gives no further attempt to an activity that was asked to cancel, so that one ends
        as canceled.
        """
        resolved_at = self._clock.monotonic()
        there, found = await resolve(self._activities, callback)
        verdict = judge(callback, accepted, found)
        if verdict is not None or not isinstance(found, Pending):
            return verdict
        if not waits_to_resume(callback, accepted, found):
            return found
        if found.cancel_requested:
            encoded = await self._activities.encode(callback, Canceled(None))
        self._check_lease(resolved_at)
        # After an operator's reset the attempt runs on, and its token is dead.
        by_token = is_attempt_of_token(callback, found)
        send = self._activities.deliver_to_attempt if by_token else self._activities.deliver
        with suppress(ActivityGoneError):
            await send(there, encoded, identity=to_resume_identity(accepted.id))
        there, found = await resolve(self._activities, callback)
        return judge(callback, accepted, found) or only_pending(found)

    def _check_lease(self, resolved_at: timedelta) -> None:
        if self._clock.monotonic() - resolved_at >= LEASE:
            msg = "this process was paused, and another may have claimed the outcome"
            raise TemporalUnreachableError(msg)

    async def _end(
        self, send: Callable[..., Awaitable[None]], callback: Callback, accepted: Accepted
    ) -> Settlement:
        identity = to_identity(accepted.id)
        await send(identity=identity)
        return Settlement(callback.id, accepted.tries, State.APPLIED, {"by": identity})

    async def _postpone(
        self, callback: Callback, accepted: Accepted, ended: Exception | Pending | None
    ) -> None:
        reason = describe_failure(ended)
        wait = compute_wait(accepted.tries, ended, jitter=self._jitter())
        facts = {"callback_id": callback.id, "tries": accepted.tries, "reason": reason}
        logger.info("delivery postponed", extra=facts)
        is_not_applied = isinstance(ended, Pending)
        await self._postponing.submit(
            Postponement(callback.id, accepted.tries, wait, reason, is_not_applied)
        )
        self._hooks.delivery_postponed()

    async def _settle_many(self, settlements: Sequence[Settlement]) -> None:
        await self._queue.settle(settlements)
        for verdict in {one.verdict for one in settlements}:
            ids = " ".join(one.callback_id for one in settlements if one.verdict is verdict)
            facts = {"verdict": verdict.value, "callback_ids": ids}
            if verdict is State.PARKED:
                logger.warning("outcomes parked", extra=facts)
            else:
                logger.info("outcomes settled", extra=facts)
        self._verdicts.announce([settlement.callback_id for settlement in settlements])
        self._hooks.outcomes_settled(settlements)
