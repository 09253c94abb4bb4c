"""Accept: keep the first outcome of a callback, durably, and say so."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from ringback.core.checks import Checks
from ringback.core.group_commit import GroupCommit
from ringback.core.service import running
from ringback.domain.callback import Callback, State
from ringback.domain.errors import (
    AnsweredDifferentlyError,
    ExpiredCallbackError,
    UnknownCallbackError,
)
from ringback.domain.ids import CallbackId, OutcomeId
from ringback.domain.outcome import KINDS, Outcome, is_same_answer
from ringback.ports.store import Acceptance, Answer, CallbackStore, Won

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Receipt:
    """What the sender of an answer is told.

    Attributes:
        callback_id: The callback that was answered.
        state: Where it stands.
        accepted_at: When this answer, or the same one before it, was committed.
        is_duplicate: The same answer had been given before.
    """

    callback_id: CallbackId
    state: State
    accepted_at: datetime
    is_duplicate: bool


class Accepting:
    """Takes answers from everywhere and keeps the first for each callback."""

    def __init__(
        self,
        store: CallbackStore,
        checks: Checks,
        *,
        new_outcome_id: Callable[[], OutcomeId],
        on_accepted: Callable[[], None],
    ) -> None:
        """Keep answers that pass `checks` in `store`.

        `on_accepted` is called right after each commit of a first one.
        """
        self._store = store
        self._checks = checks
        self._new_outcome_id = new_outcome_id
        self._on_accepted = on_accepted
        self._finds: GroupCommit[CallbackId, Callback | None] = GroupCommit(self._find)
        self._commits: GroupCommit[Answer, Acceptance] = GroupCommit(self._commit)

    async def run(self) -> None:
        """Commit answers until canceled."""
        async with running(self._finds):
            await self._commits.run()

    async def accept(
        self, callback_id: CallbackId, outcome: Outcome, *, serial: int | None = None
    ) -> Receipt:
        """Keep `outcome` if it is the first for its callback.

        When it returns, the outcome is committed. The same answer again gets the same receipt,
        marked as a duplicate.

        Args:
            callback_id: The callback.
            outcome: The answer.
            serial: The serial of the link that the sender holds, if it came with one.

        Raises:
            UnknownCallbackError: There is no such callback, or the link was revoked.
            AnsweredDifferentlyError: Another outcome was first; this one is kept as evidence.
            ExpiredCallbackError: Nobody waits for this answer any more.
            MalformedAnswerError: It is too large, or no result of this activity.
            NoCancelRequestedError: `outcome` reports a cancellation that nobody asked for.
            RefusedByTemporalError: Whether a cancellation was asked for cannot be learnt.
            TemporalUnreachableError: The same, for now; send the report again.
            StoreUnavailableError: It could not be kept; try again.
        """
        callback = await self._finds.submit(callback_id)
        if callback is None or not callback.honours(serial):
            raise UnknownCallbackError
        if callback.state is State.OPEN:
            await self._checks.check(callback, outcome)
        answer = Answer(callback_id, self._new_outcome_id(), outcome)
        acceptance = await self._commits.submit(answer)
        if isinstance(acceptance, Won):
            kind = KINDS[type(outcome)]
            logger.info("answer accepted", extra={"callback_id": callback_id, "kind": kind})
            return Receipt(callback_id, State.ACCEPTED, acceptance.accepted_at, is_duplicate=False)
        return await self._explain(answer, acceptance.callback)

    async def _find(self, callback_ids: Sequence[CallbackId]) -> Sequence[Callback | None]:
        found = await self._store.find(callback_ids)
        return [found.get(callback_id) for callback_id in callback_ids]

    async def _commit(self, answers: Sequence[Answer]) -> Sequence[Acceptance]:
        acceptances = await self._store.accept(answers)
        if any(isinstance(acceptance, Won) for acceptance in acceptances):
            self._on_accepted()
        return acceptances

    async def _explain(self, answer: Answer, callback: Callback | None) -> Receipt:
        assert callback is not None, "it was found before, and callbacks are never removed"
        accepted = callback.accepted
        if accepted is None or accepted.is_default:
            raise to_expired(callback)
        if not is_same_answer(accepted.outcome, answer.outcome):
            await self._store.keep_evidence([answer])
            raise AnsweredDifferentlyError(callback.id, accepted.accepted_at)
        return Receipt(callback.id, callback.state, accepted.accepted_at, is_duplicate=True)


def to_expired(callback: Callback) -> ExpiredCallbackError:
    """Return the error that says why `callback` takes no answer."""
    accepted = callback.accepted
    if accepted is not None:
        reason = "its deadline passed" if accepted.is_default else "it has been answered"
        return ExpiredCallbackError(callback.id, reason, accepted.accepted_at)
    assert callback.expired_at is not None, "a callback that refuses every answer has expired"
    assert callback.expired_because is not None, "an expired callback says why"
    return ExpiredCallbackError(callback.id, callback.expired_because, callback.expired_at)
