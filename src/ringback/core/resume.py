"""Resume: an activity continues behind its wait, in a new attempt, with the accepted outcome.

1. The deliverer ends the attempt that waits with `RESUME`, a retryable failure.
2. The next attempt opens the callback and receives the outcome inline.
3. It confirms that it continues, which makes the outcome applied, and then runs its own code.

The deliverer never ends an attempt that received the outcome. If the activity ends before an
attempt confirmed, the outcome is superseded: no code has used it.
"""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Final

from ringback.core.hooks import Hooks
from ringback.core.verdicts import is_opener
from ringback.domain.activity_state import Pending
from ringback.domain.callback import Accepted, Callback, State
from ringback.domain.errors import ActivityGoneError, TemporalUnreachableError
from ringback.domain.ids import CallbackId
from ringback.domain.outcome import RESUME_TYPE, Failed
from ringback.ports.activities import Activities
from ringback.ports.clock import Clock
from ringback.ports.deliveries import DeliveryQueue, Settlement
from ringback.ports.store import CallbackStore

RESUME: Final = Failed(
    "the answer has arrived: the activity continues in the next attempt",
    type=RESUME_TYPE,
    next_retry_delay=timedelta(0),
)
"""The failure that ends an attempt that waits. The next one starts after about a second.

Observed on server 1.32: no delay, unpause or reset makes it start sooner.
"""

RESUME_PAUSES: Final = tuple(timedelta(milliseconds=ms) for ms in (100, 400, 1600, 6400))
"""The waits of a new attempt while a gateway has claimed its outcome; then the attempt fails."""

CONFIRM_TRIES: Final = 5
"""How often a confirmation is tried. One fails if a gateway has claimed the outcome meanwhile."""

_CLAIMED: Final = "another gateway has claimed the answer of this activity; try again"


def waits_to_resume(callback: Callback, accepted: Accepted, found: Pending) -> bool:
    """Return whether the running attempt waits for the outcome, so that it may be ended.

    Until it has reported the submission, its code may still run `submit`. An attempt that opened
    the callback when the outcome was there receives it, and continues by itself.
    """
    return (
        callback.submitted_at is not None
        and is_opener(callback, found)
        and callback.attempt != accepted.delivered_inline_attempt
    )


class Resumption:
    """Gives accepted outcomes to the attempts that continue with them."""

    def __init__(
        self,
        store: CallbackStore,
        queue: DeliveryQueue,
        activities: Activities,
        *,
        clock: Clock,
        hooks: Hooks,
    ) -> None:
        """Settle outcomes of `store` in `queue`, and report each to `hooks`."""
        self._store = store
        self._queue = queue
        self._activities = activities
        self._clock = clock
        self._hooks = hooks

    async def wait_for_claim(self, claim: Callable[[], Awaitable[bool]]) -> None:
        """Claim the outcome for an attempt that continues; wait while a gateway has claimed it.

        Raises:
            TemporalUnreachableError: The wait was in vain; Temporal retries the attempt.
        """
        if await claim():
            return
        for pause in RESUME_PAUSES:
            await self._clock.sleep(pause)
            if await claim():
                return
        raise TemporalUnreachableError(_CLAIMED)

    async def confirm(self, callback_id: CallbackId, attempt: int) -> None:
        """Commit that the running attempt continues with its outcome, which is applied thereby.

        Safe to repeat.

        Raises:
            ActivityGoneError: The attempt does not run any more, or has no outcome to continue
                with.
            TemporalUnreachableError: That cannot be found out now, or other gateways claim the
                outcome.
        """
        for _ in range(CONFIRM_TRIES):
            callback = (await self._store.find([callback_id]))[callback_id]
            accepted = callback.accepted
            found = await self._activities.resolve(callback.ref)
            if callback.attempt != attempt or not is_opener(callback, found):
                msg = f"attempt {attempt} does not run any more"
                raise ActivityGoneError(msg)
            if callback.state is State.APPLIED:
                return
            if accepted is None or not _has_received(callback, accepted):
                msg = f"attempt {attempt} has received no answer to continue with"
                raise ActivityGoneError(msg)
            proof: dict[str, object] = {"continued": attempt, "by": accepted.delivered_inline_to}
            settlement = Settlement(callback_id, accepted.tries, State.APPLIED, proof)
            await self._queue.settle([settlement])
            settled = (await self._store.find([callback_id]))[callback_id]
            if settled.state is State.APPLIED:
                self._hooks.outcomes_settled([settlement])
                self._hooks.outcome_applied(self._clock.now() - accepted.accepted_at)
                return
        raise TemporalUnreachableError(_CLAIMED)


def _has_received(callback: Callback, accepted: Accepted) -> bool:
    """Return whether the running attempt has claimed the outcome, and nobody has settled it."""
    is_claimed = accepted.delivered_inline_to is not None
    is_its_own = accepted.delivered_inline_attempt == callback.attempt
    return callback.is_resumed and callback.state is State.ACCEPTED and is_claimed and is_its_own
