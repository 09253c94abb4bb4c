"""Opening: find or create the callback of an activity, and return an answer that exists already."""

import logging
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from ringback.core.group_commit import GroupCommit
from ringback.core.hooks import NO_HOOKS, Hooks
from ringback.core.operations import describe_unknown
from ringback.core.resume import Resumption
from ringback.core.services import run_services
from ringback.core.verdicts import judge, resolve
from ringback.domain.activity_state import Ended, Unknown
from ringback.domain.callback import Accepted, Callback, State
from ringback.domain.errors import (
    ActivityGoneError,
    RingbackError,
    TemporalUnreachableError,
    UnknownCallbackError,
)
from ringback.domain.ids import CallbackId
from ringback.domain.opening import OpenRequest
from ringback.domain.outcome import Canceled, Failed
from ringback.ports.activities import Activities
from ringback.ports.aliases import AliasConflictsError
from ringback.ports.clock import Clock
from ringback.ports.deliveries import DeliveryQueue, Postponement
from ringback.ports.store import CallbackStore

logger = logging.getLogger(__name__)

INLINE_LEASE: Final = timedelta(seconds=5)
"""How long an attempt has to return or raise an answer that it received inline.

After it, the answer is delivered to the same attempt as well; it counts once.
"""

_NOT_APPLIED: Final = "the previous attempt did not end with this outcome"


class CallbackOpener:
    """Opens callbacks for attempts, and gives them answers that exist already.

    Attributes:
        resumption: Lets an attempt continue with its outcome.
    """

    def __init__(
        self,
        store: CallbackStore,
        queue: DeliveryQueue,
        activities: Activities,
        *,
        clock: Clock,
        on_opened: Callable[[Callback], None] = lambda _: None,
        hooks: Hooks = NO_HOOKS,
    ) -> None:
        """Open callbacks in `store`; call `on_opened` with each callback after its commit."""
        self._hooks = hooks
        self._store = store
        self._queue = queue
        self._activities = activities
        self._on_opened = on_opened
        self.resumption = Resumption(store, queue, activities, clock=clock, hooks=hooks)
        self._commits: GroupCommit[OpenRequest, Callback | RingbackError] = GroupCommit(
            self._commit, kind="openings", hooks=hooks
        )
        self._submits: GroupCommit[CallbackId, bool] = GroupCommit(store.mark_submitted)

    async def run(self) -> None:
        """Commit opened callbacks until canceled."""
        async with run_services(self._submits):
            await self._commits.run()

    async def open(self, request: OpenRequest) -> Callback:
        """Return the callback of the activity, committed.

        Raises:
            StoreUnavailableError: It could not be stored; Temporal retries the attempt.
            TemporalUnreachableError: Temporal does not say how the previous attempt ended; Temporal
                retries the attempt.
            ActivityGoneError: The activity has ended.
            AliasInUseError: Another callback that has not ended has an alias of the request.
            MalformedRequestError: The callback would have too many aliases.
        """
        with self._hooks.tracer.span("open callback", links=(request.traceparent,)) as span:
            while True:
                callback = await self._commits.submit(request)
                if isinstance(callback, RingbackError):
                    raise callback
                self._on_opened(callback)
                accepted = _find_doubtful_failure(callback, request)
                if accepted is None or await self._is_not_applied(callback, accepted):
                    break
            span.note({"ringback.callback_id": callback.id})
            logger.debug("callback opened", extra={"callback_id": callback.id})
            self._hooks.callback_opened(callback.id, is_new=callback.id == request.id)
            return callback

    async def _commit(self, requests: Sequence[OpenRequest]) -> Sequence[Callback | RingbackError]:
        """Open many callbacks; a conflict of aliases of one affects no other."""
        refused: dict[CallbackId, RingbackError] = {}
        while left := [one for one in requests if one.id not in refused]:
            try:
                opened = iter(await self._store.open(left))
            except AliasConflictsError as exc:
                refused |= exc.errors
            else:
                return [refused.get(one.id) or next(opened) for one in requests]
        return [refused[one.id] for one in requests]

    async def mark_submitted(self, callback_id: CallbackId) -> None:
        """Commit that `submit` has returned.

        Raises:
            UnknownCallbackError: The callback does not exist.
            StoreUnavailableError: It could not be stored; retry.
        """
        if not await self._submits.submit(callback_id):
            raise UnknownCallbackError(describe_unknown(callback_id))

    async def deliver_inline(
        self, callback: Callback, attempt_started_at: datetime, *, worker: str
    ) -> Accepted | None:
        """Return the outcome that this attempt must end with; `None` if it must wait.

        Until the lease ends, nobody else delivers the outcome. A cancellation is never delivered
        inline: only Temporal can apply it. `worker` is the worker's identity in Temporal's history.

        Raises:
            TemporalUnreachableError: The attempt must resume, and a gateway has claimed its answer.
        """
        accepted = callback.accepted
        is_parked = callback.state is State.PARKED
        if accepted is None or is_parked or isinstance(accepted.outcome, Canceled):
            return None
        if callback.state in {State.APPLIED, State.SUPERSEDED}:
            return accepted
        claim = partial(
            self._queue.deliver_inline,
            callback.id,
            worker=worker,
            attempt_started_at=attempt_started_at,
            lease=INLINE_LEASE,
        )
        if callback.options.resume:
            await self.resumption.wait_for_claim(claim)
            return accepted
        return accepted if await claim() else None

    async def _is_not_applied(self, callback: Callback, accepted: Accepted) -> bool:
        """Return whether a failure has ended no attempt before this one; if it has, settle it.

        A settled failure ends the callback, and Temporal's retry opens a new one. The deliverer
        cannot do this later: once this attempt receives the outcome, Temporal no longer shows how
        the attempts before it ended.

        Raises:
            TemporalUnreachableError: Temporal does not reply.
            ActivityGoneError: The activity has ended.
        """
        there, found = await resolve(self._activities, callback)
        if isinstance(found, Unknown):
            msg = f"Temporal does not say how the previous attempt ended: {found.why}"
            raise TemporalUnreachableError(msg)
        verdict = judge(callback, there.accepted or accepted, found)
        if verdict is None:
            # Temporal will not show this later, and the deliverer that began may have died: make
            # the outcome available to this attempt.
            postponement = Postponement(
                callback.id, accepted.tries, timedelta(0), _NOT_APPLIED, is_not_applied=True
            )
            await self._queue.postpone([postponement])
            return True
        await self._queue.settle([verdict])
        self._hooks.outcomes_settled([verdict])
        if isinstance(found, Ended):
            msg = f"the activity has ended: {found.how}"
            raise ActivityGoneError(msg)
        return False


def _find_doubtful_failure(callback: Callback, request: OpenRequest) -> Accepted | None:
    """Return the accepted failure that may have ended an attempt before that of `request`."""
    accepted = callback.accepted
    # An attempt that continues with its outcome reports that: nothing is in doubt.
    if accepted is None or callback.state is not State.ACCEPTED or callback.is_resumed:
        return None
    tried_at = accepted.unconfirmed_started_at
    if not isinstance(accepted.outcome, Failed) or tried_at is None:
        return None
    # An outdated attempt learns nothing about a later one.
    return accepted if tried_at < request.attempt.started_at else None
