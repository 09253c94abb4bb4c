"""Ask: open a callback for an activity that somebody else's worker runs."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from enum import Enum

from ringback.core.open import Opening
from ringback.domain.about import About
from ringback.domain.asking import Wish
from ringback.domain.callback import Accepted, Attempts, Callback, State
from ringback.domain.errors import WrongResultError
from ringback.domain.ids import CallbackId
from ringback.domain.link import ALL_VERBS, link_expires_at
from ringback.domain.outcome import Canceled, Completed, Failed
from ringback.domain.vitals import HeartbeatBy
from ringback.ports.identifying import Identified, Identifier, Named
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
class Wants:
    """What an activity asks for besides an answer; see `Wish` for each."""

    answer_within: timedelta | None = None
    on_deadline: Completed | Failed | None = field(default=None, repr=False)
    attempts: Attempts = Attempts.ANY
    follows_reset: bool = False
    result_schema: str | None = None
    about: About = field(default_factory=About)
    heartbeat_by: HeartbeatBy = HeartbeatBy.OUTSIDE
    cancel_within: timedelta | None = None


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

    async def open(self, named: Named, wants: Wants, *, worker: str | None = None) -> Asked:
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
        await self._check_default(wants)
        found = await self._identifier.identify(named)
        callback = await self._opening.open(self._to_wish(named, found, wants))
        is_inline = worker is not None and await self._opening.take_answer(
            callback, found.started_at, worker=worker
        )
        return Asked(callback, Next.RETURN if is_inline else _next(callback), callback.accepted)

    async def _check_default(self, wants: Wants) -> None:
        if wants.result_schema is None or not isinstance(wants.on_deadline, Completed):
            return
        problems = await self._results.problems(wants.result_schema, wants.on_deadline.result)
        if problems:
            raise WrongResultError(problems)

    def _to_wish(self, named: Named, found: Identified, wants: Wants) -> Wish:
        return Wish(
            id=self._new_callback_id(),
            ref=found.ref,
            workflow_type=found.workflow_type,
            activity_type=found.activity_type,
            task_queue=found.task_queue,
            attempt=named.attempt,
            attempt_started_at=found.started_at,
            task_token=named.task_token,
            timeout_at=found.timeout_at,
            verbs=ALL_VERBS,
            key_id=self._key_id,
            link_expires_at=link_expires_at(found.ref.scheduled_at, found.schedule_to_close),
            answer_within=wants.answer_within,
            on_deadline=wants.on_deadline,
            attempts=wants.attempts,
            follows_reset=wants.follows_reset and not found.ref.is_standalone,
            result_schema=wants.result_schema,
            about=wants.about,
            heartbeat_by=wants.heartbeat_by,
            heartbeat_timeout=found.heartbeat_timeout,
            cancel_within=wants.cancel_within,
        )


def _next(callback: Callback) -> Next:
    accepted = callback.accepted
    if accepted is None:
        return Next.SUBMIT if callback.submitted_at is None else Next.WAIT
    is_settled = callback.state in {State.APPLIED, State.SUPERSEDED}
    # A cancellation is nothing that an attempt can end with by itself.
    return Next.RETURN if is_settled and not isinstance(accepted.outcome, Canceled) else Next.WAIT
