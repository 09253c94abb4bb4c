"""Opening: find or create the callback of an activity, and return an answer that exists already."""

import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from ringback.core.aliases import OpenCommits
from ringback.core.body_encryption import BodyEncryption
from ringback.core.group_commit import GroupCommit
from ringback.core.hooks import NO_HOOKS, Hooks
from ringback.core.resume import Resumption
from ringback.core.services import run_services
from ringback.core.verdicts import judge, resolve
from ringback.domain.activity_state import Ended, Unknown
from ringback.domain.callback import Accepted, Callback, State
from ringback.domain.errors import ActivityGoneError, TemporalUnreachableError, WrongResultError
from ringback.domain.ids import CallbackId
from ringback.domain.link import ALL_VERBS, link_expires_at
from ringback.domain.opening import Next, OpenReply, OpenRequest, next_of
from ringback.domain.options import CallbackOptions
from ringback.domain.outcome import Canceled, Completed, Failed
from ringback.domain.vote_body import to_default_schema
from ringback.ports.activities import Activities, AttemptRef, IdentifiedAttempt, Identifier
from ringback.ports.clock import Clock
from ringback.ports.deliveries import DeliveryQueue, Postponement
from ringback.ports.results import ResultChecker
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
        self._commits = OpenCommits(store, hooks)
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
        """
        with self._hooks.tracer.span("open callback", links=(request.traceparent,)) as span:
            while True:
                callback = await self._commits.submit(request)
                self._on_opened(callback)
                accepted = _find_doubtful_failure(callback, request)
                if accepted is None or await self._is_not_applied(callback, accepted):
                    break
            span.note({"ringback.callback_id": callback.id})
            logger.debug("callback opened", extra={"callback_id": callback.id})
            self._hooks.callback_opened(callback.id, is_new=callback.id == request.id)
            return callback

    async def mark_submitted(self, callback_id: CallbackId) -> bool:
        """Commit that `submit` has returned; return whether the callback exists.

        Raises:
            StoreUnavailableError: It could not be stored; retry.
        """
        return await self._submits.submit(callback_id)

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
    return accepted if tried_at < request.attempt_started_at else None


class OpenService:
    """Opens callbacks for workers."""

    def __init__(
        self,
        opener: CallbackOpener,
        identifier: Identifier,
        results: ResultChecker,
        *,
        new_callback_id: Callable[[], CallbackId],
        key_id: str,
        bodies: BodyEncryption | None = None,
    ) -> None:
        """Open callbacks with `opener`; `key_id` signs their links.

        `bodies` encrypts default answers before they are stored, and decrypts answers.
        """
        self._bodies = bodies
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
        traceparent: str | None = None,
    ) -> OpenReply:
        """Return the callback of the running activity that `named` names, committed.

        All attempts of the activity get the same callback.

        An accepted answer is delivered inline to an attempt that names its `worker`: the identity
        in history proves whether the attempt ended with the answer. For any other attempt, the
        deliverer delivers it, by the attempt's token.

        Raises:
            ActivityGoneError: The attempt no longer runs.
            MalformedRequestError: The task token is invalid, or belongs to another attempt.
            WrongResultError: The default answer is not what the activity returns.
            AliasInUseError: Another callback that has not ended has one of the aliases.
            EncodingError: The user's codec does not encrypt or decrypt a body now; retry.
            RefusedByTemporalError: Temporal does not know the namespace.
            TemporalUnreachableError: Temporal does not reply; retry.
            StoreUnavailableError: The callback could not be stored; retry.
        """
        await self._check_default(options, result_schema)
        found = await self._identifier.identify(named)
        if found.ref.is_standalone:
            options = replace(options, follow_reset=False)
        request = self._to_open_request(named, found, options, result_schema=result_schema)
        request = replace(request, traceparent=traceparent)
        callback = await self._opener.open(await self._encrypt_default(request))
        # Before the claim: nobody else delivers a claimed answer for a while.
        answer = await self._decrypt_answer(callback)
        is_inline = worker is not None and await self._opener.deliver_inline(
            callback, found.started_at, worker=worker
        )
        return OpenReply(callback, Next.RETURN if is_inline else next_of(callback), answer)

    async def _encrypt_default(self, request: OpenRequest) -> OpenRequest:
        default = request.options.on_deadline
        if self._bodies is None or default is None:
            return request
        encrypted = await self._bodies.encrypt(request.terms, default)
        return replace(request, options=replace(request.options, on_deadline=encrypted))

    async def _decrypt_answer(self, callback: Callback) -> Accepted | None:
        return callback.accepted if self._bodies is None else await self._bodies.decrypt(callback)

    async def _check_default(self, options: CallbackOptions, result_schema: str | None) -> None:
        default = options.on_deadline
        schema = to_default_schema(options.policy, result_schema)
        if schema is None or not isinstance(default, Completed):
            return
        problems = await self._results.problems(schema, default.result)
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
