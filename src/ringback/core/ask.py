"""Ask: open a callback for an activity that somebody else's worker runs."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum

from ringback.core.open import Opening
from ringback.domain.callback import Accepted, Callback, State
from ringback.domain.errors import WrongResultError
from ringback.domain.ids import CallbackId
from ringback.domain.link import ALL_VERBS, link_expires_at
from ringback.domain.opening import OpenRequest
from ringback.domain.options import CallbackOptions
from ringback.domain.outcome import Canceled, Completed
from ringback.ports.identifier import Identified, Identifier, Named
from ringback.ports.results import ResultChecker


class Next(Enum):
    """What the attempt that asked does next."""

    SUBMIT = "submit"
    """Ask the outside party, tell that it was asked, and go asynchronous."""

    WAIT = "wait"
    """Go asynchronous: the outside party was asked before, or has answered already."""

    RETURN = "return"
    """End with the answer itself: it was delivered before, and nobody does so again."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What the worker is told.

    Attributes:
        callback: The callback, committed.
        next: What its attempt does next.
        answer: The answer, if there is one already.
    """

    callback: Callback
    next: Next
    answer: Accepted | None


class Asking:
    """Opens callbacks in the place of workers that have no Ringback of their own."""

    def __init__(
        self,
        opening: Opening,
        identifier: Identifier,
        results: ResultChecker,
        *,
        new_callback_id: Callable[[], CallbackId],
        key_id: str,
    ) -> None:
        """Open by `opening` what `identifier` knows; links are signed with `key_id`."""
        self._opening = opening
        self._identifier = identifier
        self._results = results
        self._new_callback_id = new_callback_id
        self._key_id = key_id

    async def open(
        self,
        named: Named,
        options: CallbackOptions,
        *,
        result_schema: str | None = None,
        worker: str | None = None,
    ) -> Asked:
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
        request = self._to_wish(named, found, options, result_schema=result_schema)
        callback = await self._opening.open(request)
        is_inline = worker is not None and await self._opening.take_answer(
            callback, found.started_at, worker=worker
        )
        return Asked(callback, Next.RETURN if is_inline else _next(callback), callback.accepted)

    async def _check_default(self, options: CallbackOptions, result_schema: str | None) -> None:
        default = options.on_deadline
        if result_schema is None or not isinstance(default, Completed):
            return
        problems = await self._results.problems(result_schema, default.result)
        if problems:
            raise WrongResultError(problems)

    def _to_wish(
        self,
        named: Named,
        found: Identified,
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
