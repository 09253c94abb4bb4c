"""Opening: find or create the callback of an activity, and use an answer that is there already."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum
from typing import Final

from ringback.core.group_commit import GroupCommit, acknowledged
from ringback.core.hooks import NO_HOOKS, Hooks
from ringback.core.services import run_services
from ringback.core.verdicts import judge, resolve
from ringback.domain.activity_state import Ended, Unknown
from ringback.domain.callback import Accepted, Callback, State
from ringback.domain.errors import ActivityGoneError, TemporalUnreachableError, WrongResultError
from ringback.domain.ids import CallbackId
from ringback.domain.link import ALL_VERBS, link_expires_at
from ringback.domain.opening import OpenRequest
from ringback.domain.options import CallbackOptions
from ringback.domain.outcome import Canceled, Completed, Failed
from ringback.ports.activities import Activities, AttemptRef, IdentifiedAttempt, Identifier
from ringback.ports.results import ResultChecker
from ringback.ports.store import CallbackStore, DeliveryQueue, Postponement

logger = logging.getLogger(__name__)

INLINE_LEASE: Final = timedelta(seconds=5)
"""For how long an attempt that took an answer may need to return or raise it.

Should it need longer, the answer is delivered too: to the same attempt, so that it counts once.
"""


_NOW: Final = timedelta(0)
_NOT_APPLIED: Final = "the attempt before ended otherwise"


class CallbackOpener:
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
        async with run_services(self._submits):
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
            accepted = _find_doubtful_failure(callback, request)
            if accepted is None or await self._is_not_applied(callback, accepted):
                logger.info("callback opened", extra={"callback_id": callback.id})
                self._hooks.callback_opened(callback.id)
                return callback

    async def mark_submitted(self, callback_id: CallbackId) -> None:
        """Commit that the outside party was asked: no later attempt asks again."""
        await self._submits.submit(callback_id)

    async def deliver_inline(
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
            lease=INLINE_LEASE,
        )
        return accepted if was_given else None

    async def _is_not_applied(self, callback: Callback, accepted: Accepted) -> bool:
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
            untaken = Postponement(
                callback.id, accepted.tries, _NOW, _NOT_APPLIED, is_not_applied=True
            )
            await self._queue.postpone([untaken])
            return True
        await self._queue.settle([verdict])
        if isinstance(found, Ended):
            msg = f"the activity has ended: {found.how}"
            raise ActivityGoneError(msg)
        return False


def _find_doubtful_failure(callback: Callback, request: OpenRequest) -> Accepted | None:
    """Return the accepted failure that may have ended an attempt before the one that asks."""
    accepted = callback.accepted
    if accepted is None or callback.state is not State.ACCEPTED:
        return None
    tried_at = accepted.unconfirmed_started_at
    if not isinstance(accepted.outcome, Failed) or tried_at is None:
        return None
    # Of a later attempt it can tell nothing: it is one that was left behind.
    return accepted if tried_at < request.attempt_started_at else None


class Next(Enum):
    """What the attempt that asked does next."""

    SUBMIT = "submit"
    """Ask the outside party, tell that it was asked, and go asynchronous."""

    WAIT = "wait"
    """Go asynchronous: the outside party was asked before, or has answered already."""

    RETURN = "return"
    """End with the answer itself: it was delivered before, and nobody does so again."""


@dataclass(frozen=True, slots=True)
class OpenReply:
    """What the worker is told.

    Attributes:
        callback: The callback, committed.
        next: What its attempt does next.
        answer: The answer, if there is one already.
    """

    callback: Callback
    next: Next
    answer: Accepted | None


class OpenService:
    """Opens callbacks in the place of workers that have no Ringback of their own."""

    def __init__(
        self,
        opener: CallbackOpener,
        identifier: Identifier,
        results: ResultChecker,
        *,
        new_callback_id: Callable[[], CallbackId],
        key_id: str,
    ) -> None:
        """Open by `opener` what `identifier` knows; links are signed with `key_id`."""
        self._opener = opener
        self._identifier = identifier
        self._results = results
        self._new_callback_id = new_callback_id
        self._key_id = key_id

    async def open(
        self,
        named: AttemptRef,
        options: CallbackOptions,
        *,
        result_schema: str | None = None,
        worker: str | None = None,
    ) -> OpenReply:
        """Return the callback of the activity that runs as `named`, committed.

        The same activity gets the same callback, over all its attempts.

        An answer that waits to be delivered is delivered inline to an attempt that names its
        `worker`: the identity in history proves whether it ended with the answer. To any other
        attempt the deliverer brings it, by the attempt's token.

        Raises:
            ActivityGoneError: The attempt does not run any more; nobody waits for it.
            MalformedRequestError: The task token is none, or another activity's.
            WrongResultError: The default answer is not what the activity returns.
            RefusedByTemporalError: Temporal does not know the namespace.
            TemporalUnreachableError: The activity cannot be looked at now; try again.
            StoreUnavailableError: It could not be kept; try again.
        """
        await self._check_default(options, result_schema)
        found = await self._identifier.identify(named)
        if found.ref.is_standalone:
            options = replace(options, follow_reset=False)
        request = self._to_open_request(named, found, options, result_schema=result_schema)
        callback = await self._opener.open(request)
        is_inline = worker is not None and await self._opener.deliver_inline(
            callback, found.started_at, worker=worker
        )
        return OpenReply(callback, Next.RETURN if is_inline else _next(callback), callback.accepted)

    async def _check_default(self, options: CallbackOptions, result_schema: str | None) -> None:
        default = options.on_deadline
        if result_schema is None or not isinstance(default, Completed):
            return
        problems = await self._results.problems(result_schema, default.result)
        if problems:
            raise WrongResultError(problems)

    def _to_open_request(
        self,
        named: AttemptRef,
        found: IdentifiedAttempt,
        options: CallbackOptions,
        *,
        result_schema: str | None,
    ) -> OpenRequest:
        return OpenRequest(
            id=self._new_callback_id(),
            ref=found.ref,
            workflow_type=found.workflow_type,
            activity_type=found.activity_type,
            task_queue=found.task_queue,
            attempt=named.attempt,
            attempt_started_at=found.started_at,
            task_token=named.task_token,
            attempt_timeout_at=found.attempt_timeout_at,
            verbs=ALL_VERBS,
            key_id=self._key_id,
            link_expires_at=link_expires_at(found.ref.scheduled_at, found.schedule_to_close),
            options=options,
            result_schema=result_schema,
            heartbeat_timeout=found.heartbeat_timeout,
        )


def _next(callback: Callback) -> Next:
    accepted = callback.accepted
    if accepted is None:
        return Next.SUBMIT if callback.submitted_at is None else Next.WAIT
    is_settled = callback.state in {State.APPLIED, State.SUPERSEDED}
    # A cancellation is nothing that an attempt can end with by itself.
    return Next.RETURN if is_settled and not isinstance(accepted.outcome, Canceled) else Next.WAIT
