"""Open: find or make the callback of an activity, and take the answer that is already there."""

import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from ringback.core.group_commit import GroupCommit, acknowledged
from ringback.core.hooks import NO_HOOKS, Hooks
from ringback.core.resolve import resolve
from ringback.core.service import running
from ringback.core.verdict import judge
from ringback.domain.activity_state import Ended, Unknown
from ringback.domain.callback import Accepted, Callback, State
from ringback.domain.errors import ActivityGoneError, TemporalUnreachableError
from ringback.domain.ids import CallbackId
from ringback.domain.opening import OpenRequest
from ringback.domain.outcome import Canceled, Failed
from ringback.ports.activities import Activities
from ringback.ports.store import CallbackStore, DeliveryQueue, Postponement

logger = logging.getLogger(__name__)

HAND_OVER: Final = timedelta(seconds=5)
"""For how long an attempt that took an answer may need to return or raise it.

Should it need longer, the answer is delivered too: to the same attempt, so that it counts once.
"""


_NOW: Final = timedelta(0)
_UNTAKEN: Final = "the attempt before ended otherwise"


class Opening:
    """The worker's side: asks, and is asked whether it has asked before."""

    def __init__(
        self,
        store: CallbackStore,
        queue: DeliveryQueue,
        activities: Activities,
        *,
        on_opened: Callable[[Callback], None] = lambda _: None,
        hooks: Hooks = NO_HOOKS,
    ) -> None:
        """Open callbacks in `store`.

        `on_opened` is called with each callback, right after its commit.
        """
        self._hooks = hooks
        self._store = store
        self._queue = queue
        self._activities = activities
        self._on_opened = on_opened
        self._commits: GroupCommit[OpenRequest, Callback] = GroupCommit(store.open)
        self._submits: GroupCommit[CallbackId, None] = GroupCommit(
            acknowledged(store.mark_submitted)
        )

    async def run(self) -> None:
        """Commit what is opened, until canceled."""
        async with running(self._submits):
            await self._commits.run()

    async def open(self, request: OpenRequest) -> Callback:
        """Return the callback of the activity, committed.

        Raises:
            StoreUnavailableError: It could not be kept; the attempt fails and Temporal retries it.
            TemporalUnreachableError: How the attempt before ended could not be learnt; the same.
            ActivityGoneError: The activity has ended meanwhile; nobody waits for this attempt.
        """
        while True:
            callback = await self._commits.submit(request)
            self._on_opened(callback)
            accepted = _in_doubt(callback, request)
            if accepted is None or await self._is_untaken(callback, accepted):
                logger.info("callback opened", extra={"callback_id": callback.id})
                self._hooks.callback_opened(callback.id)
                return callback

    async def mark_submitted(self, callback_id: CallbackId) -> None:
        """Commit that the outside party was asked: no later attempt asks again."""
        await self._submits.submit(callback_id)

    async def take_answer(
        self, callback: Callback, attempt_started_at: datetime, *, worker: str
    ) -> Accepted | None:
        """Return the outcome that this attempt must end with; `None` to go asynchronous.

        Until the hand-over's time is up nobody else delivers it. A cancellation is not handed
        over: only Temporal can apply it. `worker` is the worker's identity as history shows it.
        """
        accepted = callback.accepted
        if accepted is None or isinstance(accepted.outcome, Canceled):
            return None
        if callback.state is State.PARKED:
            return None
        if callback.state in {State.APPLIED, State.SUPERSEDED}:
            return accepted
        was_given = await self._queue.deliver_inline(
            callback.id,
            worker=worker,
            attempt_started_at=attempt_started_at,
            lease=HAND_OVER,
        )
        return accepted if was_given else None

    async def _is_untaken(self, callback: Callback, accepted: Accepted) -> bool:
        """Learn whether a failure has ended an attempt before this one; if so, settle it.

        Then the question is answered, and Temporal's retry asks a new one. That is not put off to
        the deliverer: what is handed over to this attempt hides what became of those before.

        Raises:
            TemporalUnreachableError: It cannot be learnt now.
            ActivityGoneError: The activity has ended.
        """
        there, found = await resolve(self._activities, callback)
        if isinstance(found, Unknown):
            msg = f"how the attempt before ended cannot be learnt: {found.why}"
            raise TemporalUnreachableError(msg)
        verdict = judge(callback, there.accepted or accepted, found)
        if verdict is None:
            # Later that cannot be seen any more, and who began to deliver it may be dead: it is
            # free for this attempt.
            untaken = Postponement(callback.id, accepted.tries, _NOW, _UNTAKEN, is_not_applied=True)
            await self._queue.postpone([untaken])
            return True
        await self._queue.settle([verdict])
        if isinstance(found, Ended):
            msg = f"the activity has ended: {found.how}"
            raise ActivityGoneError(msg)
        return False


def _in_doubt(callback: Callback, request: OpenRequest) -> Accepted | None:
    """Return the accepted failure that may have ended an attempt before the one that asks."""
    accepted = callback.accepted
    if accepted is None or callback.state is not State.ACCEPTED:
        return None
    tried_at = accepted.unconfirmed_started_at
    if not isinstance(accepted.outcome, Failed) or tried_at is None:
        return None
    # Of a later attempt it can tell nothing: it is one that was left behind.
    return accepted if tried_at < request.attempt_started_at else None
